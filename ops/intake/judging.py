"""Asks the FHIR library whether a resource is valid R4, and says what is wrong in words without values.

The library's models are R4B's (4.3), which for the types that Mobius takes are R4's (4.0.1). Its own messages
quote what they found, so they stay here: a sentence is made of the element's name and the kind of mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from ops.intake.resources import TAKEN, Resource, take

_RELEASES = {"R5": "fhir.resources", "STU3": "fhir.resources.STU3"}
# Elements that DSTU2 had and no later release.
_DSTU2 = frozenset(("careProvider", "ruleset", "originalRuleset", "bin", "activePeriod", "coveragePeriod"))
_TOLD = 3
_WORDS = {
    "missing": "is missing",
    "model_field_validation.missing": "is missing",
    "extra_forbidden": "has an element that R4 doesn't know",
    "string_type": "is not text",
    "string_pattern_mismatch": "is not in the form that R4 asks for",
    "list_type": "is not a list",
    "base64_decode": "is not base64",
    "not_a_code": "is not a code that R4 has for it",
    "model_type": "is not an object",
}
_WORDS_BY_FAMILY = {
    "date": "is not a date",
    "datetime": "is not a time",
    "time": "is not a time",
    "bool": "is neither true nor false",
    "int": "is not a whole number",
    "decimal": "is not a number",
    "url": "is not an address",
}
_DATES = ("birthDate", "start", "end", "created", "lastUpdated", "date")


class Verdict(msgspec.Struct, frozen=True):
    """A resource that is valid, or the reason why it isn't.

    ``lacking``: it is valid, but with an extension in place of something that Mobius must know.
    ``release`` is the release of FHIR that it is valid in instead, where that can be told.
    """

    resource: Resource | None
    reason: str = ""
    release: str | None = None
    lacking: bool = False


def judge(resource_type: str, content: dict[str, Any]) -> Verdict:
    """Judges a resource of one of the types that Mobius takes in. Never raises."""
    content = _without_contained(content)
    problems, unknown = _problems(resource_type, content)
    if not problems:
        absent = [name for name in _needed(resource_type) if name not in content and f"_{name}" in content]
        if absent:
            return Verdict(None, f"has only an extension in place of {' and '.join(absent)}", lacking=True)
        try:
            return Verdict(take(resource_type, content))
        except msgspec.ValidationError:
            return Verdict(None, "holds null or another kind of value where R4 has none")
    release = _other_release(resource_type, content, unknown) if unknown else None
    if release is not None:
        return Verdict(None, f"is a resource of FHIR {release}, not R4", release)
    more = f", and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
    return Verdict(None, "; ".join(problems[:_TOLD]) + more)


def is_known_type(name: str) -> bool:
    """Whether R4 has resources of this type; any other name may be anything."""
    return name.lower() in _known_types()


@cache
def _known_types() -> frozenset[str]:
    return frozenset(each.name for each in iter_modules(import_module("fhir.resources.R4B").__path__))


def _without_contained(content: dict[str, Any]) -> dict[str, Any]:
    """Mobius reads nothing contained, and some types of R4 are no longer among the library's."""
    contained = content.get("contained")
    if not isinstance(contained, list) or not all(isinstance(each, dict) for each in contained):
        return content
    return {name: value for name, value in content.items() if name != "contained"}


@cache
def _needed(resource_type: str) -> tuple[str, ...]:
    """The elements that Mobius can't do without."""
    fields = msgspec.structs.fields(TAKEN[resource_type])
    return tuple(field.encode_name for field in fields if field.required)


def _problems(resource_type: str, content: dict[str, Any]) -> tuple[list[str], set[str]]:
    """What is wrong, without values, and the names of elements that R4 doesn't have."""
    model = _model("fhir.resources.R4B", resource_type)
    try:
        model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        unknown = {str(e["loc"][-1]) for e in found if e["type"] == "extra_forbidden" and e["loc"]}
        return list(dict.fromkeys(_sentence(e["type"], e["loc"]) for e in found)), unknown
    except Exception:  # noqa: BLE001 -- the library raises whatever its own look-ups do, quoting values
        return ["holds something that the FHIR library can't read"], set()
    return [f"{name} {_WORDS['not_a_code']}" for name in _wrong_codes(model, content)], set()


def _sentence(kind: str, location: tuple[int | str, ...]) -> str:
    if kind == "extra_forbidden":
        # The name may be anything, so only where it stands is told.
        where = _path(location[:-1])
        return f"{where} {_WORDS[kind]}".strip()
    where = _path(location) or "it"
    if kind in _WORDS:
        return f"{where} {_WORDS[kind]}"
    if kind == "value_error" and not isinstance(location[-1] if location else 0, str):
        return f"{where} gives an element in two ways, or a required one in none"
    if kind == "value_error" and location[-1] in _DATES:
        return f"{where} {_WORDS_BY_FAMILY['date']}"
    return f"{where} {_WORDS_BY_FAMILY.get(kind.partition('_')[0], 'is not as R4 has it')}"


def _path(location: tuple[int | str, ...]) -> str:
    """Where it is, as FHIRPath writes it: ``name[0].family`` is of the first name."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier() and step.isascii():
            path += f".{step}" if path else step
    return path


def _wrong_codes(model: type[BaseModel], content: Mapping[str, Any]) -> Iterator[str]:
    """The elements of a required code whose code R4 doesn't have; the library itself lets them pass."""
    for name, codes in _required_codes(model).items():
        if name in content and content[name] not in codes:
            yield name


@cache
def _required_codes(model: type[BaseModel]) -> dict[str, frozenset[str]]:
    found = {}
    for name in ("status", "use", "outcome"):
        extra = model.model_fields[name].json_schema_extra if name in model.model_fields else None
        if isinstance(extra, dict) and isinstance(codes := extra.get("enum_values"), list):
            found[name] = frozenset(str(code) for code in codes)
    return found


def _other_release(resource_type: str, content: dict[str, Any], unknown: set[str]) -> str | None:
    """The release that has all the elements that R4 doesn't know."""
    if unknown & _DSTU2:
        return "DSTU2"
    for release, package in _RELEASES.items():
        try:
            _model(package, resource_type).model_validate(content)
        except Exception:  # noqa: BLE001, S112 -- whatever it raises, it is not valid there either
            continue
        return release
    return None


@cache
def _model(package: str, resource_type: str) -> type[BaseModel]:
    module = import_module(f"{package}.{resource_type.lower()}")
    model: type[BaseModel] = getattr(module, resource_type)
    return model
