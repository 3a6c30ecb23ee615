"""A policy as a YAML document: read strictly, written so that a person likes to edit it.

YAML is more than a document needs, and some of it does harm: a key that is there twice silently counts as
the last one, ``no`` is false, an alias can unfold into gigabytes. Here a word is a word, true, false, null
or a whole number, and everything else is refused with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import msgspec
import yaml

from ops.installation import Refused
from shared.decisions.decoding import Problem, path_to
from shared.decisions.policy import Policy, PolicyError, decode_policy, encode_policy
from shared.decisions.retention import RetentionRules
from shared.decisions.standing import canonical_json

SIZE_LIMIT = 256 * 1024
"""No document is longer, in bytes: the default policy has 5 KB, and each signal adds 200 bytes."""

_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:str")
_BOOLEANS = {word: value for value in (True, False) for word in (str(value), str(value).lower())}
_NULLS = ("", "~", "null", "Null")
# More digits than any number here may have; a longer one stays a word, which is then refused as one.
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


class _Composer(yaml.SafeLoader):
    """Leaves every word as it is written, and knows no aliases."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 -- PyYAML reads it from the class

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            why = "an alias (*) can't be used: write the value out"
            alias = cast("Any", self).peek_event()  # without a type in PyYAML's stubs
            raise yaml.MarkedYAMLError(problem=why, problem_mark=alias.start_mark)
        return super().compose_node(parent, index)


class _Writer(yaml.SafeDumper):
    """Block style, but a list of words stays on its line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless  # the items of a list are further in than its name
        super().increase_indent(flow, False)

    def represent_scalar(self, tag: str, value: str, style: str | None = None) -> yaml.ScalarNode:
        # What YAML takes for the end of a line is written as an escape, or it would come back as a blank.
        return super().represent_scalar(tag, value, '"' if _LINE_ENDS.search(value) else style)

    def represent_sequence(
        self, tag: str, sequence: Iterable[Any], flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        items = list(sequence)
        return super().represent_sequence(tag, items, flow_style or all(isinstance(i, str) for i in items))


def read_policy(file: Path) -> Policy:
    """The policy in ``file``. Raises Refused, with every mistake, when there is none in it."""
    try:
        with file.open("rb") as opened:
            content = opened.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise Refused(f"There is no file {file}.") from None
    except IsADirectoryError:
        raise Refused(f"{file} is a directory: name the document in it.") from None
    except (OSError, ValueError) as error:
        raise Refused(f"{file} can't be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) > SIZE_LIMIT:
        raise Refused(f"{file} is longer than {SIZE_LIMIT // 1024} KiB: no policy is.")
    try:
        return parse_policy(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Refused(f"{file} is not in UTF-8: see line {line}. Save it as UTF-8.") from None
    except PolicyError as error:
        raise Refused(told(f"{file} is no valid policy; nothing was changed.", error.problems)) from None


def told(what: str, problems: Iterable[Problem]) -> str:
    """``what``, and below it every problem on a line of its own."""
    return "\n".join((what, *(f"  {problem}" for problem in problems)))


def parse_policy(text: str) -> Policy:
    """The policy that ``text`` says in YAML. Raises PolicyError with everything that is wrong with it."""
    try:
        node = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise PolicyError((_syntax_problem(error),)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PolicyError((Problem(f"line {line}", "has a character that YAML doesn't allow"),)) from None
    except RecursionError:
        raise PolicyError((Problem("", "is nested too deeply"),)) from None
    mistakes: list[Problem] = []
    document: Any = _plain(node, "", mistakes) if node is not None else None
    try:
        policy = decode_policy(document)
    except PolicyError as error:
        raise PolicyError((*mistakes, *error.problems)) from None
    if mistakes:
        raise PolicyError(tuple(mistakes))
    return policy


def write_policy(policy: Policy, heading: str) -> str:
    """The document that ``parse_policy`` reads back as the same policy, below ``heading`` as a comment."""
    document = as_document(policy)
    parts = (_dumped({name: value}) for name, value in document.items())
    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    return "\n".join((comment + next(parts), *parts))


def as_document(policy: Policy) -> dict[str, Any]:
    """The policy as plain values: in its type's order, its own names sorted, signals as they are told."""
    rules = policy.decisions
    signals = sorted(rules.signals.items(), key=lambda item: (item[1].priority, item[0]))
    ordered = msgspec.structs.replace(policy, decisions=msgspec.structs.replace(rules, signals=dict(signals)))
    document: dict[str, Any] = _without_nulls(encode_policy(ordered))
    variants, notifications = document["ui_variants"], document["notifications"]
    for part, name in ((variants, "variants"), (variants, "by_role"), (notifications, "assign")):
        # The database keeps no order.
        part[name] = dict(sorted(part[name].items()))
    # Here null says something: kept until the tenant leaves.
    document["retention"] = msgspec.to_builtins(policy.retention)
    return document


def policy_digest(policy: Policy) -> str:
    """SHA-256 of the canonical JSON of everything that a policy says, its version apart; in hex."""
    content = {name: value for name, value in encode_policy(policy).items() if name != "version"}
    if policy.retention == RetentionRules():
        # Says what a policy said that was published before there was this section.
        del content["retention"]
    return sha256(canonical_json(content).encode()).hexdigest()


def _dumped(value: object) -> str:
    # As wide as the longest line of a policy: a sentence stays on its line.
    options: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": 1000}
    dumped: str = yaml.dump(value, Dumper=_Writer, default_flow_style=False, **options)
    return dumped


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return Problem(where, ", ".join(part for part in (error.context, error.problem) if part))


def _plain(node: yaml.Node, path: str, mistakes: list[Problem]) -> Any:
    """The node as plain values; what YAML alone would let pass goes to ``mistakes``."""
    if node.tag not in _PLAIN_TAGS:
        mistakes.append(Problem(path, f"has the tag {node.tag}: write a plain value"))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, mistakes)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, f"{path}[{index}]", mistakes) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)  # noqa: S101 -- for the type checker: there are three kinds
    word: str = node.value
    if node.style is not None:  # quoted, or a block of text
        return word
    if word in _NULLS:
        return None
    if word in _BOOLEANS:
        return _BOOLEANS[word]
    return int(word) if _WHOLE_NUMBER.fullmatch(word) else word


def _mapping(node: yaml.MappingNode, path: str, mistakes: list[Problem]) -> dict[str, Any]:
    lines: dict[str, int] = {}
    mapping: dict[str, Any] = {}
    for key, item in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            mistakes.append(Problem(path, f"has a key in line {line} that is no word"))
            continue
        name: str = key.value  # a word, whatever it looks like: a role may be called no
        at = path_to(path, name)
        if name in mapping:
            mistakes.append(Problem(at, f"is there twice, in lines {lines[name]} and {line}"))
        lines[name] = line
        mapping[name] = _plain(item, at, mistakes)
    return mapping


def _without_nulls(value: Any) -> Any:
    """An assignee names a role or a user: the other is not written as null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list | tuple) else value
