"""Each word of the mission, as a sentence about the running product (handbook: mission.md, "Words")."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from google.cloud import firestore

from shared.messaging.outbox import ask_for_everything
from shared.model import CorrelationId, PatientKey, SubjectType
from shared.persistence import database
from shared.persistence.unit_of_work import unit_of_work
from shared.projections.documents import patient_state_path
from shared.projections.projector import Projected, project
from shared.projections.store import FirestoreDocuments
from shared.projections.subjects import PostgresTruths
from shared.views import System
from shared.web.registry import ENDPOINTS
from tests.integration.product import BY_HAND, EXPIRING, GREEN, NO_SIGNALS, Clinic

pytestmark = pytest.mark.usefixtures("held")


def test_a_record_lives_outside_mobius_which_gives_it_no_status(clinic: Clinic) -> None:
    columns = clinic.sql(
        """SELECT table_name || '.' || column_name FROM information_schema.columns
           WHERE table_schema = 'public' AND table_name LIKE 'patient_%' AND column_name LIKE '%status%'"""
    )
    assert [row[0] for row in columns] == ["patient_signal.status"]


def test_a_patient_context_binds_tenant_and_patient_key_a_token_that_reveals_nothing(clinic: Clinic) -> None:
    external_id = clinic.patients[EXPIRING].external_id
    detection = {"source_system": "demo_ehr", "external_id": external_id}
    answer = clinic.answer("mini/status", {"session_id": "s", "detection": detection})
    assert answer["patient"]["patient_key"] == clinic.key(EXPIRING)
    assert external_id not in clinic.key(EXPIRING)
    stored = clinic.sql(
        "SELECT CAST(c AS text) FROM patient_context c WHERE tenant_id = :tenant AND patient_key = :key",
        key=clinic.key(EXPIRING),
    )
    assert external_id not in stored[0][0]


def test_a_patient_snapshot_is_versioned_and_for_display_only(clinic: Clinic) -> None:
    before = clinic.status(GREEN)
    clinic.sql(
        """INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name)
           VALUES (:tenant, :context, 2, 'Somebody Renamed')""",
        context=clinic.context(GREEN),
    )
    after = clinic.status(GREEN)
    assert after["patient"]["display_name"] == "Somebody Renamed"
    # What is displayed decides nothing.
    assert after["system_response_id"] == before["system_response_id"]


def test_a_system_response_is_what_was_computed_and_surfaced_with_its_rationale(clinic: Clinic) -> None:
    shown = clinic.answer("sidecar/state", clinic.names(EXPIRING))["patient_state"]["system_response"]
    assert shown["proceed_indicator"] == "yellow"
    assert [reason["signal"] for reason in shown["rationale"] if reason["decided"]] == ["coverage.expiring"]
    assert shown["surface_type"] == "sidecar"
    assert shown["policy_version"] == 1


def test_the_proceed_indicator_is_grey_not_assessed_green_nothing_needed_yellow_look_at_it(
    clinic: Clinic,
) -> None:
    colours = {number: clinic.status(number)["proceed"]["color"] for number in (NO_SIGNALS, GREEN, EXPIRING)}
    assert colours == {NO_SIGNALS: "grey", GREEN: "green", EXPIRING: "yellow"}


def test_the_proceed_indicator_is_blue_when_the_system_fails_and_blue_is_never_stored(clinic: Clinic) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError

    clinic.product.use(clinic.product.core(decide=fails))
    assert clinic.status(EXPIRING)["proceed"]["color"] == "blue"
    assert clinic.count("system_response") == 0


def test_the_execution_mode_says_who_can_advance_it(clinic: Clinic) -> None:
    assert clinic.status(BY_HAND)["mode"] == "user_driven"
    assert clinic.status(EXPIRING)["mode"] == "copilot"


def test_the_tasking_summary_is_one_line_from_the_open_tasks_and_justifies_the_indicator(
    clinic: Clinic,
) -> None:
    tasking = clinic.status(EXPIRING)["tasking"]
    assert tasking["text"].startswith("Coverage ends ")
    assert "\n" not in tasking["text"]
    assert clinic.status(GREEN)["tasking"]["text"] == "No open items"


def test_a_user_interaction_commits_nothing_and_changes_no_state(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    version, rows = clinic.context_row(EXPIRING).version, clinic.outbox(clinic.context(EXPIRING))
    for kind in ("opened", "typed", "viewed"):
        clinic.answer("mini/interaction", {**clinic.names(EXPIRING), "kind": kind})
    assert clinic.context_row(EXPIRING).version == version
    assert clinic.outbox(clinic.context(EXPIRING)) == rows


def test_a_user_acknowledgement_is_a_note_and_at_least_one_asserted_value(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    asserts_nothing = {**clinic.names(EXPIRING), "note_text": "Called."}
    says_nothing = {**clinic.names(EXPIRING), "override_proceed": "green"}
    assert clinic.post("mini/ack", asserts_nothing).status_code == 422
    assert clinic.post("mini/ack", says_nothing).status_code == 422
    assert clinic.answer("mini/ack", clinic.says(EXPIRING, override_tasking="review"))["confirmed"] is True


def test_an_override_is_asserted_beside_the_systems_value_and_never_replaces_it(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    answer = clinic.answer("mini/ack", clinic.says(EXPIRING, override_proceed="green"))
    assert answer["confirmed"] is False
    shown = clinic.status(EXPIRING)
    assert shown["proceed"]["color"] == "yellow"
    assert shown["last_submission"]["override_proceed"] == "green"


def test_a_submission_references_the_system_response_that_it_answers(clinic: Clinic) -> None:
    shown = clinic.status(EXPIRING)
    clinic.answer("mini/ack", clinic.says(EXPIRING))
    (row,) = clinic.sql("SELECT * FROM mini_submission WHERE tenant_id = :tenant")
    assert row.system_response_id == UUID(shown["system_response_id"])
    assert row.user_id == clinic.users[0].user_id
    assert row.invocation_id is not None


def test_an_outcome_is_computed_never_asserted(clinic: Clinic) -> None:
    for number in (EXPIRING, BY_HAND, GREEN):
        clinic.status(number)
    clinic.answer("mini/ack", clinic.says(EXPIRING))
    clinic.answer("mini/dismiss", {**clinic.names(BY_HAND), "reason": "not_now"})
    outcomes = {number: clinic.status(number)["outcome"] for number in (EXPIRING, BY_HAND, GREEN)}
    assert outcomes == {EXPIRING: "acknowledged", BY_HAND: "dismissed", GREEN: None}
    # No request has a field for it.
    assert not any("outcome" in each.request.__struct_fields__ for each in ENDPOINTS)


def test_an_assignment_is_an_open_item_for_a_role_picked_up_by_somebody_else(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    overdue(clinic, EXPIRING)
    assert clinic.answer("sidecar/inbox", {}, user=0)["open_count"] == 0
    (item,) = clinic.answer("sidecar/inbox", {}, user=1)["assignments"]
    assert (item["assigned_to_role"], item["reason_code"]) == ("financial_counselor", "coverage")


def test_an_invocation_is_a_tab_and_a_session_a_bounded_stretch_of_activity_in_it(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    clinic.sql(
        """UPDATE invocation SET last_seen_at = last_seen_at - interval '31 minutes'
           WHERE tenant_id = :tenant"""
    )
    clinic.status(EXPIRING)
    assert clinic.count("invocation") == 1
    assert clinic.count("session", "end_reason = 'idle'") == 1
    assert clinic.count("session", "ended_at IS NULL") == 1


def test_the_policy_is_per_tenant_and_versioned_and_the_newest_counts(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    clinic.sql(
        """INSERT INTO policy_config (tenant_id, version, allowlist_rules_json, ui_variants_json,
               timeout_rules_json, notification_rules_json, decision_rules_json)
           SELECT tenant_id, 2, allowlist_rules_json, ui_variants_json, timeout_rules_json,
               notification_rules_json,
               jsonb_set(decision_rules_json, '{signals,coverage.expiring,proceed}', '"grey"')
           FROM policy_config WHERE tenant_id = :tenant AND version = 1"""
    )
    assert clinic.status(EXPIRING)["proceed"]["color"] == "grey"
    versions = clinic.sql(
        """SELECT r.policy_version, r.proceed_indicator FROM system_response r
           WHERE tenant_id = :tenant ORDER BY computed_at"""
    )
    assert [tuple(row) for row in versions] == [(1, "yellow"), (2, "grey")]


def test_the_ledger_is_append_only_chained_and_free_of_phi(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    clinic.answer("mini/ack", clinic.says(EXPIRING))
    rows = clinic.sql(
        """SELECT CAST(e AS text) AS whole, event_log_canonical(e) AS text, prev_hash, hash FROM event_log e
           WHERE tenant_id = :tenant AND patient_context_id = :context ORDER BY seq""",
        context=clinic.context(EXPIRING),
    )
    head = bytes(32)
    patient = clinic.patients[EXPIRING]
    for row in rows:
        assert row.prev_hash == head
        head = hashlib.sha256(head + row.text.encode()).digest()
        assert row.hash == head
        for phi in (patient.display_name, patient.external_id, str(patient.dob), "Called the payer"):
            assert phi not in row.whole


def test_a_projection_is_derived_from_postgres_and_disposable(clinic: Clinic) -> None:
    clinic.status(EXPIRING)
    path = patient_state_path(clinic.tenant_id, PatientKey(clinic.key(EXPIRING)))
    subject = (clinic.tenant_id, SubjectType.PATIENT, clinic.context(EXPIRING))
    documents = FirestoreDocuments()
    contents = []
    for _ in range(2):
        assert project(PostgresTruths(database.engine()), documents, *subject) is Projected.WRITTEN
        stored = documents.read(path)
        assert stored is not None
        contents.append({key: value for key, value in stored.content.items() if key != "updated_at"})
        firestore.Client(project=clinic.product.stack["project_id"]).document(path).delete()
        assert documents.read(path) is None
        with unit_of_work(database.engine(), clinic.tenant_id) as uow:
            ask_for_everything(uow, clinic.tenant_id)
            uow.commit()
    assert contents[0] == contents[1]
    assert contents[0]["version"] == clinic.context_row(EXPIRING).version


def overdue(clinic: Clinic, number: int) -> None:
    """Lets the time for an acknowledgement pass, and the sweep find it."""
    clinic.sql(
        """UPDATE patient_context SET ack_due_at = now() - interval '1 minute'
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=clinic.context(number),
    )
    system = System(tenant_id=clinic.tenant_id, correlation_id=CorrelationId(UUID(int=1)))
    assert clinic.product.core().settle_overdue(system, clinic.context(number))
