"""What publishing a policy would do to today's patients, counted one patient at a time: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from shared.decisions.assignment import OpenItem, decide_assignments
from shared.decisions.display import variant_for_all
from shared.decisions.engine import decide, is_same_decision
from shared.decisions.policy import Policy
from shared.model import (
    Decision,
    Frozen,
    OutcomeKind,
    PatientContextId,
    ProceedIndicator,
    Signal,
    SystemResponse,
)

_ORDER = tuple(ProceedIndicator)


class Facts(Frozen, frozen=True):
    """What a decision about one patient rests on, and what was surfaced and assigned. No display fields.

    ``has_document``: the patient has a version, so the browsers have a document.
    """

    patient_context_id: PatientContextId
    has_document: bool
    signals: tuple[Signal, ...]
    response: SystemResponse | None
    open_reasons: frozenset[str]


def gets_new_response(facts: Facts, decision: Decision) -> bool:
    """Whether ``decision`` makes a new response for a patient whom somebody has been shown."""
    return facts.response is not None and not is_same_decision(decision, facts.response)


def changes_documents(old: Policy | None, new: Policy) -> bool:
    """Whether every patient's document has to be written anew: another variant is what all may see."""
    return old is not None and variant_for_all(old) != variant_for_all(new)


def changes_inboxes(old: Policy | None, new: Policy) -> bool:
    """Whether every user's inbox has to be written anew: other roles may use the surfaces."""
    return old is None or _surfaces(old) != _surfaces(new)


class Impact:
    """Counts what ``new`` would do where ``old`` holds; ``old`` None: the tenant has no policy yet."""

    def __init__(self, old: Policy | None, new: Policy) -> None:
        self._old, self._new = old, new
        self._documents_change = changes_documents(old, new)
        self.patients = 0
        self.indicators: Counter[tuple[ProceedIndicator | None, ProceedIndicator]] = Counter()
        self.needs_ack_newly = self.needs_ack_no_longer = 0
        self.surfaced = self.new_responses = self.documents = 0
        self.assignments: Counter[tuple[str, str]] = Counter()
        """The items that follow if nobody acknowledges, by whose they are and their reason."""

    def add(self, facts: Facts) -> None:
        """Counts one patient."""
        before = decide(facts.signals, self._old) if self._old is not None else None
        after = decide(facts.signals, self._new)
        needed = before is not None and before.needs_ack
        self.patients += 1
        self.indicators[before.proceed_indicator if before else None, after.proceed_indicator] += 1
        self.needs_ack_newly += after.needs_ack and not needed
        self.needs_ack_no_longer += needed and not after.needs_ack
        self.surfaced += facts.response is not None
        self.documents += self._documents_change and facts.has_document
        if not gets_new_response(facts, after):
            return
        self.new_responses += 1
        if after.needs_ack:
            outcome = OutcomeKind.UNACKNOWLEDGED
            items = decide_assignments(outcome, after.rationale, facts.open_reasons, self._new).value
            self.assignments.update((_assignee(item), item.reason_code) for item in items)

    @property
    def changes(self) -> tuple[tuple[ProceedIndicator | None, ProceedIndicator, int], ...]:
        """From which indicator to which, and how many: those that change, then those that stay."""

        def place(pair: tuple[ProceedIndicator | None, ProceedIndicator]) -> tuple[bool, int, int]:
            before, after = pair
            return before is after, _ORDER.index(before) if before else -1, _ORDER.index(after)

        return tuple((*pair, self.indicators[pair]) for pair in sorted(self.indicators, key=place))

    @property
    def sentence(self) -> str:
        """It all in a sentence: "412 turn yellow, 30 new assignments"."""
        return ", ".join(self._parts()) or "no patient's state changes"

    def _parts(self) -> Iterator[str]:
        turned: Counter[ProceedIndicator] = Counter()
        for before, after, count in self.changes:
            if before is not after:
                turned[after] += count
        for indicator in _ORDER:
            if count := turned[indicator]:
                yield f"{count:,} {'turns' if count == 1 else 'turn'} {indicator}"
        if self.new_responses:
            yield counted(self.new_responses, "new response", "new responses")
        if self.assignments:
            yield counted(self.assignments.total(), "new assignment", "new assignments")
        if self.documents:
            yield counted(self.documents, "document is written anew", "documents are written anew")


def counted(count: int, one: str, many: str) -> str:
    """The count with its noun: "1 patient", "2,000 patients"."""
    return f"{count:,} {one if count == 1 else many}"


def _assignee(item: OpenItem) -> str:
    return item.role or f"user {item.user}"


def _surfaces(policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return policy.allowlist.roles, policy.allowlist.permissions.sidecar
