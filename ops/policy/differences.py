"""What differs between two policies, place by place: pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rich.text import Text

from ops.policy.document import as_document
from shared.decisions.decoding import path_to
from shared.decisions.policy import Policy


class Difference(NamedTuple):
    """One place where two policies differ; None is what isn't there."""

    path: str
    before: Any
    after: Any

    def as_text(self) -> Text:
        """The difference as a line: added in green, removed in red, changed in both."""
        if self.before is None:
            return Text.assemble(("+ ", "green"), f"{self.path}: ", (_written(self.after), "green"))
        if self.after is None:
            return Text.assemble(("- ", "red"), f"{self.path}: ", (_written(self.before), "red"))
        return Text.assemble(
            ("~ ", "yellow"), f"{self.path}: ", (_written(self.before), "red"), " → ",
            (_written(self.after), "green"),
        )  # fmt: skip


def differences(old: Policy, new: Policy) -> tuple[Difference, ...]:
    """Every place where ``new`` says something else than ``old``, by path; never the version."""
    before, after = as_document(old), as_document(new)
    del before["version"], after["version"]
    return tuple(_compared("", before, after))


def _compared(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    before_parts, after_parts = _parts(before), _parts(after)
    if before_parts is None or after_parts is None:
        yield Difference(path, before, after)
        return
    for name in sorted({*before_parts, *after_parts}):
        yield from _compared(path_to(path, name), before_parts.get(name), after_parts.get(name))
    kept = [name for name in before_parts if name in after_parts]
    order = [name for name in after_parts if name in before_parts]
    if isinstance(before, list) and kept != order:
        yield Difference(path_to(path, "order"), kept, order)


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What ``value`` consists of, by name: a mapping's items, or those of a list that have an id."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return {item["id"]: item for item in value}
    return None


def _written(value: Any) -> str:
    """A word as it is, anything else on one line as YAML takes it too."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
