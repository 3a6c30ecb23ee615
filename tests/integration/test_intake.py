"""`mobius intake fhir` on the real database: who comes in, and what changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.intake.report import Fate
from shared.security.search_terms import search_terms
from tests.fhir_files import (
    account,
    appointment,
    bundle,
    claim,
    claim_response,
    coverage,
    day,
    eligibility,
    explanation,
    mrn,
    patient,
    write_json,
    write_lines,
)
from tests.integration.intake_desk import Desk, at_once
from tests.integration.overdue import sweep
from tests.integration.product import BY_HAND, GREEN, Clinic

DATA = Path(__file__).parents[1] / "data" / "fhir"

pytestmark = pytest.mark.usefixtures("held")


@pytest.fixture
def desk(clinic: Clinic) -> Desk:
    return Desk(clinic)


# Coming in ----------------------------------------------------------------------------------------------


def test_a_patient_comes_in_whole_with_tokens_masked_id_signals_and_one_event(
    desk: Desk, tmp_path: Path
) -> None:
    # The order of files and resources is free: what is told about a patient may come before the patient.
    money = write_lines(
        tmp_path / "money.ndjson", coverage(1, end=day(-3)), claim_response(1, "197"), account(1)
    )
    people = write_json(tmp_path / "people.json", bundle(patient(1), appointment(1), base=None))
    said = desk.intake(money, people)
    assert "Patients: 1 new, 0 changed, 0 unchanged." in said
    assert "Signals: 4 set, 1 resolved." in said
    row = desk.patient(mrn(1))
    assert (row.version, row.reassess_at, row.ledger_seq) == (0, None, 1)
    assert desk.signals(mrn(1)) == {
        "appointment.upcoming": ("active", {"starts_on": day(5)}),
        "balance.outstanding": ("active", {"amount_minor": 12_550, "currency": "USD"}),
        "claim.denied": ("active", {"denied_on": day(-10), "reason": "no authorization"}),
        "coverage.expiring": ("resolved", {}),
        "coverage.inactive": ("active", {"ended_on": day(-3)}),
    }
    context = row.patient_context_id
    ((name, label, id_masked, dob),) = desk.clinic.sql(
        """SELECT display_name, id_label, id_masked, dob FROM patient_snapshot
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=context,
    )
    assert (name, label, id_masked) == ("Orlaith Mira Zyntherson1", "MRN", f"····{mrn(1)[-4:]}")
    assert dob.isoformat() == patient(1)["birthDate"]
    ((event, version, payload),) = desk.clinic.sql(
        """SELECT event_type, version, payload_json FROM event_log
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=context,
    )
    assert (event, version) == ("Patient.Updated", None)
    assert payload == {"snapshot_version": 1, "changed_signals": sorted(desk.signals(mrn(1)))}
    assert not desk.clinic.outbox(context)


def test_who_came_in_is_shown_with_what_the_policy_makes_of_it(desk: Desk, tmp_path: Path) -> None:
    desk.intake(write_lines(tmp_path / "all.ndjson", patient(1), coverage(1, end=day(-3))))
    state = desk.clinic.answer("mini/status", {"session_id": "s", "patient_key": desk.key(mrn(1))})
    assert state["proceed"]["color"] == "yellow"
    assert "Coverage ended" in str(state["tasking"])


def test_the_same_files_again_change_nothing(desk: Desk, tmp_path: Path) -> None:
    resources = [patient(n) for n in range(1, 6)]
    resources += [coverage(n, end=day(n * 20 - 30)) for n in range(1, 6)]
    resources += [patient(6, telecom=[]), eligibility(2), appointment(3), explanation(4, owed=3), claim(5)]
    files = [write_lines(tmp_path / "all.ndjson", *resources)]
    files.append(write_json(tmp_path / "synthea.json", json.loads((DATA / "synthea_like.json").read_text())))
    desk.intake(*files)
    before = desk.everything()
    assert "Patients: 0 new, 0 changed, 7 unchanged." in desk.intake(*files)
    assert "Signals: 0 set, 0 resolved." in desk.intake(*reversed(files))
    assert desk.everything() == before


def test_two_intakes_of_the_same_files_at_once_both_end_well(desk: Desk, tmp_path: Path) -> None:
    people = [each for n in range(700) for each in (patient(n), coverage(n, end=day(5)))]
    path = write_lines(tmp_path / "all.ndjson", *people)
    other_order = write_lines(tmp_path / "rev.ndjson", *reversed(people))
    reports = at_once(desk.clinic, [path], [other_order])
    total = reports[0].patients + reports[1].patients
    assert total[Fate.NEW] == 700
    assert total[Fate.UNCHANGED] == 700
    assert desk.clinic.count("patient_context") == 700 + len(desk.clinic.patients)
    assert desk.clinic.count("event_log", "event_type = 'Patient.Updated'") == 700


# Changes ------------------------------------------------------------------------------------------------


def test_a_changed_coverage_asks_for_a_new_decision_where_somebody_is_looking(
    desk: Desk, tmp_path: Path
) -> None:
    people = [desk.like(GREEN), desk.like(BY_HAND)]
    covered = write_lines(tmp_path / "before.ndjson", *people, coverage(GREEN), coverage(BY_HAND))
    desk.intake(covered)
    desk.clinic.status(GREEN)
    before = {number: desk.clinic.context_row(number) for number in (GREEN, BY_HAND)}
    ended = [coverage(number, end=day(-1)) for number in (GREEN, BY_HAND)]
    said = desk.intake(write_lines(tmp_path / "after.ndjson", *people, *ended))
    assert "Patients: 0 new, 2 changed, 0 unchanged." in said
    assert "Signals: 2 set, 0 resolved." in said
    watched, alone = (desk.clinic.context_row(number) for number in (GREEN, BY_HAND))
    assert watched.reassess_at is not None
    assert alone.reassess_at is None
    # Facts alone change nothing that is shown: the decision will, under the patient's lock.
    assert watched.version == before[GREEN].version > 0
    assert watched.ledger_seq == before[GREEN].ledger_seq + 1
    assert desk.clinic.chain_holds(GREEN)
    event = desk.clinic.events(GREEN)[-1]
    assert (event.event_type, event.version) == ("Patient.Updated", None)
    assert event.payload_json == {"snapshot_version": 1, "changed_signals": ["coverage.inactive"]}
    # The timer decides anew, so that an open Mini turns yellow without anybody asking.
    assert sweep(desk.clinic.product)["reassessed"] >= 1
    decided = desk.clinic.context_row(GREEN)
    assert (decided.version, decided.reassess_at) == (watched.version + 1, None)
    ((indicator,),) = desk.clinic.sql(
        """SELECT proceed_indicator FROM system_response WHERE tenant_id = :tenant
           AND patient_context_id = :context ORDER BY computed_at DESC LIMIT 1""",
        context=desk.clinic.context(GREEN),
    )
    assert indicator == "yellow"


def test_a_tab_that_is_closed_or_idle_watches_nobody(desk: Desk, tmp_path: Path) -> None:
    for number in (GREEN, BY_HAND):
        desk.clinic.status(number, headers={})
    desk.clinic.sql(
        """UPDATE invocation SET last_seen_at = now() - interval '31 minutes'
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=desk.clinic.context(GREEN),
    )
    desk.clinic.sql(
        """UPDATE invocation SET status = 'closed'
           WHERE tenant_id = :tenant AND patient_context_id = :context""",
        context=desk.clinic.context(BY_HAND),
    )
    ended = [coverage(number, end=day(-1)) for number in (GREEN, BY_HAND)]
    desk.intake(write_lines(tmp_path / "all.ndjson", desk.like(GREEN), desk.like(BY_HAND), *ended))
    assert [desk.clinic.context_row(number).reassess_at for number in (GREEN, BY_HAND)] == [None, None]


def test_a_changed_snapshot_is_a_new_version_of_it_and_of_what_was_shown(desk: Desk, tmp_path: Path) -> None:
    desk.clinic.status(GREEN)
    desk.clinic.sql("DELETE FROM outbox WHERE tenant_id = :tenant")
    changed = [desk.like(n) | {"name": [{"given": ["Maren"], "family": "Newname"}]} for n in (GREEN, BY_HAND)]
    desk.intake(write_lines(tmp_path / "all.ndjson", *changed))
    shown, unseen = (desk.clinic.context_row(number) for number in (GREEN, BY_HAND))
    assert (shown.version, unseen.version) == (2, 0)
    assert [row.version for row in desk.clinic.outbox(desk.clinic.context(GREEN))] == [2]
    assert not desk.clinic.outbox(desk.clinic.context(BY_HAND))
    assert [desk.clinic.events(n)[-1].version for n in (GREEN, BY_HAND)] == [2, None]
    assert shown.version_head == desk.clinic.events(GREEN)[-1].hash
    assert desk.clinic.chain_holds(GREEN)
    for number in (GREEN, BY_HAND):
        names = desk.clinic.sql(
            """SELECT display_name FROM patient_snapshot WHERE tenant_id = :tenant
               AND patient_context_id = :context ORDER BY snapshot_version""",
            context=desk.clinic.context(number),
        )
        assert [row[0] for row in names] == [desk.clinic.patients[number].display_name, "Maren Newname"]
        terms = desk.clinic.sql(
            """SELECT term FROM patient_search_term WHERE tenant_id = :tenant
               AND patient_context_id = :context""",
            context=desk.clinic.context(number),
        )
        old = search_terms(desk.clinic.patients[number].display_name, None)
        assert {"maren", "newname", *old} < {row[0] for row in terms}


def test_what_no_resource_tells_stays_as_it_was(desk: Desk, tmp_path: Path) -> None:
    desk.intake(write_lines(tmp_path / "1.ndjson", patient(1), coverage(1, end=day(-3)), appointment(1)))
    before = desk.signals(mrn(1))
    desk.intake(write_lines(tmp_path / "2.ndjson", patient(1), account(1)))
    assert desk.signals(mrn(1)).items() > before.items()
    # The observation of what is the same is not made younger either.
    desk.intake(
        write_lines(
            tmp_path / "3.ndjson", patient(1), account(1, meta={"lastUpdated": f"{day(0)}T00:00:00Z"})
        )
    )
    ((observed_at,),) = desk.clinic.sql(
        """SELECT observed_at FROM patient_signal WHERE tenant_id = :tenant AND code = 'balance.outstanding'
           AND patient_context_id = :context AND source_system = :source""",
        context=desk.patient(mrn(1)).patient_context_id,
        source="demo_ehr",
    )
    assert abs(observed_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_of_two_patients_with_one_number_the_newer_counts_each_time(desk: Desk, tmp_path: Path) -> None:
    newer = patient(1, meta={"lastUpdated": "2026-02-02T00:00:00Z"})
    older = patient(1, meta={"lastUpdated": "2026-02-01T00:00:00Z"}, name=[{"family": "Before"}])
    path = write_lines(tmp_path / "all.ndjson", newer, older)
    assert "1 new, 0 changed, 0 unchanged" in desk.intake(path)
    assert "0 new, 0 changed, 1 unchanged" in desk.intake(path)
    assert desk.clinic.count("patient_snapshot", "display_name = 'Orlaith Mira Zyntherson1'") == 1
