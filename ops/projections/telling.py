"""What the commands about projections say in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ops.policy.preview import counted
from ops.projections.asking import shown_name
from ops.projections.lost_report import Lost
from ops.projections.verifying import Found, Verification
from shared.projections.comparison import Drift
from shared.projections.rebuilding import Rebuilt

_SAYS = {
    Drift.MISSING: "it is missing",
    Drift.DIFFERS: "it differs",
    Drift.UNKNOWN_HEAD: "it names an event that is not in the chain",
    Drift.ORPHAN: "it is of nobody",
}


def told_of_verification(verification: Verification, *, repair: bool) -> Iterator[str]:
    """Each difference, the first ones, and what there is in all."""
    for each in verification.found:
        yield _line(each)
    found = sum(verification.counts.values())
    if found > len(verification.found):
        yield f"and {found - len(verification.found):,} more"
    compared = f"{verification.looked_at:,} document{'s' * (verification.looked_at != 1)} compared"
    if not found:
        yield f"{compared}, all as Postgres says"
        return
    kinds = ", ".join(f"{count:,} {kind.value}" for kind, count in sorted(verification.counts.items()))
    yield f"{compared}, NOT AS POSTGRES SAYS: {kinds}"
    repairable = sum(count for kind, count in verification.counts.items() if kind.is_repairable)
    if repair:
        yield f"{verification.asked_again:,} will be written again; verify once more in a minute."
    elif repairable:
        yield "What is missing or differs: --repair has it written again, and the scheduler does by itself."
    if repairable < found:
        yield (
            "The rest is nobody's, or what a restored database has no more: see mobius projections recover "
            "--dry-run."
        )


def _line(found: Found) -> str:
    each = found.difference
    whose = f"tenant {found.tenant_id}" if found.tenant_id else "no tenant"
    kind = each.subject_type.value if each.subject_type else "folder" if not found.tenant_id else "other"
    fields = f": {', '.join(each.fields)}" if each.drift is Drift.DIFFERS else ""
    return f"{whose}, {kind} {shown_name(each.name)}: {_SAYS[each.drift]}{fields}"


def verification_json(verification: Verification) -> dict[str, object]:
    """The same for a program."""
    return {
        "ok": not verification.counts,
        "documents": verification.looked_at,
        "counts": {kind.value: verification.counts[kind] for kind in Drift},
        "asked_again": verification.asked_again,
        "differences": [
            {
                "tenant_id": found.tenant_id and str(found.tenant_id),
                "kind": found.difference.subject_type and found.difference.subject_type.value,
                "document": shown_name(found.difference.name),
                "drift": found.difference.drift.value,
                "fields": found.difference.fields,
            }
            for found in verification.found
        ],
    }


def told_of_rebuild(became: Counter[Rebuilt]) -> Iterator[str]:
    """How many documents were written, and what became of the others."""
    yield (
        f"{counted(became[Rebuilt.WRITTEN], 'document', 'documents')} written, "
        f"{became[Rebuilt.RIGHT]:,} were right already."
    )
    if left := became[Rebuilt.LEFT]:
        yield f"{counted(left, 'document is', 'documents are')} in somebody else's hands: the relay does it."
    if lost := became[Rebuilt.LOST_HEAD]:
        yield (
            f"{counted(lost, 'document holds', 'documents hold')} what Postgres has no more, and nothing was "
            "written over: see mobius projections recover --dry-run."
        )


def told_of_recovery(did: Counter[Lost], report: Path | None) -> Iterator[str]:
    """What was done, or would be without a ``report``."""
    raised = counted(did[Lost.EVENTS], "patient", "patients")
    would = "would be" if report is None else "was"
    yield f"{raised} lost events: each version {would} put above what was lost."
    if shut_out := did[Lost.ACCESS]:
        yield (
            f"{counted(shut_out, 'user', 'users')} had been shut out, or signed out, and would be let in "
            "again: mobius users disable, or revoke, them before the projector runs."
        )
    removed = sum(did[each] for each in (Lost.PATIENT, Lost.USER, Lost.TENANT))
    would = "would be" if report is None else "were"
    yield f"{counted(removed, 'document', 'documents')} of nobody {would} removed."
    if report is not None and did.total():
        yield f"{report} says what was lost: ask for the Sends that it names to be sent again."
