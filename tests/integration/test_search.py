"""mini/patient/search: a patient by name, by masked digits, or by the full external id."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.integration.product import BY_HAND, GREEN, Clinic, at_once


def found(clinic: Clinic, q: str, **fields: Any) -> list[str]:
    answer = clinic.answer("mini/patient/search", {"q": q, **fields})
    assert answer["q"] == q
    return [result["id"] for result in answer["results"]]


def test_a_patient_is_found_by_the_beginning_of_any_part_of_the_name(clinic: Clinic) -> None:
    name = clinic.patients[BY_HAND].display_name
    for part in (name, name.lower(), *(word[:4].upper() for word in name.split())):
        assert clinic.key(BY_HAND) in found(clinic, part, limit=25)


def test_every_word_has_to_fit(clinic: Clinic) -> None:
    first = clinic.patients[BY_HAND].display_name.split()[0]
    assert found(clinic, f"{first} zzzz") == []


def test_a_patient_is_found_by_the_digits_that_the_masked_id_shows(clinic: Clinic) -> None:
    assert clinic.key(GREEN) in found(clinic, clinic.patients[GREEN].id_masked.strip("·"))


def test_a_patient_is_found_by_the_full_external_id(clinic: Clinic) -> None:
    assert found(clinic, clinic.patients[GREEN].external_id) == [clinic.key(GREEN)]


def test_a_result_says_name_and_masked_id_and_no_more(clinic: Clinic) -> None:
    patient = clinic.patients[GREEN]
    answer = clinic.answer("mini/patient/search", {"q": patient.external_id, "session_id": "s-1"})
    assert answer["session_id"] == "s-1"
    assert answer["results"] == [
        {"name": patient.display_name, "id": clinic.key(GREEN), "id_masked": patient.id_masked}
    ]


def test_no_more_are_listed_than_asked_for_and_eight_by_default(clinic: Clinic) -> None:
    digits = {patient.id_masked.strip("·")[0] for patient in clinic.patients}
    everybody = {key for digit in digits for key in found(clinic, digit, limit=25)}
    assert len(everybody) == len(clinic.patients)
    common = max(digits, key=lambda digit: len(found(clinic, digit, limit=25)))
    assert len(found(clinic, common, limit=1)) == 1
    assert len(found(clinic, common)) <= 8


def test_a_get_with_a_query_finds_the_same(clinic: Clinic) -> None:
    q = clinic.patients[BY_HAND].display_name
    got = clinic.product.client("mini/patient/search").get(
        "/", query_string={"q": q}, headers=clinic.headers()
    )
    assert got.status_code == 200
    assert [result["id"] for result in got.get_json()["results"]] == found(clinic, q)


def test_patients_of_another_tenant_are_not_found(clinic: Clinic) -> None:
    # The demo clinic numbers its patients alike; only this clinic's own one comes back.
    described = clinic.product.stack["tenants"][0]["patients"]
    name = described[GREEN]["display_name"]
    assert name == clinic.patients[GREEN].display_name
    assert set(found(clinic, name, limit=25)) <= {clinic.key(n) for n in range(len(clinic.patients))}


def test_what_means_nothing_to_a_search_finds_nobody(clinic: Clinic) -> None:
    for q in ("%", "_", "' OR 1=1 --", "\\", "zzzz", "💊"):
        assert found(clinic, q) == []


def test_what_a_role_does_not_see_it_does_not_find_by(clinic: Clinic) -> None:
    patient, key = clinic.patients[BY_HAND], clinic.key(BY_HAND)
    name, digits = patient.display_name.split()[0], patient.id_masked.strip("·")
    by_name, by_digits = (key in found(clinic, q, limit=25) for q in (name, digits))
    assert by_name
    assert by_digits
    for shown, names, ids in (("initials", False, True), ("hidden", False, True), ("full", True, False)):
        variant = {"display_name": shown, "id_masked": ids, "dob": "full", "show_mode": True}
        clinic.publish(ui_variants={"variants": {"desk": variant}})
        assert (key in found(clinic, name, limit=25)) is names
        assert (key in found(clinic, digits, limit=25)) is ids
        assert found(clinic, f"{name} {digits}") == []
        # Who has the whole id from elsewhere has the patient before them.
        assert found(clinic, patient.external_id) == [key]


def test_an_id_of_letters_is_an_id_and_a_name_with_digits_is_a_name(clinic: Clinic) -> None:
    odd = {"name": "Abel832", "id": "····QXYZ", "context": clinic.context(BY_HAND)}
    clinic.sql(
        """INSERT INTO patient_snapshot (tenant_id, patient_context_id, snapshot_version, display_name,
            id_label, id_masked) VALUES (:tenant, :context, 2, :name, 'MRN', :id)""",
        **odd,
    )
    clinic.sql(
        """INSERT INTO patient_search_term (tenant_id, patient_context_id, term)
            VALUES (:tenant, :context, 'abel832'), (:tenant, :context, 'qxyz')""",
        context=odd["context"],
    )
    assert found(clinic, "qxy") == found(clinic, "abel8") == [clinic.key(BY_HAND)]
    for shown, ids, seen, hidden in (("full", False, "abel8", "qxy"), ("hidden", True, "qxy", "abel8")):
        variant = {"display_name": shown, "id_masked": ids, "dob": "full", "show_mode": True}
        clinic.publish(ui_variants={"variants": {"desk": variant}})
        assert found(clinic, seen) == [clinic.key(BY_HAND)]
        assert found(clinic, hidden) == []


def test_first_requests_of_a_tab_at_once_are_all_answered(clinic: Clinic) -> None:
    ask = {"mini/patient/search": {"q": "a"}, "mini/config": {}}
    for number, (endpoint, body) in enumerate(ask.items()):
        calls = [partial(clinic.answer, endpoint, {**body, "session_id": f"tab-{number}"})] * 8
        assert len(at_once(calls)) == 8


def test_the_order_of_what_is_found_says_nothing_of_hidden_names(clinic: Clinic) -> None:
    digit = clinic.patients[BY_HAND].id_masked.strip("·")[0]
    variant = {"display_name": "hidden", "id_masked": True, "dob": "full", "show_mode": True}
    clinic.publish(ui_variants={"variants": {"desk": variant}})
    listed = found(clinic, digit, limit=25)
    assert listed == sorted(listed)


def test_a_search_is_told_to_the_tenants_ledger_without_what_was_typed(clinic: Clinic) -> None:
    before = clinic.counts()
    results = found(clinic, "a")
    found(clinic, "nobody-is-called-this")
    assert clinic.written_since(before) == {"event_log": 2}
    (some, none), user = clinic.events(None), clinic.users[0].user_id
    assert (some.event_type, some.actor_user_id) == ("User.Searched", user)
    contexts = {clinic.key(number): str(clinic.context(number)) for number in range(len(clinic.patients))}
    shown = [contexts[key] for key in results]
    assert some.payload_json == {"result_count": len(results), "surface": "mini", "shown": shown}
    assert none.payload_json == {"result_count": 0, "surface": "mini", "shown": []}
    assert clinic.chain_holds(None)
