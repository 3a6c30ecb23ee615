"""Who asks what, and which markers may be in the answer: the whole of who may see what, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from typer.testing import CliRunner

from ops.cli import app
from ops.emulators import local_session
from shared.messaging.codec import ProjectMessage, encode_message
from shared.model import CorrelationId, SubjectType
from tests.integration.canary import NOTHING, Markers, Piece
from tests.integration.canary_faults import Shop
from tests.integration.canary_patients import Chart
from tests.integration.canary_requests import MARKED, Call, Fields, Spec
from tests.integration.canary_site import Site
from tests.integration.canary_wire import Answer, Line, push_of
from tests.integration.intake_desk import Desk
from tests.integration.overdue import COUNSELOR, DESK, LEAD
from tests.integration.product import Clinic, Product, new_clinic

OURS, THEIRS, SECOND = "patient", "neighbour's patient", "second"
NAME, LAST_FOUR, BORN = r"Patient\.name\[0\]\.(family|given)", r"MRN's last four", r"Patient\.birthDate"
NOTES, EXPLANATIONS = r"/ack note(_text)?$", r"/break-glass explanation$"
SHOWN_OF_SECOND = rf"^{SECOND} (label|name)"
FILE_NAME = r"^name of a file$"
"""The markers by their names: those that are meant to be seen by somebody."""

_POLICY: Mapping[str, Mapping[str, object]] = {
    "ui_variants": {
        "variants": {
            "all": {"display_name": "full", "id_masked": True, "dob": "full", "show_mode": True},
            "some": {"display_name": "initials", "id_masked": False, "dob": "year", "show_mode": False},
            "none": {"display_name": "hidden", "id_masked": False, "dob": "hidden", "show_mode": False},
        },
        "by_role": {"billing_lead": "all", "financial_counselor": "some", "front_desk": "none"},
        "default": "none",
    },
    "allowlist": {
        "permissions": {
            "history": ["billing_lead", "financial_counselor"],
            "notes": ["billing_lead"],
            "break_glass": ["billing_lead"],
            "audit": ["front_desk"],
        }
    },
}
_WITH_NOTES = ("sidecar/state", "sidecar/history")
_WRITTEN_THERE = rf"^neighbour's .*({NOTES}|{EXPLANATIONS})"
_ASKERS = {"sidecar/break-glass/list": DESK, "sidecar/assignment/claim": COUNSELOR}


def asker_of(spec: Spec) -> int:
    """The user of our clinic for whom the endpoint does most."""
    return _ASKERS.get(spec.key, LEAD)


def of(who: str, *fields: str) -> str:
    """The names of a patient's markers in these fields."""
    return rf"^{who} ({'|'.join(fields)})"


class Asking:
    """Two clinics, a patient of each, whoever asks about them, and all that they were answered."""

    def __init__(self, site: Site, product: Product, markers: Markers) -> None:
        self.site = site
        self.markers = markers
        self.shop = Shop(site, product, markers)
        self.clinic, self.neighbour = new_clinic(product), new_clinic(product)
        self.clinic.publish(**_POLICY)
        self.chart, self.strange = Chart(markers, OURS), Chart(markers, THEIRS)
        self.key = Desk(self.clinic).key(self.chart.external_id)
        self.strange_key = Desk(self.neighbour).key(self.strange.external_id)
        self.answers: list[Piece] = []
        self.statuses: dict[str, int] = {}
        self.met: set[int] = set()
        self._sessions: dict[str, str] = {}

    def visible(self, clinic: Clinic, user: int, spec: Spec) -> str:
        """The names of the markers that an answer may tell a user."""
        if clinic is self.neighbour:
            # Under the policy that ships. The desk has broken the glass there, the lead audits.
            shown = of(THEIRS, NAME, LAST_FOUR) if user == LEAD else of(THEIRS, NAME, LAST_FOUR, BORN)
            written = _WRITTEN_THERE if spec.key in (*_WITH_NOTES, "sidecar/break-glass/list") else NOTHING
            return f"{shown}|{written}"
        if user == DESK:
            return EXPLANATIONS if spec.key == "sidecar/break-glass/list" else NOTHING
        if user != LEAD:
            return NOTHING
        whole = f"{of(OURS, NAME, LAST_FOUR, BORN)}|{SHOWN_OF_SECOND}"
        return f"{whole}|{NOTES}" if spec.key in _WITH_NOTES else whole

    def known(self, spec: Spec, *, item: object = None, patient: str | None = None, tab: str = "") -> Fields:
        """The fields that have to be right, or there, for a call to come far.

        Calls of one ``tab`` share a session: each new one is told to everybody.
        """
        if tab:
            self._sessions.setdefault(tab, self.markers.word(f"{tab} session_id"))
        values = {
            "patient_key": patient or self.key,
            "assignment_id": str(item or uuid4()),
            "take_over": True,
            "override_tasking": "review",
            "note_text": MARKED,
            "session_id": self._sessions.get(tab, MARKED),
        }
        return {name: values[name] for name in spec.request.__struct_fields__ if name in values}

    def ask(self, line: Line, call: Call, clinic: Clinic, user: int) -> Answer:
        """Over the wire."""
        answer = line.send(call, clinic.headers(user))
        self._note(call, answer, clinic, user)
        return answer

    def ask_here(self, call: Call) -> None:
        """In this process."""
        user = asker_of(call.spec)
        headers = {**self.clinic.headers(user), **call.headers}
        client = self.shop.product.client(call.spec.key)
        got = client.open("/", method="POST", data=call.body, headers=headers)
        answer = Answer(got.status_code, f"{got.headers}{got.get_data(as_text=True)}")
        self._note(call, answer, self.clinic, user)

    def push(self, what: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """To the projector, as Pub/Sub does it."""
        sent = headers or {"Content-Type": "application/json"}
        got = local_session().post(self.site.started["projector"].url, data=body, headers=sent, timeout=10)
        self.answers.append(Piece(f"answer to a push: {what}", f"{got.headers}{got.text}"))

    def call_timer(self, target: str, *statuses: int) -> None:
        """To the scheduler, as Cloud Scheduler does it, and with more than that sends."""
        marked = {
            name: self.markers.word(f"timer {target} {name}")
            for name in ("X-Correlation-Id", "X-CloudScheduler-JobName", "User-Agent", "Referer")
        }
        url = f"{self.site.started['scheduler'].url}/{target}?{self.markers.word(f'timer {target} query')}"
        body = {"word": self.markers.word(f"timer {target} body")}
        got = local_session().post(url, json=body, headers=marked, timeout=30)
        assert got.status_code in (statuses or (200,)), f"{target} ended with {got.status_code}"
        self.answers.append(Piece(f"answer to {target}", f"{got.headers}{got.text}"))

    def message_about(self, context: UUID, clinic: Clinic | None = None) -> bytes:
        """A message as our functions publish it."""
        return encode_message(
            ProjectMessage(
                subject_type=SubjectType.PATIENT,
                subject=context,
                tenant_id=(clinic or self.clinic).tenant_id,
                version=1,
                correlation_id=CorrelationId(uuid4()),
            )
        )

    def project_again(self, projector: str) -> None:
        """Has the document of the neighbour's patient, which shows the name, written by another projector."""
        tenant = self.neighbour
        (context,) = tenant.rows("patient_context", f"patient_key = '{self.strange_key}'")
        tenant.sql(
            """INSERT INTO outbox (tenant_id, outbox_id, subject_type, subject, version, forced)
               VALUES (:tenant, gen_random_uuid(), 'patient', :context, 0, true)""",
            context=context.patient_context_id,
        )
        message = self.message_about(context.patient_context_id, tenant)
        local_session().post(projector, json=push_of(message), timeout=10).raise_for_status()

    def command(self, *arguments: str) -> str:
        """What an operator of our clinic sees."""
        owner = {"DATABASE_URL": self.site.database.urls.owner}
        tenant = ("--tenant", str(self.clinic.tenant_id))
        return CliRunner().invoke(app, [*arguments, *tenant], env=owner).output

    def _note(self, call: Call, answer: Answer, clinic: Clinic, user: int) -> None:
        self.statuses[call.what] = answer.status
        self.met.add(answer.status)
        place = f"answer {answer.status} to {call.what}"
        if answer.status == 200:
            self.answers.append(Piece(place, answer.text, call.echoes, self.visible(clinic, user, call.spec)))
        else:
            # An error tells nothing to anybody.
            self.answers.append(Piece(place, answer.text))
