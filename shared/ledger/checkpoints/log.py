"""Checkpoints: signed statements of how all chains stood, and the log of them that nobody can thin out.

The format is a contract with auditors: docs/ledger.md.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.ledger.checkpoints import merkle
from shared.ledger.checkpoints.notes import BadNote, Verifier, open_note
from shared.ledger.checkpoints.statements import BadStatement, Statement
from shared.ledger.checkpoints.stores import CheckpointStore, NotStored
from shared.model import Frozen, PatientContextId, PatientKey, TenantId

_READ_AT_ONCE = 8
_LONGEST_LINE = 512
_UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER = rb"[1-9][0-9]{0,18}"
HEAD_LINE = re.compile(
    rb'\["(%(uuid)s)",(?:null,null|"(%(uuid)s)","([A-Za-z0-9_-]{1,64})"),(%(number)s),"([0-9a-f]{64})"\]'
    % {b"uuid": _UUID, b"number": _NUMBER}
)
_TENANT_LINE = re.compile(
    rb'\["(%(uuid)s)",(%(number)s),(%(number)s),"([0-9a-f]{64})"\]' % {b"uuid": _UUID, b"number": _NUMBER}
)
_CHECKPOINT_NAME = re.compile(r"checkpoints/([0-9]{10})\.txt")


class BrokenCheckpoint(Exception):
    """The log of checkpoints is not as it was written; the message says what is wrong."""


class ChainHead(NamedTuple):
    """Where a chain stood: its last event's number and hash. The tenant's own chain has no patient."""

    patient_context_id: PatientContextId | None
    patient_key: PatientKey | None
    seq: int
    hash: bytes

    def line(self, tenant_id: TenantId) -> str:
        """Its line of the heads' file, without the line feed."""
        patient = "null,null"
        if self.patient_context_id is not None:
            patient = f'"{self.patient_context_id}","{self.patient_key}"'
        return f'["{tenant_id}",{patient},{self.seq},"{self.hash.hex()}"]'

    @classmethod
    def parse(cls, line: bytes) -> ChainHead:
        """Reads a line of a heads' file. Raises ValueError for anything else."""
        match = HEAD_LINE.fullmatch(line)
        if match is None:
            raise ValueError("no line of a heads' file")
        _, context, key, seq, head = match.groups()
        return cls(
            None if context is None else PatientContextId(UUID(context.decode())),
            None if key is None else PatientKey(key.decode()),
            int(seq),
            bytes.fromhex(head.decode()),
        )


class TenantRoot(NamedTuple):
    """All chains of a tenant in one hash: the root over its heads' lines."""

    tenant_id: TenantId
    chains: int
    events: int
    root: bytes

    def line(self) -> str:
        """Its line of the tenants' file, without the line feed."""
        return f'["{self.tenant_id}",{self.chains},{self.events},"{self.root.hex()}"]'

    @classmethod
    def parse(cls, line: bytes) -> TenantRoot:
        """Reads a line of a tenants' file. Raises ValueError for anything else."""
        match = _TENANT_LINE.fullmatch(line)
        if match is None:
            raise ValueError("no line of a tenants' file")
        tenant, chains, events, root = match.groups()
        return cls(TenantId(UUID(tenant.decode())), int(chains), int(events), bytes.fromhex(root.decode()))


class Checkpoint(Frozen, frozen=True):
    """How all chains stood at one moment. ``note``: the signed text, with its signatures."""

    number: int
    created_at: datetime
    events: int
    root: bytes
    tenants: tuple[TenantRoot, ...]
    note: str

    @property
    def digest(self) -> bytes:
        """The SHA-256 of its text, as the next one names it."""
        return hashlib.sha256(self.note.rpartition("\n\n")[0].encode() + b"\n").digest()

    def tenant(self, tenant_id: TenantId) -> TenantRoot | None:
        """The tenant's root; None when it had no events."""
        return next((each for each in self.tenants if each.tenant_id == tenant_id), None)


class CheckpointLog:
    """All checkpoints of a store, checked with the keys of ``verifiers``.

    Of those, the first is the key that signs now; the others signed before it.
    """

    def __init__(self, store: CheckpointStore, verifiers: Sequence[Verifier]) -> None:
        self.store = store
        self._verifiers = tuple(verifiers)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint, once the whole log was walked; None when there is none yet.

        Raises BrokenCheckpoint: a number is missing, a signature or a link to the one before is wrong, or
        the list of tenants is not what was signed.
        """
        names = self._names()
        previous, statement, note = None, None, b""
        with ThreadPoolExecutor(_READ_AT_ONCE) as readers:
            for number, note in enumerate(readers.map(self._read, names), start=1):
                statement = self._statement(number, note)
                if statement.previous != previous:
                    raise BrokenCheckpoint(_NOT_LINKED.format(number=number))
                previous = statement.digest
        return None if statement is None else self._whole(statement, note)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint, checked by itself and against the one before it: for who makes the next.

        Raises BrokenCheckpoint. Its cost does not grow with the log, but for the list of names.
        """
        names = self._names()
        if not names:
            return None
        note = self._read(names[-1])
        statement = self._statement(len(names), note)
        previous = None
        if len(names) > 1:
            previous = self._statement(len(names) - 1, self._read(names[-2])).digest
        if statement.previous != previous:
            raise BrokenCheckpoint(_NOT_LINKED.format(number=len(names)))
        return self._whole(statement, note)

    def heads(self, checkpoint: Checkpoint, tenant_id: TenantId) -> Iterator[ChainHead]:
        """The heads of a tenant, its own chain first, then by patient; nothing when it is not in it.

        All are checked against the root before the first is given. Raises BrokenCheckpoint.
        """
        for line in self.head_lines(checkpoint, tenant_id):
            yield ChainHead.parse(line)

    def head_lines(self, checkpoint: Checkpoint, tenant_id: TenantId) -> Iterator[bytes]:
        """As ``heads``, as the lines of the file."""
        tenant = checkpoint.tenant(tenant_id)
        if tenant is None:
            return
        packed = self._read(heads_name(tenant))
        if stored_root(packed) != tenant.root:
            raise BrokenCheckpoint("A file of heads is not what was signed.")
        yield from unpacked(packed)

    def _names(self) -> list[str]:
        names = sorted(self.store.names("checkpoints/"))
        for number, name in enumerate(names, start=1):
            match = _CHECKPOINT_NAME.fullmatch(name)
            if match is None:
                raise BrokenCheckpoint("Beside the checkpoints lies a file that is none.")
            if int(match[1]) != number:
                raise BrokenCheckpoint(f"Checkpoint {number} is missing.")
        return names

    def _read(self, name: str) -> bytes:
        try:
            return self.store.read(name)
        except NotStored:
            raise BrokenCheckpoint("A file that a checkpoint needs is missing.") from None

    def _statement(self, number: int, note: bytes) -> Statement:
        try:
            text, signer = open_note(note, self._verifiers)
            statement = Statement.parse(text)
        except (BadNote, BadStatement) as error:
            raise BrokenCheckpoint(f"Checkpoint {number} does not hold. {error}") from None
        if statement.number != number or statement.origin != signer.name:
            raise BrokenCheckpoint(f"Checkpoint {number} is another one's, under this number's name.")
        return statement

    def _whole(self, statement: Statement, note: bytes) -> Checkpoint:
        lines = self._read(tenants_name(statement.root)).splitlines(keepends=True)
        bare = [line[:-1] for line in lines]
        if (
            not all(line.endswith(b"\n") for line in lines)
            or len(lines) != statement.tenants
            or merkle.root_of(map(merkle.leaf_hash, bare)) != statement.root
        ):
            raise BrokenCheckpoint("The list of tenants is not what was signed.")
        return Checkpoint(
            number=statement.number,
            created_at=statement.created_at,
            events=statement.events,
            root=statement.root,
            tenants=tuple(map(TenantRoot.parse, bare)),
            note=note.decode(),
        )


_NOT_LINKED = "Checkpoint {number} does not follow the one before it: one of the two was replaced."


def checkpoint_name(number: int) -> str:
    """Where a checkpoint lies."""
    return f"checkpoints/{number:010}.txt"


def tenants_name(root: bytes) -> str:
    """Where the list of tenants with this root lies."""
    return f"tenants/{root.hex()}.ndjson"


def heads_name(tenant: TenantRoot) -> str:
    """Where a tenant's heads lie."""
    return f"heads/{tenant.tenant_id}/{tenant.root.hex()}.ndjson.gz"


def stored_root(packed: bytes) -> bytes:
    """The root over the lines of a file of heads. Raises BrokenCheckpoint when it is none."""
    return merkle.root_of(map(merkle.leaf_hash, unpacked(packed)))


def unpacked(packed: bytes) -> Iterator[bytes]:
    """The lines of a file of heads, without their line feeds. Raises BrokenCheckpoint for another file."""
    try:
        with gzip.open(io.BytesIO(packed)) as file:
            # Bounded: whoever can write into the store could pack a line that fills the memory.
            while line := file.readline(_LONGEST_LINE):
                if not line.endswith(b"\n"):
                    raise BrokenCheckpoint("A file of heads is not what was signed.")
                yield line[:-1]
    except (OSError, EOFError, zlib.error):
        raise BrokenCheckpoint("A file of heads can't be unpacked.") from None
