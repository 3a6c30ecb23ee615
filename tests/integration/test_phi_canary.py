"""No PHI, and nothing that a client sent, is anywhere but where it belongs: every place is searched."""

from __future__ import annotations

import base64
import json
import re
import tempfile
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from google.cloud import firestore
from sqlalchemy import text

from ops.watch import change_line
from shared.persistence.tables import metadata
from shared.web.registry import ENDPOINTS, MINI_ACK
from tests.integration.canary import NOTHING, Markers, Piece
from tests.integration.canary_asking import (
    BORN,
    EXPLANATIONS,
    LAST_FOUR,
    NAME,
    NOTES,
    OURS,
    SECOND,
    THEIRS,
    of,
)
from tests.integration.canary_day import Day
from tests.integration.canary_faults import handler_crashes, no_fault, publisher_raises
from tests.integration.canary_lines import what_is_wrong
from tests.integration.canary_requests import Calls
from tests.integration.canary_site import (
    PROJECT,
    checkpoints,
    documents,
    lines,
    output_to,
    rows,
    site_beside,
)
from tests.integration.canary_wire import Line, push_of
from tests.integration.overdue import LEAD
from tests.integration.product import EXPIRING, Product, forget
from tests.stack import Stack, eventually

BOTH = f"({OURS}|{THEIRS})"
MEANT_FOR = {
    "patient_snapshot.display_name": f"{of(BOTH, NAME)}|^{SECOND} name",
    "patient_snapshot.id_label": f"^{SECOND} label",
    "patient_snapshot.id_masked": of(BOTH, LAST_FOUR),
    "patient_snapshot.dob": of(BOTH, BORN),
    "patient_search_term.term": f"{of(BOTH, NAME, LAST_FOUR)}|^{SECOND} name",
    "mini_submission.note_text": NOTES,
    "break_glass.explanation": EXPLANATIONS,
}
"""The columns that are made for it (handbook: architecture.md, invariant 7), each with what may be in it."""

OWN = ("api", "projector", "scheduler")
OTHERS = ("postgres", "pubsub", "firestore")


@pytest.fixture(scope="module")
def day(stack: Stack) -> Iterator[Day]:
    """The day, once for all tests here, over a site of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="mobius-canary-") as folder,
        pytest.MonkeyPatch.context() as patch,
        site_beside(stack, Path(folder)) as site,
    ):
        product = Product(stack, patch)
        product.stack = {**product.stack, "project_id": PROJECT}
        product.urls = site.database.urls
        product.configure(**site.variables)
        lived = Day(site, product, Markers())
        lived.live()
        yield lived
        forget()


@pytest.fixture
def client(day: Day) -> firestore.Client:
    return firestore.Client(project=PROJECT)


# --- The search finds what there is


@pytest.mark.parametrize(
    "write",
    [
        str,
        str.upper,
        quote,
        lambda value: quote(quote(value)),
        json.dumps,
        lambda value: json.dumps(json.dumps({value: value})),
        lambda value: repr(value.encode()),
        lambda value: value.encode().hex(),
        lambda value: base64.b64encode(f"a{value}".encode()).decode(),
        lambda value: base64.urlsafe_b64encode(f"ab{value}".encode()).decode().rstrip("="),
        lambda value: base64.b64encode(json.dumps({"abc": value}).encode()).decode(),
        lambda value: json.dumps(base64.encodebytes(f"{value} ".encode() * 20).decode()),
        lambda value: "".join(f"&#{ord(letter)};" for letter in value),
        lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    ],
)
def test_a_marker_is_found_however_it_is_written(write: Callable[[str], str]) -> None:
    markers = Markers()
    made = {"word": markers.word("word"), "name": markers.name("name"), "number": markers.number("number")}
    made |= {"tail": markers.tail("tail"), "day": markers.day("day").isoformat()}
    for name, value in made.items():
        assert name in markers.find(f"x {write(value)} y"), name


def test_half_a_marker_is_found_too() -> None:
    markers = Markers()
    assert markers.find(markers.word("whole")[:-3])


def test_a_marker_in_a_line_of_a_log_is_found(day: Day, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(json.dumps({"message": day.markers.word("planted in a log")}) + "\n", encoding="utf-8")
    assert day.markers.leaks(Piece("a log", line) for line in lines(log)) == ["planted in a log in a log"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("application.display_name", ":word"),
        ("outbox.subject_type", ":word"),
        ("event_log.payload_json", "jsonb_build_object('reason', CAST(:word AS text))"),
        ("session.client_session_hash", "convert_to(:word, 'UTF8')"),
        (
            "mini_submission.idempotency_key_hash",
            "convert_to(encode(convert_to(:word, 'UTF8'), 'base64'), 'UTF8')",
        ),
        ("patient_context.patient_key", "upper(:word)"),
    ],
)
def test_a_marker_in_a_row_is_found(day: Day, column: str, value: str) -> None:
    table, _, name = column.partition(".")
    word = day.markers.word(f"planted in {column}")
    with day.site.database.superuser.connect() as connection:
        # Without triggers, and with a column that takes anything: it is about the search.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        checks = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = CAST(:t AS regclass)"
        for check in connection.scalars(text(checks), {"t": table}).all():
            connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {check}"))
        row = f"(SELECT ctid FROM {table} LIMIT 1)"  # noqa: S608 -- our own names
        if table in ("outbox", "application"):
            connection.execute(text(PLANTED[table]), {"tenant": day.clinic.tenant_id})
        change = f"UPDATE {table} SET {name} = {value} WHERE ctid = {row}"  # noqa: S608 -- our own text
        connection.execute(text(change), {"word": word})
        found = day.markers.leaks(piece for piece in rows(connection) if piece.place == column)
        connection.rollback()
    assert f"planted in {column} in {column}" in found


PLANTED = {
    "outbox": """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version)
        VALUES (:tenant, gen_random_uuid(), 'patient', gen_random_uuid(), 1)""",
    "application": """INSERT INTO application (tenant_id, application_id, display_name)
        VALUES (:tenant, 'planted', 'planted')""",
}


@pytest.mark.parametrize("where", ["data", "attributes", "orderingKey"])
def test_a_marker_in_a_message_is_found(day: Day, where: str) -> None:
    word = day.markers.word(f"planted in {where}")
    planted = {
        "data": base64.b64encode(word.encode()).decode(),
        "attributes": {"a": word},
        "orderingKey": word,
    }
    (message,) = day.site.send_around({"data": "eA==", where: planted[where]})
    assert day.markers.find(json.dumps(message)) == {f"planted in {where}"}


def test_a_marker_in_a_document_is_found(day: Day, client: firestore.Client) -> None:
    word = day.markers.word("planted")
    planted = client.document(f"tenants/{uuid4()}/patient_state/nobody/deeper/{uuid4()}")
    planted.set({"open_assignments": [{"reason": {word: b"x"}}]})
    found = day.markers.leaks(documents(client))
    planted.delete()
    assert "planted in a document of deeper" in found


# --- The markers went everywhere


def test_every_endpoint_did_its_work_with_markers_in_it(day: Day) -> None:
    asked = {spec.key: day.statuses[f"client {spec.key}: all is right"] for spec in ENDPOINTS}
    assert asked == dict.fromkeys(asked, 200)


def test_every_error_was_met(day: Day) -> None:
    wanted = {200, 204, 400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429, 500, 503}
    assert wanted - day.met == set()


def test_what_is_meant_to_hold_a_marker_holds_it(day: Day, client: firestore.Client) -> None:
    with day.site.database.superuser.connect() as connection:
        held = {piece.place: day.markers.find(piece.text) for piece in rows(connection)}
    assert {column for column in MEANT_FOR if not held[column]} == set()
    shown = [piece for piece in documents(client) if piece.place == "patient_state.snapshot"]
    assert any(re.search(of(THEIRS, NAME), name) for piece in shown for name in day.markers.find(piece.text))
    told = [piece for piece in day.answers if piece.place.endswith("sidecar/history: all is right")]
    assert any(re.search(NOTES, name) for piece in told for name in day.markers.find(piece.text))
    told = [piece for piece in day.answers if piece.place.endswith("break-glass/list: all is right")]
    assert any(re.search(EXPLANATIONS, name) for piece in told for name in day.markers.find(piece.text))


# --- And are nowhere else


def test_no_column_holds_a_marker_but_those_that_are_made_for_it(day: Day) -> None:
    # Left out: pg_stats and pg_stat_activity, which hold values of these columns and running statements for
    # the server's superuser alone, and no role of ours is one.
    with day.site.database.superuser.connect() as connection:
        found = [piece._replace(fit=MEANT_FOR.get(piece.place, NOTHING)) for piece in rows(connection)]
    assert {piece.place.partition(".")[0] for piece in found} >= set(metadata.tables)
    assert day.markers.leaks(found) == []


def test_no_message_holds_a_marker(day: Day) -> None:
    messages = day.messages
    assert len(messages) > len(ENDPOINTS)
    assert {name for message in messages for name in message} <= {"data", "messageId", "publishTime"}
    assert day.markers.leaks(Piece("a message", json.dumps(message)) for message in messages) == []
    assert day.site.dead_letters() == []


def test_no_document_holds_a_marker_but_the_snapshot_that_every_role_may_see(
    day: Day, client: firestore.Client
) -> None:
    found = list(documents(client))
    kinds = {piece.place for piece in found}
    assert {f"a document of {kind}" for kind in ("patient_state", "invocation_presence")} < kinds
    shown = of(THEIRS, NAME, LAST_FOUR)
    snapshot = "patient_state.snapshot"
    leaks = day.markers.leaks(
        piece._replace(fit=shown) if piece.place == snapshot else piece for piece in found
    )
    assert leaks == []


def test_no_checkpoint_holds_a_marker(day: Day) -> None:
    pieces = list(checkpoints(day.site.folder))
    assert any(day.clinic.key(EXPIRING) in piece.text for piece in pieces)
    assert day.markers.leaks(pieces) == []


@pytest.mark.parametrize("name", OWN)
def test_no_log_line_of_a_process_of_ours_holds_a_marker(day: Day, name: str) -> None:
    logged = lines(day.site.started[name].log)
    assert logged
    assert day.markers.leaks(Piece(f"the log of {name}", line) for line in logged) == []


def test_nothing_that_this_process_wrote_while_all_went_wrong_holds_a_marker(day: Day) -> None:
    logged = lines(day.output)
    assert {json.loads(line)["severity"] for line in logged if line.startswith("{")} >= {"WARNING", "ERROR"}
    assert day.markers.leaks(Piece("this process's output", line) for line in logged) == []


@pytest.mark.parametrize("name", OTHERS)
def test_no_log_line_of_the_servers_beside_us_holds_a_marker(day: Day, name: str) -> None:
    log = day.site.stack_logs / f"{name}.log"
    if not log.exists():
        pytest.skip("the environment's own PostgreSQL logs elsewhere")
    written = lines(log, day.site.earlier.get(log.name, 0))
    assert day.markers.leaks(Piece(f"the log of {name}", line) for line in written) == []


def test_no_answer_tells_a_marker_to_anybody_who_may_not_see_it(day: Day) -> None:
    assert len(day.answers) > 50 * len(ENDPOINTS)
    assert day.markers.leaks(day.answers) == []


def test_no_operator_sees_a_marker(day: Day, client: firestore.Client) -> None:
    states = client.collection_group("patient_state").stream()
    watched = [change_line(state.to_dict() or {}, datetime.now(UTC)) for state in states]
    assert watched
    seen = [*day.screens, *(Piece("mobius watch", line) for line in watched)]
    assert day.markers.leaks(seen) == []


def test_no_exception_of_ours_holds_a_marker(day: Day) -> None:
    ours = [
        each for each in day.raised if type(each).__module__.partition(".")[0] in ("shared", "ops", "main")
    ]
    assert {type(each).__name__ for each in ours} >= {"DatabaseUnavailable", "StillRunning", "Overloaded"}

    def held(error: BaseException) -> str:
        parts = (str(error), error.args, vars(error), getattr(error, "__notes__", ()))
        return "\n".join((*map(repr, parts), *traceback.format_exception(error)))

    found = [Piece(f"a {type(each).__name__}", held(each)) for each in ours]
    assert day.markers.leaks(found) == []


# --- Logs are structured


@pytest.mark.parametrize("name", OWN)
def test_every_line_is_one_of_the_catalogue_with_fields_of_its_types(day: Day, name: str) -> None:
    logged = lines(day.site.started[name].log)
    wrong = {number: what_is_wrong(line) for number, line in enumerate(logged, 1)}
    assert {number: why for number, why in wrong.items() if why} == {}


def test_a_correlation_id_joins_the_request_the_ledger_the_message_and_the_projection(day: Day) -> None:
    correlation_id, trace = str(uuid4()), uuid4().hex
    headers = {"X-Correlation-Id": correlation_id, "traceparent": f"00-{trace}-{'1' * 16}-01"}
    call = Calls(day.markers, MINI_ACK, day.known(MINI_ACK), who="joined").also("with an id", {}, headers)
    answer = day.ask(Line(day.site.started["api"].url), call, day.clinic, LEAD)
    comes_back = correlation_id in answer.text
    assert (answer.status, comes_back) == (200, True)

    def logged(name: str) -> list[dict[str, object]]:
        found = (json.loads(line) for line in lines(day.site.started[name].log) if line.startswith("{"))
        return [each for each in found if each.get("correlation_id") == correlation_id]

    assert eventually(lambda: "projected" in [each["code"] for each in logged("projector")], within_s=10)
    (answered,) = logged("api")
    assert answered["code"] == "request_answered"
    assert answered["logging.googleapis.com/trace"] == f"projects/{PROJECT}/traces/{trace}"
    events = day.clinic.rows("event_log", f"correlation_id = '{correlation_id}'")
    assert {event.event_type for event in events} >= {"User.Acknowledged"}
    decoded = [json.loads(base64.b64decode(str(message["data"]))) for message in day.site.messages()]
    assert correlation_id in [message["correlation_id"] for message in decoded]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_each_level_of_the_log_tells_what_is_as_severe_and_no_value(
    day: Day, tmp_path: Path, level: str
) -> None:
    told = tmp_path / "told.log"
    nothing_new = push_of(day.message_about(day.clinic.context(0)))
    day.shop.product.configure(LOG_LEVEL=level)
    with output_to(told):
        for fault in (no_fault, publisher_raises, handler_crashes):
            with fault(day.shop):
                day.ask_here(Calls(day.markers, MINI_ACK, day.known(MINI_ACK), who=f"at {level}").right())
        day.shop.product.client("projector/project").post("/", json=nothing_new)
    day.shop.product.configure(LOG_LEVEL="DEBUG")
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    severities = {json.loads(line)["severity"] for line in lines(told) if line.startswith("{")}
    assert severities == set(levels[levels.index(level) :])
    assert day.markers.leaks(Piece(f"the log at {level}", line) for line in lines(told)) == []


def test_googles_libraries_are_not_made_to_log_the_documents_that_they_write(day: Day) -> None:
    # A variable of theirs makes them write what they send and get to standard error, whatever LOG_LEVEL says.
    loud = day.site.serve("loud", "projector", GOOGLE_SDK_PYTHON_LOGGING_SCOPE="google")
    if loud.process.poll() is None:
        day.project_again(loud.url)
    assert day.markers.leaks(Piece("the log of Google's libraries", line) for line in lines(loud.log)) == []
