"""By which names one patient's resources know each other: what each goes by, and what a reference means.

A resource goes by its type and id, by its address and by its identifiers; all are hashed. A name that several
go by means none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ops.intake.dates import moment
from ops.intake.elements import Reference
from ops.intake.facts import Fact, Stamp
from ops.intake.reading import Found
from ops.intake.references import identifier_name, is_contained, last_words
from ops.intake.resources import Resource

Hash = Callable[[str], str]


def stamp_of(found: Found, resource: Resource, hashed: Hash) -> Stamp:
    """The names of a resource. The first tells its versions: never an identifier, which several may share."""
    names = [f"{found.resource_type}/{resource.id}"] if resource.id else []
    if url := last_words(found.full_url):
        names.append(url)
    if not names:
        names = [f"{found.place.source} {found.place}"]
    names += [identifier_name(each) for each in resource.identifier if (each.value or "").strip()]
    unique = tuple(dict.fromkeys(hashed(name) for name in names))
    return Stamp(names=unique, updated=moment(resource.meta.last_updated))


def names_in(reference: Reference, hashed: Hash) -> tuple[str, ...]:
    """The names that a reference gives; none when it points into its own resource or has no value."""
    words = None if is_contained(reference) else last_words(reference.reference)
    names = [hashed(words)] if words else []
    identifier = reference.identifier
    if identifier is not None and (identifier.value or "").strip():
        names.append(hashed(identifier_name(identifier)))
    return tuple(names)


def owners(facts: Iterable[Fact]) -> dict[str, str]:
    """By each name the resource that alone goes by it, as its own name."""
    found: dict[str, set[str]] = {}
    for fact in facts:
        for name in fact.stamp.names:
            found.setdefault(name, set()).add(fact.stamp.own)
    return {name: own for name, (own, *others) in found.items() if not others}


def meant(names: Sequence[str], known: Mapping[str, str]) -> str:
    """The own name of the resource that ``names`` mean; where it isn't here, the first of them."""
    return next((known[name] for name in names if name in known), names[0])
