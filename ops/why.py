"""``mobius why``: what a response said and rested on, decided once more, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from ops.installation import (
    DEFAULT_STATE_DIR,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
)
from ops.policy.store import stored_policy
from ops.response_story import Story, read_story
from ops.transaction import transaction
from shared.decisions.display import mode_text, proceed_text
from shared.decisions.engine import decide
from shared.decisions.moments import duration_text, moment_text
from shared.decisions.policy import Policy
from shared.model import (
    Decision,
    ProceedIndicator,
    Reason,
    Signal,
    SignalStatus,
    SystemResponse,
)

_DIGEST_SHOWN = 12


def why(
    response_id: Annotated[
        str,
        typer.Argument(metavar="RESPONSE_ID", help="A system response's id, as answers and events have it."),
    ],
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Says why a response was what it was, decides it once more, and says what became of it."""
    with refusals():
        installation = find_installation(state_dir)
        tenant_id = installation.tenant(tenant)
        with transaction(installation.engine, tenant_id) as uow:
            story = read_story(uow, tenant_id, response_id)
            policy = stored_policy(uow, tenant_id, story.response.policy_version)
        for line in (*_what_it_said(story, policy), *_what_became_of_it(story)):
            typer.echo(line)
        if found := tuple(replay_differences(story.response, story.ledger_digest, policy)):
            raise Refused(f"Replayed under policy version {policy.version}, it differs:\n" + "\n".join(found))
        digest = story.response.facts_digest[:_DIGEST_SHOWN]
        typer.echo(f"Replayed under policy version {policy.version}: the same decision (digest {digest}…).")


def replayed_signals(response: SystemResponse, policy: Policy) -> tuple[Signal, ...]:
    """The facts that the response rested on, out of its rationale, in which every active known signal is.

    Without any, green says that something known was resolved, whatever it was, and grey that nothing was
    known.
    """
    active = tuple(
        Signal(
            code=reason.signal,
            status=SignalStatus.ACTIVE,
            detail=reason.detail,
            observed_at=reason.observed_at,
            source_system=reason.source_system,
        )
        for reason in response.rationale
    )
    if active or response.proceed_indicator is not ProceedIndicator.GREEN:
        return active
    return tuple(
        Signal(
            code=code, status=SignalStatus.RESOLVED, detail={}, observed_at=response.computed_at,
            source_system="any",
        )
        for code in sorted(policy.decisions.signals)[:1]
    )  # fmt: skip


def replay_differences(response: SystemResponse, ledger_digest: str | None, policy: Policy) -> Iterator[str]:
    """Decides again and names what the stored response says otherwise, or its ledger event does."""
    decision = decide(replayed_signals(response, policy), policy)
    for name in Decision.__struct_fields__:
        stored, replayed = getattr(response, name), getattr(decision, name)
        if stored != replayed:
            yield f"  {name}: stored {_written(stored)}, replayed {_written(replayed)}"
    if ledger_digest != response.facts_digest:
        yield f"  facts_digest: stored {response.facts_digest}, in the ledger {ledger_digest or 'no event'}"


def _what_it_said(story: Story, policy: Policy) -> Iterator[str]:
    response = story.response
    yield f"Response {response.system_response_id} about patient {story.patient_key}"
    yield (
        f"{moment_text(response.computed_at)}, on {response.surface_type}, "
        f"under policy version {response.policy_version}"
    )
    yield f"  proceed  {response.proceed_indicator}: {proceed_text(policy, response.proceed_indicator)}"
    yield f"  mode     {response.execution_mode}: {mode_text(policy, response.execution_mode)}"
    yield f"  tasks    {response.task_count}: {response.tasking_summary}"
    yield f"  needs acknowledgement: {'yes' if response.needs_ack else 'no'}"
    for title, decided in (("Decided by", True), ("Also active", False)):
        reasons = [reason for reason in response.rationale if reason.decided is decided]
        if reasons:
            yield title
        for reason in reasons:
            yield f"  {reason.text}"
            yield f"    {reason.signal} from {reason.source_system}, {_seen(reason, response.computed_at)}"
    if not response.rationale:
        was_known = response.proceed_indicator is ProceedIndicator.GREEN
        yield "Every known signal was resolved." if was_known else "No known signal: nobody had assessed it."


def _what_became_of_it(story: Story) -> Iterator[str]:
    yield "What became of it"
    if not (story.outcomes or story.sends or story.assignments):
        yield "  nothing so far"
    for outcome in story.outcomes:
        by = f" by {outcome.who}" if outcome.who else ""
        reason = f" ({outcome.reason})" if outcome.reason else ""
        yield f"  {moment_text(outcome.computed_at)}: {outcome.outcome}{by}{reason}"
    for send in story.sends:
        asserted = [("proceed", send.override_proceed), ("tasking", send.override_tasking)]
        values = ", ".join(f"{name} {value}" for name, value in asserted if value)
        kind = "superseded" if send.superseded else "confirmed" if send.confirmed else "overridden"
        yield f"  {moment_text(send.submitted_at)}: Send by {send.who}: {values} ({kind})"
    for item in story.assignments:
        ended = f" {moment_text(item.resolved_at)}" if item.resolved_at else ""
        yield (
            f"  {moment_text(item.created_at)}: assignment for {item.reason_code} to {item.whose}, "
            f"{item.status}{ended}"
        )


def _seen(reason: Reason, computed_at: datetime) -> str:
    """When a signal was observed, and how old it was when it decided."""
    seconds = int((computed_at - reason.observed_at).total_seconds())
    # From a minute on, nobody counts the seconds.
    age = (
        f"{duration_text(seconds - seconds % 60 if seconds > 60 else seconds)} before"
        if seconds > 0
        else "then"
    )
    return f"seen {moment_text(reason.observed_at)}, {age}"


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(f"{r.signal}: {r.text}{' (decided)' if r.decided else ''}" for r in value) or "none"
    return str(value)
