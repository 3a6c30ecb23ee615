"""The projector's loop: whatever is told, how often and in whichever order, one document comes of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.cloud import firestore

from shared.messaging.codec import ProjectMessage, encode_message
from shared.messaging.outbox import ask_for_everything
from shared.model import CorrelationId, PatientKey, SubjectType
from shared.persistence import database
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.documents import patient_state_path, user_inbox_path
from shared.projections.projector import Projected, StillContended, project
from shared.projections.store import FirestoreDocuments, Stored
from shared.projections.subjects import PostgresTruths
from tests.integration.product import BY_HAND, MANY, NOTE, Clinic, CountingProxy, closed_port

pytestmark = pytest.mark.usefixtures("held")

PATIENT_KEYS = {
    "patient_key",
    "version",
    "version_head",
    "snapshot",
    "latest_system_response",
    "last_mini_submission",
    "outcome",
    "flags",
    "updated_at",
}
INBOX_KEYS = {"active", "tokens_valid_after", "open_assignments", "open_count", "updated_at"}


class Documents:
    """One document in memory, with a clock that the test moves and a hook before each step."""

    def __init__(self) -> None:
        self.stored: Stored | None = None
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.reads = self.writes = 0
        self.waits: list[float] = []
        self.before_write: Callable[[], None] = lambda: None

    def read(self, _path: str) -> Stored | None:
        self.reads += 1
        return self.stored

    def write_if_unchanged(self, _path: str, content: Mapping[str, Any], previous: Stored | None) -> bool:
        self.before_write()
        if self.stored != previous:
            return False
        self.writes += 1
        self.put(content)
        return True

    def put(self, content: Mapping[str, Any]) -> None:
        self.stored = Stored(dict(content), self.now)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)

    def content(self) -> dict[str, Any]:
        assert self.stored is not None
        return {key: value for key, value in self.stored.content.items() if key != "updated_at"}

    def grow_old(self) -> None:
        self.now += timedelta(seconds=60)


@pytest.fixture
def documents() -> Documents:
    return Documents()


def into(documents: Documents, clinic: Clinic, number: int = BY_HAND) -> Projected:
    return project(
        PostgresTruths(database.engine()),
        documents,
        clinic.tenant_id,
        SubjectType.PATIENT,
        clinic.context(number),
        now=lambda: documents.now,
        wait=documents.wait,
    )


def really(clinic: Clinic, subject: UUID, kind: SubjectType = SubjectType.PATIENT) -> Projected:
    return project(PostgresTruths(database.engine()), FirestoreDocuments(), clinic.tenant_id, kind, subject)


def patient_document(clinic: Clinic, number: int = BY_HAND) -> dict[str, Any] | None:
    found = FirestoreDocuments().read(patient_state_path(clinic.tenant_id, PatientKey(clinic.key(number))))
    return found and dict(found.content)


def inbox_document(clinic: Clinic, user: int) -> dict[str, Any] | None:
    found = FirestoreDocuments().read(user_inbox_path(clinic.tenant_id, clinic.users[user].user_id))
    return found and dict(found.content)


def tell(clinic: Clinic, version: int, *, forced: bool = False, number: int = BY_HAND) -> None:
    """Puts a row into the outbox by hand."""
    clinic.sql(
        """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, forced)
           VALUES (:tenant, gen_random_uuid(), 'patient', :context, :version, :forced)""",
        context=clinic.context(number),
        version=version,
        forced=forced,
    )


def changed(clinic: Clinic) -> None:
    """A state with a response, two Sends and an open assignment, none of it projected."""
    clinic.status(BY_HAND)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.answer("mini/ack", clinic.says(BY_HAND, override_proceed="green"))
    key = PatientKey(clinic.key(BY_HAND))
    clinic.product.core().persist_assignment(clinic.caller(), key, "claim", role="billing_lead")


# In Firestore -------------------------------------------------------------------------------------------


def test_the_patients_document_has_exactly_the_agreed_keys_and_no_note(clinic: Clinic) -> None:
    changed(clinic)
    assert really(clinic, clinic.context(BY_HAND)) is Projected.WRITTEN
    document = patient_document(clinic)
    assert document is not None
    assert set(document) == PATIENT_KEYS
    row = clinic.context_row(BY_HAND)
    assert document["version"] == row.version == 4
    assert document["version_head"] == {"seq": row.version_seq, "hash": bytes(row.version_head).hex()}
    assert set(document["snapshot"]) == {
        "display_name",
        "id_label",
        "id_masked",
        "dob",
        "snapshot_version",
        "updated_at",
    }
    assert set(document["latest_system_response"]) == {
        "system_response_id",
        "computed_at",
        "proceed_indicator",
        "execution_mode",
        "tasking_summary",
        "rationale",
        "needs_ack",
    }
    assert set(document["last_mini_submission"]) == {
        "mini_submission_id",
        "submitted_at",
        "user_id",
        "user_display_name",
        "system_response_id",
        "override_proceed",
        "override_tasking",
        "confirmed",
    }
    assert document["last_mini_submission"]["override_proceed"] == "green"
    assert document["latest_system_response"]["proceed_indicator"] == "yellow"
    assert document["outcome"] == "acknowledged"
    assert document["flags"] == {"needs_ack": False, "open_assignment_count": 1}
    assert NOTE not in str(document)
    assert clinic.patients[BY_HAND].external_id not in str(document)
    assert clinic.outbox(clinic.context(BY_HAND)) == []


def test_with_nothing_in_the_outbox_firestore_is_not_touched(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)
    clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant")
    assert into(documents, clinic) is Projected.NOTHING_TO_DO
    assert documents.reads == documents.writes == 0


def test_a_subject_of_another_tenant_does_not_exist(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)
    result = project(
        PostgresTruths(database.engine()),
        documents,
        UUID(clinic.product.stack["tenants"][0]["tenant_id"]),
        SubjectType.PATIENT,
        clinic.context(BY_HAND),
    )
    assert result is Projected.NOTHING_TO_DO
    assert documents.reads == 0
    assert len(clinic.outbox(clinic.context(BY_HAND))) == 1


def test_any_number_of_projectors_at_once_end_in_the_same_document(clinic: Clinic) -> None:
    changed(clinic)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: really(clinic, clinic.context(BY_HAND)), range(8)))
    assert results.count(Projected.WRITTEN) == 1
    first = patient_document(clinic)
    assert really(clinic, clinic.context(BY_HAND)) is Projected.NOTHING_TO_DO
    assert patient_document(clinic) == first
    assert clinic.outbox(clinic.context(BY_HAND)) == []


def test_a_document_that_was_lost_comes_back_the_same_but_for_updated_at(clinic: Clinic) -> None:
    changed(clinic)
    lead = clinic.users[2].user_id
    really(clinic, clinic.context(BY_HAND))
    really(clinic, lead, SubjectType.USER)
    patient, inbox = patient_document(clinic), inbox_document(clinic, 2)
    assert patient is not None
    assert inbox is not None
    client = firestore.Client(project=clinic.product.stack["project_id"])
    client.document(patient_state_path(clinic.tenant_id, PatientKey(clinic.key(BY_HAND)))).delete()
    client.document(user_inbox_path(clinic.tenant_id, lead)).delete()
    client.close()

    with unit_of_work(database.engine(), clinic.tenant_id) as uow:
        ask_for_everything(uow, clinic.tenant_id)
        uow.commit()
    assert really(clinic, clinic.context(BY_HAND)) is Projected.WRITTEN
    assert really(clinic, lead, SubjectType.USER) is Projected.WRITTEN
    for old, new in ((patient, patient_document(clinic)), (inbox, inbox_document(clinic, 2))):
        assert new is not None
        assert new.pop("updated_at") > old.pop("updated_at")
        assert new == old


def test_an_inbox_lists_what_is_open_for_user_and_role_and_empties(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    clinic.status(MANY)
    core, lead = clinic.product.core(), clinic.users[2].user_id
    mine = core.persist_assignment(clinic.caller(), PatientKey(clinic.key(BY_HAND)), "claim", user_id=lead)
    ours = core.persist_assignment(
        clinic.caller(), PatientKey(clinic.key(MANY)), "coverage", role="billing_lead"
    )
    assert really(clinic, lead, SubjectType.USER) is Projected.WRITTEN
    document = inbox_document(clinic, 2)
    assert document is not None
    assert set(document) == INBOX_KEYS
    assert document["active"] is True
    assert document["open_count"] == 2
    assert [item["assignment_id"] for item in document["open_assignments"]] == [str(mine), str(ours)]
    assert set(document["open_assignments"][0]) == {
        "assignment_id",
        "patient_key",
        "reason_code",
        "created_at",
        "status",
        "claimed_by",
    }
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    clinic.answer("mini/ack", clinic.says(MANY))
    assert really(clinic, lead, SubjectType.USER) is Projected.WRITTEN
    emptied = inbox_document(clinic, 2)
    assert emptied is not None
    assert (emptied["open_count"], emptied["open_assignments"]) == (0, [])
    assert clinic.outbox(lead) == []


def test_a_disabled_users_inbox_is_inactive_and_empty(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    lead = clinic.users[2].user_id
    clinic.product.core().persist_assignment(
        clinic.caller(), PatientKey(clinic.key(BY_HAND)), "claim", user_id=lead
    )
    clinic.sql("UPDATE app_user SET status = 'disabled' WHERE tenant_id = :tenant AND user_id = :u", u=lead)
    assert really(clinic, lead, SubjectType.USER) is Projected.WRITTEN
    document = inbox_document(clinic, 2)
    assert document is not None
    assert (document["active"], document["open_assignments"], document["open_count"]) == (False, [], 0)


def test_an_inbox_says_since_when_its_users_sign_ins_count(clinic: Clinic) -> None:
    desk = clinic.users[0].user_id
    moments = (datetime(2031, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC), None)
    for moment in moments:
        clinic.sql(
            "UPDATE app_user SET tokens_valid_after = :at WHERE tenant_id = :tenant AND user_id = :u",
            at=moment,
            u=desk,
        )
        assert really(clinic, desk, SubjectType.USER) is Projected.WRITTEN
        document = inbox_document(clinic, 0)
        assert document is not None
        assert (document["active"], document["tokens_valid_after"]) == (True, moment)


def test_an_inbox_is_active_while_the_newest_policy_lets_the_role_use_a_surface(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    lead = clinic.users[2]
    clinic.product.core().persist_assignment(
        clinic.caller(), PatientKey(clinic.key(BY_HAND)), "claim", user_id=lead.user_id
    )
    for mini, sidecar, expected in (
        (["front_desk"], ["front_desk"], (False, 0)),
        ([lead.role], [], (True, 1)),
        ([], [], (False, 0)),
        ([], [lead.role], (True, 1)),
    ):
        clinic.publish(allowlist={"roles": mini, "permissions": {"sidecar": sidecar}})
        with unit_of_work(database.engine(), clinic.tenant_id) as uow:
            ask_for_everything(uow, clinic.tenant_id)
            uow.commit()
        assert really(clinic, lead.user_id, SubjectType.USER) is Projected.WRITTEN
        document = inbox_document(clinic, 2)
        assert document is not None
        assert (document["active"], document["open_count"]) == expected
        assert len(document["open_assignments"]) == expected[1]


def test_who_is_made_or_changes_role_or_status_is_told_with_those_who_see_their_claims(
    clinic: Clinic,
) -> None:
    made, (desk, counselor, lead) = uuid4(), (user.user_id for user in clinic.users)

    def told_by(change: str, **values: object) -> set[UUID]:
        clinic.leave()
        clinic.sql(change, **values)
        assert {row.subject_type for row in clinic.rows("outbox")} <= {"user"}
        return {row.subject for row in clinic.rows("outbox")}

    make = """INSERT INTO app_user (tenant_id, user_id, role, display_name)
        VALUES (:tenant, :made, 'billing_lead', 'Somebody')"""
    assert told_by(make, made=made) == {made}
    change = "UPDATE app_user SET {} WHERE tenant_id = :tenant AND user_id = :user"
    for what in ("status = 'disabled'", "status = 'active'", "role = 'front_desk'", "role = 'billing_lead'"):
        assert told_by(change.format(what), user=lead) == {lead}
    assert told_by(change.format("tokens_valid_after = '2020-01-01'"), user=lead) == {lead}
    for what in ("last_login_at = now()", "display_name = 'Another'"):
        assert told_by(change.format(what), user=desk) == set()
    clinic.status(BY_HAND, user=1)
    core, key = clinic.product.core(), PatientKey(clinic.key(BY_HAND))
    item = core.persist_assignment(clinic.caller(1), key, "claim", role="billing_lead")
    core.claim_assignment(clinic.caller(2), item)
    # The claim is void, and who has the role sees it free again.
    assert told_by(change.format("role = 'financial_counselor'"), user=lead) == {lead, made}
    assert counselor not in told_by(change.format("status = 'disabled'"), user=lead)


# Interleavings ------------------------------------------------------------------------------------------


def test_a_document_that_says_it_already_is_not_written_again(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)
    assert into(documents, clinic) is Projected.WRITTEN
    documents.grow_old()
    tell(clinic, 1)
    assert into(documents, clinic) is Projected.ALREADY_SAID
    assert documents.writes == 1
    assert clinic.outbox(clinic.context(BY_HAND)) == []


def test_a_forced_row_has_it_written_in_any_case(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)
    into(documents, clinic)
    before = documents.content()
    documents.grow_old()
    tell(clinic, 1, forced=True)
    assert into(documents, clinic) is Projected.WRITTEN
    assert documents.writes == 2
    assert documents.content() == before


def test_duplicates_in_any_order_end_in_the_same_document(clinic: Clinic, documents: Documents) -> None:
    changed(clinic)
    into(documents, clinic)
    once = documents.content()
    for version in (3, 1, 2, 1, 4):
        documents.grow_old()
        tell(clinic, version)
        assert into(documents, clinic) is Projected.ALREADY_SAID
        assert into(documents, clinic) is Projected.NOTHING_TO_DO
    assert documents.content() == once
    assert documents.writes == 1


@pytest.mark.parametrize(
    "head", [{"seq": 1, "hash": "00" * 32}, {"seq": 99, "hash": "00" * 32}, {"seq": "x"}, "'; --"]
)
def test_a_head_that_is_no_row_of_the_chain_is_left_for_a_person(
    clinic: Clinic, documents: Documents, head: Any
) -> None:
    clinic.status(BY_HAND)
    into(documents, clinic)
    foreign = {**documents.content(), "version": 7, "version_head": head}
    documents.put(foreign)
    documents.grow_old()
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert into(documents, clinic) is Projected.HEAD_UNKNOWN
    assert documents.content() == foreign
    assert documents.writes == 1
    assert len(clinic.outbox(clinic.context(BY_HAND))) == 1


def test_a_young_document_waits_so_that_a_burst_is_few_writes(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)
    into(documents, clinic)
    documents.now += timedelta(seconds=0.05)
    clinic.answer("mini/ack", clinic.says(BY_HAND))
    assert into(documents, clinic) is Projected.WRITTEN
    assert documents.waits == [pytest.approx(0.15)]
    assert documents.content()["version"] == 2
    assert documents.writes == 2


def test_what_comes_while_a_young_document_waits_is_in_the_same_write(
    clinic: Clinic, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.status(BY_HAND)
    into(documents, clinic)
    clinic.answer("mini/ack", clinic.says(BY_HAND))

    def wait(seconds: float) -> None:
        clinic.answer("mini/ack", clinic.says(BY_HAND))
        documents.now += timedelta(seconds=seconds)

    monkeypatch.setattr(documents, "wait", wait)
    assert into(documents, clinic) is Projected.WRITTEN
    assert documents.content()["version"] == 3
    assert documents.writes == 2
    assert clinic.outbox(clinic.context(BY_HAND)) == []


def test_losing_to_another_projector_means_looking_again(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)
    other = Documents()

    def overtake() -> None:
        documents.before_write = lambda: None
        clinic.answer("mini/ack", clinic.says(BY_HAND))
        into(other, clinic)
        documents.put(other.content())

    documents.before_write = overtake
    # The other one confirmed everything, so there is nothing left to say.
    assert into(documents, clinic) is Projected.NOTHING_TO_DO
    assert documents.content()["version"] == 2
    assert documents.writes == 0


def test_a_lost_write_is_tried_again_with_what_is_true_then(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)

    def disturb() -> None:
        documents.before_write = lambda: None
        documents.put({"version": 0, "version_head": None})
        documents.grow_old()
        clinic.answer("mini/ack", clinic.says(BY_HAND))

    documents.before_write = disturb
    assert into(documents, clinic) is Projected.WRITTEN
    assert documents.writes == 1
    assert documents.content()["version"] == 2
    assert clinic.outbox(clinic.context(BY_HAND)) == []


def test_a_document_that_changes_under_every_try_is_given_up_and_told_again(
    clinic: Clinic, documents: Documents
) -> None:
    clinic.status(BY_HAND)

    def always() -> None:
        documents.put({"version": 0, "version_head": None})
        documents.grow_old()

    documents.before_write = always
    with pytest.raises(StillContended):
        into(documents, clinic)
    assert len(clinic.outbox(clinic.context(BY_HAND))) == 1


def test_a_change_that_came_after_the_reading_is_not_confirmed(clinic: Clinic, documents: Documents) -> None:
    clinic.status(BY_HAND)

    def meanwhile() -> None:
        documents.before_write = lambda: None
        clinic.answer("mini/ack", clinic.says(BY_HAND))

    documents.before_write = meanwhile
    assert into(documents, clinic) is Projected.WRITTEN
    assert documents.content()["version"] == 1
    assert [row.version for row in clinic.outbox(clinic.context(BY_HAND))] == [2]
    documents.grow_old()
    assert into(documents, clinic) is Projected.WRITTEN
    assert documents.content()["version"] == 2


# The function -------------------------------------------------------------------------------------------


def push(clinic: Clinic, data: bytes | str) -> Any:
    """Posts what a push subscription of Pub/Sub would."""
    encoded = data if isinstance(data, str) else base64.b64encode(data).decode()
    body = {
        "message": {
            "data": encoded,
            "messageId": "1",
            "publishTime": "2030-01-01T00:00:00Z",
            "attributes": {},
        },
        "subscription": "projects/mobius-local/subscriptions/projector",
    }
    return clinic.product.client("projector/project").post("/", json=body)


def message(clinic: Clinic, number: int = BY_HAND) -> ProjectMessage:
    return ProjectMessage(
        subject_type=SubjectType.PATIENT,
        subject=clinic.context(number),
        tenant_id=clinic.tenant_id,
        version=1,
        correlation_id=CorrelationId(uuid4()),
    )


def test_a_pushed_message_has_its_subject_projected(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    assert push(clinic, encode_message(message(clinic))).status_code == 200
    document = patient_document(clinic)
    assert document is not None
    assert document["version"] == 1
    assert push(clinic, encode_message(message(clinic))).status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"Maria-Example-1970",
        b"[]",
        b'{"kind": "Maria-Example-1970"}',
        b"\xff\xfe",
        "not base64: Maria-Example-1970",
    ],
)
def test_a_message_that_is_none_is_refused_without_an_echo(
    clinic: Clinic, data: bytes | str, capsys: pytest.CaptureFixture[str]
) -> None:
    response = push(clinic, data)
    assert response.status_code >= 500
    assert "Maria" not in response.get_data(as_text=True)
    assert "Maria" not in capsys.readouterr().out


def test_a_projection_that_fails_is_told_to_pubsub_and_stays_in_the_outbox(clinic: Clinic) -> None:
    clinic.status(BY_HAND)
    clinic.product.configure(FIRESTORE_EMULATOR_HOST=f"127.0.0.1:{closed_port()}", OUTSIDE_TIMEOUT_S="0.5")
    response = push(clinic, encode_message(message(clinic)))
    assert response.status_code >= 500
    assert clinic.key(BY_HAND) not in response.get_data(as_text=True)
    assert len(clinic.outbox(clinic.context(BY_HAND))) == 1


def test_a_projection_takes_at_most_eight_round_trips(
    proxy: CountingProxy, clinic: Clinic, documents: Documents
) -> None:
    clinic.status(MANY)
    into(documents, clinic, MANY)
    documents.grow_old()
    clinic.answer("mini/ack", clinic.says(MANY))
    flights = proxy.flights(lambda: into(documents, clinic, MANY))
    idle = proxy.flights(lambda: into(documents, clinic, MANY))
    print(f"flights: project {flights}, nothing to do {idle}")  # noqa: T201 -- the measured figure, for whoever runs it with -s
    assert documents.writes == 2
    assert 0 < flights <= 8
    assert idle == 1
