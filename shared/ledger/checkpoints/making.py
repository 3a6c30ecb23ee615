"""Makes the next checkpoint: what the last one says is held against what is there, and only then signed."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Engine

from shared.ledger.checkpoints import merkle
from shared.ledger.checkpoints.growth import grown, read_head_lines, walk
from shared.ledger.checkpoints.log import (
    BrokenCheckpoint,
    Checkpoint,
    CheckpointLog,
    TenantRoot,
    checkpoint_name,
    heads_name,
    stored_root,
    tenants_name,
    unpacked,
)
from shared.ledger.checkpoints.notes import Signer
from shared.ledger.checkpoints.statements import Statement
from shared.model import TenantId
from shared.persistence.pending import all_tenants

# Half of what a heads' file holds are hashes: more effort makes it hardly smaller.
_EFFORT = 1
_AFTER_NUMBER = len(',""]') + 64


class Refused(NamedTuple):
    """A tenant whose chains could not be signed as they are now: it stands as the last checkpoint has it.

    ``error``: a Fault where they contradict it, a BrokenCheckpoint where its own files do, or a failure.
    """

    tenant_id: TenantId
    error: Exception


class Made(NamedTuple):
    """What came of it: the number of the checkpoint, None when there was nothing new to sign."""

    number: int | None
    events: int
    refused: tuple[Refused, ...]


def make_checkpoint(
    log: CheckpointLog,
    signer: Signer,
    *,
    heads: Engine,
    events: Engine,
    on_walked: Callable[[int], None] = lambda _: None,
) -> Made:
    """Signs how all chains stand, once what is new since the last checkpoint was read and found linked to it.

    ``heads`` sees every tenant's heads, ``events`` a tenant's events with the tenant set. ``on_walked`` is
    told how many more events were read. One tenant's trouble is not the others'. Nothing moved: no
    checkpoint. When another one is made at the same moment, the first counts. Raises BrokenCheckpoint
    when the log itself does not hold.
    """
    last = log.latest()
    before = {each.tenant_id: each for each in last.tenants} if last else {}
    roots: list[TenantRoot] = []
    refused: list[Refused] = []
    for tenant_id in sorted({*before, *all_tenants(heads)}):
        root = before.get(tenant_id)
        try:
            root = _sign_off(log, last, root, tenant_id, heads, events, on_walked)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one tenant is not the others'
            refused.append(Refused(tenant_id, error))
        if root is not None:
            roots.append(root)
    number, covered = _write(log, signer, last, roots), sum(root.events for root in roots)
    return Made(number, covered, tuple(refused))


def _sign_off(
    log: CheckpointLog,
    last: Checkpoint | None,
    before: TenantRoot | None,
    tenant_id: TenantId,
    heads: Engine,
    events: Engine,
    on_walked: Callable[[int], None],
) -> TenantRoot | None:
    """The tenant's root as its chains are now, with its heads written; None while it has no events."""
    root, packed = _pack(tenant_id, read_head_lines(heads, tenant_id))
    if root == before or (before is None and not root.chains):
        # Not even the heads of the last checkpoint are needed: a thousand tenants may be asleep.
        return before
    signed = log.head_lines(last, tenant_id) if last else ()
    for count in walk(events, tenant_id, grown(signed, unpacked(packed))):
        on_walked(count)
    _store(log, heads_name(root), packed, lambda stored: stored_root(stored) == root.root)
    return root


def _pack(tenant_id: TenantId, lines: Iterable[bytes]) -> tuple[TenantRoot, bytes]:
    """The root over the lines of heads, and the file that has them."""
    tree, events, packed = merkle.Tree(), 0, io.BytesIO()
    # Without a time or a name of its own: the same lines give the same file.
    with gzip.GzipFile("", "wb", _EFFORT, packed, mtime=0) as file:
        for line in lines:
            tree.add(merkle.leaf_hash(line))
            events += int(line[line.rindex(b",", 0, -_AFTER_NUMBER) + 1 : -_AFTER_NUMBER])
            file.write(line + b"\n")
    return TenantRoot(tenant_id, tree.size, events, tree.root), packed.getvalue()


def _write(
    log: CheckpointLog, signer: Signer, last: Checkpoint | None, roots: list[TenantRoot]
) -> int | None:
    """Writes the list of tenants, then the checkpoint; returns its number if it is new and ours."""
    lines = [root.line().encode() for root in roots]
    root = merkle.root_of(map(merkle.leaf_hash, lines))
    if not roots or (last is not None and last.root == root):
        return None
    statement = Statement(
        origin=signer.verifier.name,
        tenants=len(roots),
        root=root,
        number=last.number + 1 if last else 1,
        created_at=datetime.now(UTC),
        events=sum(each.events for each in roots),
        previous=last.digest if last else None,
    )
    content = b"".join(line + b"\n" for line in lines)
    _store(log, tenants_name(root), content, lambda stored: stored == content)
    note, name = signer.sign(statement.text).encode(), checkpoint_name(statement.number)
    # There already, but ours: its answer was lost and the client tried again.
    if log.store.create(name, note) or log.store.read(name) == note:
        return statement.number
    return None


def _store(log: CheckpointLog, name: str, content: bytes, is_it: Callable[[bytes], bool]) -> None:
    """Writes a file that is named by what it holds. Raises BrokenCheckpoint when another has its name."""
    if not log.store.create(name, content) and not is_it(log.store.read(name)):
        raise BrokenCheckpoint("A file lies where a checkpoint's belongs, and is another one.")
