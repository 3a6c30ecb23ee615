"""The data types of FHIR R4 that resources are made of, with the few fields that Mobius looks at.

Names are FHIR's. What is said of a resource in ``resources`` holds for its parts.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Element(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a resource, with FHIR's spelling of names."""


class Coding(Element, frozen=True):
    """A code of a code system."""

    system: str | None = None
    code: str | None = None


class Concept(Element, frozen=True):
    """A CodeableConcept. Its ``text`` may hold anything, so nothing but a label is ever made of it."""

    coding: tuple[Coding, ...] = ()
    text: str | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """The bare codes, whatever their systems."""
        return tuple(coding.code for coding in self.coding if coding.code)


class Identifier(Element, frozen=True):
    """A business identifier: the raw external id, so it must not leave the intake."""

    use: str | None = None
    type: Concept = Concept()
    system: str | None = None
    value: str | None = None


class Reference(Element, frozen=True):
    """A pointer at another resource."""

    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None


class Period(Element, frozen=True):
    """A time from ``start`` through ``end``, each a FHIR dateTime of any precision."""

    start: str | None = None
    end: str | None = None


class Money(Element, frozen=True):
    """An amount."""

    value: Decimal | None = None
    currency: str | None = None


class Extension(Element, frozen=True):
    """An addition to R4: the few kinds of value that are looked at."""

    url: str = ""
    value_money: Money | None = None
    value_boolean: bool | None = None
    value_codeable_concept: Concept = Concept()
    extension: tuple[Extension, ...] = ()


class HumanName(Element, frozen=True):
    """A name; a given name may be null where it has extensions only."""

    use: str | None = None
    text: str | None = None
    family: str | None = None
    given: tuple[str | None, ...] = ()


class ContactPoint(Element, frozen=True):
    """A telephone number, an email address and the like."""

    use: str | None = None
    system: str | None = None
    value: str | None = None


class Address(Element, frozen=True):
    """A postal address."""

    use: str | None = None
    text: str | None = None
    line: tuple[str | None, ...] = ()
    city: str | None = None
    postal_code: str | None = None
