"""The policy as a YAML document: what is read, what is refused and how, what is written."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops.demo_load import default_policy
from ops.installation import Refused
from ops.policy.differences import differences
from ops.policy.document import SIZE_LIMIT, parse_policy, policy_digest, read_policy, write_policy
from shared.decisions.policy import Policy, PolicyError, decode_policy, encode_policy
from shared.decisions.standing import canonical_json

FILE = Path(__file__).parents[2] / "ops/default_policy.yaml"
DOCUMENT = FILE.read_text("utf-8")
POLICY = default_policy()

lines = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="{}"),
    min_size=1,
    max_size=40,
).filter(lambda text: re.search(r"\S", text))
names = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,12}", fullmatch=True) | st.sampled_from(
    ["no", "on", "null", "true", "0x1f", "1.5", "1e3", "2026-01-01", "12_3", "08", "007"]
)
codes = st.from_regex(r"[a-z][a-z_]{0,5}(\.[a-z][a-z_]{0,5}){1,2}", fullmatch=True)
reasons = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
assignees = st.fixed_dictionaries({"role": names}) | st.fixed_dictionaries({"user": st.uuids().map(str)})


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Policies of any names, words and rules that a document may hold."""
    rules = st.fixed_dictionaries(
        {
            "proceed": st.sampled_from(["grey", "yellow"]),
            "task": lines,
            "mode": st.sampled_from(["agentic", "copilot", "user_driven"]),
            "reason_code": reasons,
            "needs_ack": st.booleans(),
            "priority": st.integers(1, 1000),
        }
    )
    document: Any = encode_policy(POLICY)
    document["version"] = draw(st.integers(1, 2_147_483_647))
    signals = draw(st.dictionaries(codes, rules, max_size=4))
    document["decisions"] |= {"signals": signals, "nothing_open": draw(lines), "not_assessed": draw(lines)}
    document["decisions"]["mode_texts"]["copilot"] = draw(lines)
    given_reasons = sorted({rule["reason_code"] for rule in signals.values()})
    assigned = st.dictionaries(st.sampled_from(given_reasons), assignees) if given_reasons else st.just({})
    document["notifications"] |= {"assign": draw(assigned), "otherwise": draw(assignees)}
    document["allowlist"]["roles"] = draw(st.lists(names, max_size=3))
    document["allowlist"]["permissions"]["notes"] = draw(st.lists(names, max_size=3))
    document["ui_variants"]["by_role"] = draw(st.dictionaries(names, st.just("desk"), max_size=3))
    days = st.none() | st.integers(30, 36_500)
    kept = {"patient_days": draw(days), "text_days": draw(days), "legal_hold": draw(st.booleans())}
    if kept["patient_days"] and kept["text_days"]:
        kept["text_days"] = min(kept["text_days"], kept["patient_days"])
    document["retention"] = kept
    return decode_policy(document)


def problems_of(text: str) -> list[str]:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text)
    return [str(problem) for problem in refused.value.problems]


def without(line: str, instead: str = "") -> str:
    assert line in DOCUMENT
    return DOCUMENT.replace(line, instead, 1)


@given(policies())
def test_a_policy_is_the_same_after_it_was_written_and_read(policy: Policy) -> None:
    assert parse_policy(write_policy(policy, "Version 1\nof somebody.")) == policy


def test_a_document_has_the_order_of_the_type_and_tells_signals_as_they_are_told() -> None:
    signals = dict(sorted(POLICY.decisions.signals.items(), reverse=True))
    policy = msgspec.structs.replace(
        POLICY, decisions=msgspec.structs.replace(POLICY.decisions, signals=signals)
    )
    written = write_policy(policy, "Version 1.")
    assert re.findall(r"^\w+", written, re.MULTILINE) == list(Policy.__struct_fields__)
    assert written.startswith("# Version 1.\nversion: 1\n\nallowlist:\n  sites: ['*']\n")
    assert list(parse_policy(written).decisions.signals) == sorted(
        signals, key=lambda code: signals[code].priority
    )


def test_the_policy_that_ships_is_a_valid_document() -> None:
    assert read_policy(FILE) == POLICY


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DOCUMENT + "version: 2\n", "version: is there twice, in lines 3 and "),
        (without("      mode: copilot\n", "      mode: copilot\n      mode: agentic\n"),
         "decisions.signals['coverage.inactive'].mode: is there twice, in lines "),
        (without("  roles: [\"*\"]", "  roles: &any [\"*\"]") + "x: *any\n", "an alias (*) can't be used"),
        (without("version: 1", "version: !!python/object:os.system 1"), "version: has the tag tag:yaml.org,"),
        (without("version: 1", "version: [1"), "line 6, column 1: while parsing a flow sequence, "),
        (without("version: 1", "version:\t- 1"), "line 3, column "),
        (DOCUMENT + "--- \nversion: 2\n", "expected a single document in the stream"),
        (DOCUMENT + "\x07", "has a character that YAML doesn't allow"),
        (DOCUMENT + "? [a, b]\n: c\n", "document: has a key in line "),
        ("[" * 10_000, "document: is nested too deeply"),
        ("", "document: must be a mapping of names to values"),
        ("just words", "document: must be a mapping of names to values"),
        (without("show_mode: true", "show_mode: yes"), "desk.show_mode: must be true or false"),
        (without("version: 1", "version: 1" + "0" * 5000), "version: must be a whole number from 1"),
        (without("proceed: yellow", "proceed: purple"),
         "decisions.signals['coverage.inactive'].proceed: is not an allowed value"
         " (allowed: grey, green, yellow)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(text: str, problem: str) -> None:
    assert any(problem in found for found in problems_of(text))


def test_an_alias_that_would_unfold_into_gigabytes_is_not_unfolded() -> None:
    laughs = "".join(f"{name}: &{name} [{', '.join([f'*{of}'] * 9)}]\n" for of, name in pairwise("abcdefghi"))
    assert problems_of("a: &a [ha]\n" + laughs) == [
        "line 2, column 8: an alias (*) can't be used: write the value out"
    ]


def test_mistakes_of_yaml_and_of_policy_are_named_together() -> None:
    text = without("proceed: yellow", "proceed: purple") + "version: 0\n"
    assert len(problems_of(text)) == 3


def test_a_word_is_a_word_whatever_yaml_thinks_of_it() -> None:
    text = without("    front_desk: desk", "    no: desk\n    1.5: desk").replace(
        "No open items", "2026-01-01"
    )
    policy = parse_policy(text)
    assert set(policy.ui_variants.by_role) == {"no", "1.5", "financial_counselor", "billing_lead"}
    assert policy.decisions.nothing_open == "2026-01-01"


@given(st.text(max_size=60), st.integers(0, len(DOCUMENT)), st.integers(0, 30))
@example("", 0, 0)
@example("!!int x", DOCUMENT.index("1\n"), 1)
@example("'\ud800'", DOCUMENT.index("demo_ehr"), 8)
def test_whatever_somebody_types_into_a_document_it_is_a_policy_or_refused(
    typed: str, at: int, instead_of: int
) -> None:
    try:
        policy = parse_policy(DOCUMENT[:at] + typed + DOCUMENT[at + instead_of :])
    except PolicyError as refused:
        assert all(str(problem) for problem in refused.problems)  # noqa: PT017 -- both ends are right here
    else:
        assert parse_policy(write_policy(policy, "")) == policy


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"version: \xff", "is not in UTF-8: see line 1"),
        (b"#" * (SIZE_LIMIT + 1), "is longer than 256 KiB"),
        (
            b"version: 0",
            "is no valid policy; nothing was changed.\n  version: must be a whole number from 1\n",
        ),
    ],
)
def test_a_file_without_a_policy_is_refused_in_a_sentence(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(content)
    with pytest.raises(Refused, match=re.escape(f"{file} {sentence}")):
        read_policy(file)


def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="There is no file"):
        read_policy(tmp_path / "policy.yaml")
    with pytest.raises(Refused, match="is a directory"):
        read_policy(tmp_path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(DOCUMENT, "utf-8-sig")
    assert read_policy(tmp_path / "policy.yaml") == POLICY


def test_the_digest_is_of_what_a_policy_says_and_not_of_its_version_or_order() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(encode_policy(POLICY), order="sorted"))
    assert policy_digest(decode_policy(stored | {"version": 7})) == policy_digest(POLICY)
    assert re.fullmatch("[0-9a-f]{64}", policy_digest(POLICY))
    assert policy_digest(parse_policy(without("No open items", "Nothing open"))) != policy_digest(POLICY)


def test_the_digest_of_a_policy_that_was_published_before_retention_is_what_it_was() -> None:
    before = {name: part for name, part in encode_policy(POLICY).items() if name != "retention"}
    said = {name: part for name, part in before.items() if name != "version"}
    assert policy_digest(decode_policy(before)) == sha256(canonical_json(said).encode()).hexdigest()
    held = decode_policy(before | {"retention": {"legal_hold": True}})
    assert policy_digest(held) != policy_digest(POLICY)


def test_a_document_says_that_something_is_kept_for_good() -> None:
    assert "\nretention:\n  patient_days: null\n  text_days: null\n  legal_hold: false\n" in write_policy(
        POLICY, ""
    )


@given(policies(), policies())
def test_policies_differ_somewhere_or_are_the_same(old: Policy, new: Policy) -> None:
    same = msgspec.structs.replace(new, version=old.version) == old
    assert bool(differences(old, new)) is not same
    assert (policy_digest(old) == policy_digest(new)) is same
