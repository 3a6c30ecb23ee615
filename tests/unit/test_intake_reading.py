"""Reading files that were not made for Mobius: what each is, and every resource in it with its place."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.installation import Refused
from ops.intake import reading, sources
from ops.intake.reading import DELETION, NO_RESOURCE, Broken, Found, Passed, read
from ops.intake.sources import Form, find_sources
from tests.fhir_files import bundle, coverage, patient, write_json, write_lines

WANTED = frozenset(("Patient", "Coverage"))
OBSERVATION = {"resourceType": "Observation", "status": "final"}


def read_all(path: Path, wanted: frozenset[str] = WANTED) -> list[Any]:
    (source,) = find_sources([path])
    done: list[int] = []
    items = list(read(source, wanted, done.append))
    assert not done or 0 < done[-1] <= source.size
    assert done == sorted(done)
    return items


def told(items: list[Any]) -> list[tuple[str, str]]:
    """Each item as its place and what it is."""
    lines = []
    for item in items:
        match item:
            case Found():
                lines.append((str(item.place), item.resource_type))
            case Passed(what):
                lines.append(("", what))
            case Broken(place, reason):
                lines.append((str(place), reason))
    return lines


def test_a_broken_line_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "all.ndjson",
        patient(1),
        "",
        '{"resourceType": "Patient", ',
        OBSERVATION,
        "[1]",
        coverage(1),
    )
    assert told(read_all(path)) == [
        ("line 1", "Patient"),
        ("line 3", "is not a JSON object"),
        ("", "Observation"),
        ("line 5", "is not a JSON object"),
        ("line 6", "Coverage"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        '{"resourceType": "Patient", "id": "\\ud800"}',
        '{"resourceType": 7}',
        "null",
        '"text"',
        '{"resourceType": "Patient", "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "\x00\x01",
    ],
)
def test_whatever_a_line_holds_it_stops_nothing(tmp_path: Path, line: str) -> None:
    items = read_all(write_lines(tmp_path / "p.ndjson", patient(1), line, patient(2)))
    assert [str(item.place) for item in items] == ["line 1", "line 2", "line 3"]
    assert told(items)[-1] == ("line 3", "Patient")


def test_a_line_without_a_type_and_one_that_is_not_utf8_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "p.ndjson"
    path.write_bytes(b'{"id": "1"}\n{"resourceType": "Patient", "id": "\xff"}\n')
    assert told(read_all(path)) == [("line 1", "has no resourceType"), ("line 2", "is not a JSON object")]


def test_a_line_that_is_too_long_is_passed_by_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LINE_LIMIT", 1024)
    path = write_lines(tmp_path / "p.ndjson", coverage(1), patient(1, text="x" * 5000), patient(2))
    assert [what for _, what in told(read_all(path))] == ["Coverage", "is longer than 0 MiB", "Patient"]


def test_a_bundle_is_read_entry_by_entry_with_addresses(tmp_path: Path) -> None:
    document = bundle(patient(1), OBSERVATION, coverage(1))
    document["entry"] += [{"request": {"method": "DELETE", "url": "Patient/1"}}, {"fullUrl": "urn:uuid:1"}, 7]
    for indent in (None, 2):
        path = tmp_path / f"bundle{indent}.json"
        path.write_text(json.dumps(document, indent=indent))
        items = read_all(path)
        assert told(items) == [
            ("entry 1", "Patient"),
            ("", "Observation"),
            ("entry 3", "Coverage"),
            ("", DELETION),
            ("", NO_RESOURCE),
            ("entry 6", "is not a JSON object"),
        ]
        assert items[0].full_url == "http://fhir.example.org/r4/Patient/pat-1"


def test_bundles_in_bundles_and_bundles_on_lines_are_opened(tmp_path: Path) -> None:
    inside = bundle(patient(1), bundle(coverage(1), base=None), base=None)
    assert told(read_all(write_json(tmp_path / "b.json", inside))) == [
        ("entry 1", "Patient"),
        ("entry 2.1", "Coverage"),
    ]
    lines = write_lines(tmp_path / "b.ndjson", inside, patient(2))
    assert told(read_all(lines))[1:] == [("line 1, entry 2.1", "Coverage"), ("line 2", "Patient")]


def test_a_bundle_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    text = json.dumps(bundle(patient(1), coverage(1)), indent=1)
    path = tmp_path / "cut.json"
    path.write_text(text[: text.index('"payor"')])
    assert told(read_all(path)) == [
        ("entry 1", "Patient"),
        ("entry 2", "is not valid JSON, the rest of the file was not read"),
    ]


def nested(depth: int) -> dict[str, Any]:
    """A patient whose objects and lists lie ``depth`` deep."""
    inner: list[Any] = []
    for _ in range(depth - 2):
        inner = [inner]
    return {"resourceType": "Patient", "x": inner}


def test_what_is_too_deep_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    deep = "holds more than 64 objects and lists within each other"
    for indent in (None, 2):
        # An entry lies within a list within the bundle.
        document = bundle(nested(61), nested(62), coverage(1), base=None)
        document = {"meta": nested(100), **document}
        path = tmp_path / f"bundle{indent}.json"
        path.write_text(json.dumps(document, indent=indent))
        assert told(read_all(path)) == [("entry 1", "Patient"), ("entry 2", deep), ("entry 3", "Coverage")]
    lines = write_lines(tmp_path / "all.ndjson", nested(64), nested(65), bundle(nested(63)), coverage(1))
    assert [what for _, what in told(read_all(lines))] == ["Patient", deep, deep, "Coverage"]
    for depth, what in ((64, "Patient"), (65, deep)):
        alone = tmp_path / f"{depth}.json"
        alone.write_text(json.dumps(nested(depth), indent=1))
        assert told(read_all(alone)) == [("", what)]


@pytest.mark.parametrize("before", ['{"resourceType": "Bundle", "entry": [', '{\n"entry": ['])
def test_lists_within_lists_without_end_cost_little(tmp_path: Path, before: str) -> None:
    path = tmp_path / "deep.json"
    many = 20_000
    path.write_text(
        before
        + '{"resource": {"resourceType": "Patient", "x": '
        + "[" * many
        + "]" * many
        + '}}, {"resource": {"resourceType": "Coverage"}}], "resourceType": "Bundle"}'
    )
    tracemalloc.start()
    items = read_all(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [str(item.place) for item in items] == ["entry 1", "entry 2"]
    assert isinstance(items[0], Broken)
    assert most < 20_000_000


def test_one_resource_alone_is_a_file_too(tmp_path: Path) -> None:
    assert told(read_all(write_json(tmp_path / "patient.json", patient(1)))) == [("", "Patient")]
    assert told(read_all(write_lines(tmp_path / "patient.txt", patient(1)))) == [("line 1", "Patient")]


def test_the_type_of_a_bundle_may_come_last(tmp_path: Path) -> None:
    document = {"entry": [{"resource": patient(1)}], "resourceType": "Bundle"}
    assert told(read_all(write_json(tmp_path / "b.json", document))) == [("entry 1", "Patient")]


def test_gzipped_files_and_byte_order_marks_are_read_as_they_are(tmp_path: Path) -> None:
    packed = tmp_path / "p.ndjson.gz"
    packed.write_bytes(gzip.compress(json.dumps(patient(1)).encode() + b"\r\n"))
    marked = tmp_path / "b.json"
    marked.write_bytes(b"\xef\xbb\xbf" + json.dumps(bundle(patient(1)), indent=1).encode())
    assert told(read_all(packed)) == [("line 1", "Patient")]
    assert told(read_all(marked)) == [("entry 1", "Patient")]


def test_a_damaged_archive_gives_what_could_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "p.ndjson.gz"
    lines = "".join(json.dumps(patient(number)) + "\n" for number in range(2000)).encode()
    path.write_bytes(gzip.compress(lines)[:-2000])
    items = read_all(path)
    assert len(items) > 100
    assert isinstance(items[-1], Broken)
    assert "damaged" in items[-1].reason


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.ndjson", b"", "is empty"),
        ("blank.json", b" \n\n", "is empty"),
        ("export.xml", b'<?xml version="1.0"?><Bundle/>', "is XML"),
        ("list.json", b'[{"resourceType": "Patient"}]', "is a JSON array"),
        ("note.txt", b"Dear Sirs", "is not JSON"),
        ("export.zip", b"PK\x03\x04", "is an archive"),
        ("wide.json", "\ufeff{}".encode("utf-16-le"), "is UTF-16"),
        ("other.json", b'{"name": "settings", "value": 1}', "not FHIR"),
        ("other.json", b'{\n"name": "settings"\n}', "not FHIR"),
        ("cut.json", b'{\n"name": "sett', "is not valid JSON"),
        ("cut.ndjson.gz", b"\x1f\x8b\x08\x00", "damaged"),
    ],
)
def test_what_can_not_be_read_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Refused, match=says) as refused:
        find_sources([path])
    assert str(path) in str(refused.value)
    assert str(refused.value).endswith(".")


def test_files_that_are_none_are_refused_by_name(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path, "is a directory"),
        (tmp_path / "no", "does not exist"),
        (Path("/dev/null"), "twice"),
    ):
        with pytest.raises(Refused, match=says):
            find_sources([path])


def test_a_file_named_twice_is_one(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "p.ndjson", patient(1))
    assert len(find_sources([path, path])) == 1


def test_a_broken_first_line_makes_no_bundle_of_lines(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "p.ndjson", '{"resourceType": "Patient", "id"', patient(1))
    (source,) = find_sources([path])
    assert source.form is Form.LINES


@given(st.lists(st.sampled_from(["patient", "broken", "", "other"]), max_size=12))
def test_every_line_is_told_once_and_in_order(kinds: list[str]) -> None:
    lines = {"patient": json.dumps(patient(1)), "broken": "{", "": "", "other": json.dumps(OBSERVATION)}
    place = reading.Place(0)
    data = "\n".join(lines[kind] for kind in kinds).encode()
    found = list(reading._lines(io.BytesIO(data), place, WANTED, lambda: None))
    numbers = [n for n, kind in enumerate(kinds, 1) if kind in ("patient", "broken")]
    assert [item.place.line for item in found if not isinstance(item, Passed)] == numbers
    assert sum(isinstance(item, Passed) for item in found) == kinds.count("other")


def test_the_limit_of_a_line_is_the_same_where_forms_are_told() -> None:
    assert reading.LINE_LIMIT == sources.LINE_LIMIT
