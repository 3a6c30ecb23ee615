"""How resources point at each other: the names that a resource goes by, and those that a reference may mean.

A name is a string to be hashed and compared. References resolve as FHIR has it: inside a bundle first, a
relative one against the base of its entry's ``fullUrl``. One that several patients go by means none of them.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from ops.intake.elements import Identifier, Reference

_VERSION = re.compile(r"/_history/[^/]*$")
_REST = re.compile(r"(?:(?P<base>https?://.+)/)?(?P<relative>[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})")
_ANY_BASE = "*/"


def names_of(
    resource_type: str, resource_id: str | None, full_url: str | None, bundle: str | None
) -> tuple[str, ...]:
    """The names of a resource. ``bundle`` says which bundle it is in, if it is in one."""
    url = _plain(full_url)
    names = [url] if url else []
    if resource_id:
        relative = f"{resource_type}/{resource_id}"
        names.append(relative)
        # It says no address of its own, so references with any address may mean it.
        if url is None or not url.startswith("http"):
            names.append(_ANY_BASE + relative)
    return tuple(names) if bundle is None else (*(_in(bundle, name) for name in names), *names)


def meanings_of(reference: str | None, full_url: str | None, bundle: str | None) -> tuple[str, ...]:
    """The names that ``reference`` may mean, the likeliest first, when its resource is at ``full_url``."""
    url = _plain(reference)
    if url is None or url.startswith("#"):
        return ()
    found = _REST.fullmatch(url)
    base = _base(full_url)
    if found is None:
        names: tuple[str, ...] = (url,)
    elif found["base"]:
        names = (url, _ANY_BASE + found["relative"])
    elif base:
        names = (f"{base}/{url}", _ANY_BASE + url)
    else:
        names = (url,)
    return names if bundle is None else (*(_in(bundle, name) for name in names), *names)


def last_words(reference: str | None) -> str | None:
    """``Claim/12`` of whatever address ends so, else the address: enough among one patient's resources."""
    url = _plain(reference)
    found = _REST.fullmatch(url) if url else None
    return found["relative"] if found else url


def may_be_patient(reference: Reference) -> bool:
    """Whether the reference can point at a Patient: it doesn't say that it points at something else."""
    if reference.type is not None:
        return reference.type == "Patient"
    found = _REST.fullmatch(_plain(reference.reference) or "")
    if found:
        return found["relative"].startswith("Patient/")
    url = reference.reference or ""
    return url.startswith(("urn:", "Patient?")) or (not url and reference.identifier is not None)


def is_contained(reference: Reference) -> bool:
    """Whether it points into its own resource."""
    return (reference.reference or "").startswith("#")


def identifier_of(reference: Reference) -> Identifier | None:
    """The business identifier that a reference names its target by, also as ``Patient?identifier=…``."""
    if reference.identifier is not None and reference.identifier.value:
        return reference.identifier
    path, _, query = (reference.reference or "").partition("?")
    if path.rpartition("/")[2] != "Patient":
        return None
    for asked in parse_qs(query).get("identifier", []):
        system, bar, value = asked.partition("|")
        if bar and value:
            return Identifier(system=system or None, value=value)
    return None


def identifier_name(identifier: Identifier) -> str:
    """The name that an identifier gives to its owner."""
    return f"identifier:{identifier.system or ''}|{(identifier.value or '').strip()}"


def id_of(reference: Reference) -> str | None:
    """The resource id at the end of a reference to a Patient."""
    words = last_words(reference.reference) or ""
    return words.partition("/")[2] if words.startswith("Patient/") else None


def _plain(url: str | None) -> str | None:
    if not url:
        return None
    plain = _VERSION.sub("", url.strip())
    return plain.lower() if plain.lower().startswith("urn:uuid:") else plain


def _base(full_url: str | None) -> str | None:
    found = _REST.fullmatch(_plain(full_url) or "")
    return found["base"] if found else None


def _in(bundle: str, name: str) -> str:
    return f"{bundle} {name}"
