"""What a database's owner may do to a ledger: deeds at random, each with whether it can be found out."""

# SQL is our own text; chance is no secret.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import uuid4

from shared.ledger.chain import Head
from shared.model import PatientKey
from tests.integration.forging import (
    COPY,
    FIELDS,
    FORGET,
    HEAD_FIELDS,
    PATIENT_FIELDS,
    PATIENTS_HEADS,
    RECORD_FIELDS,
    TABLES,
    TENANTS_HEADS,
    Hand,
)
from tests.integration.small_ledger import THIS, Chain


class Deed(NamedTuple):
    """What was done. ``is_found``: whether verification must find it; it must not accuse other ``chains``.

    Not found may be only what lies in the exposed window: after the checkpoint, hashed right, with heads,
    documents and records to match. ``chains`` None: it can't be said whose it will look like.
    """

    what: str
    is_found: bool
    chains: tuple[Chain, ...] | None


class Owner(Hand):
    """The owner of the database, in a transaction in which nothing refuses them anything."""

    def do_something(self) -> Deed:
        """Does something that changes something."""
        while True:
            deed = self.chance.choice(_DEEDS)(self)
            if deed is not None:
                return deed

    def alter_a_field(self) -> Deed | None:
        chain = self.chain()
        column = self.chance.choice(sorted(FIELDS))
        value = self.chance.choice(FIELDS[column])
        place, other = self.place(chain), self.other(chain)
        changed = self.run(
            f"UPDATE event_log SET {column} = {value} WHERE {THIS} AND seq = :place "
            f"AND {column} IS DISTINCT FROM {value}",
            chain, place=place, other_tenant=self.other_tenant(chain).tenant_id, other_context=other.context,
        )  # fmt: skip
        whose = None if column in ("tenant_id", "patient_context_id") else (chain,)
        return Deed(f"{column} of event {place} = {value}", True, whose) if changed else None

    def remove_events(self) -> Deed:
        chain = self.chain()
        first = self.place(chain)
        last = min(chain.length, first + self.chance.randrange(3))
        self.run(
            f"DELETE FROM event_log WHERE {THIS} AND seq BETWEEN :first AND :last",
            chain,
            first=first,
            last=last,
        )
        return Deed(f"events {first} to {last} removed", True, (chain,))

    def insert_an_event(self) -> Deed:
        chain = self.chain()
        place = self.chance.choice([-3, 0, self.place(chain), chain.length + 1, chain.length + 7])
        self.run(f"{COPY} {THIS} AND seq = :model", chain, place=place, model=self.place(chain))
        if self.chance.random() < 0.5:
            self.run("SELECT pg_temp.rehash(:tenant, :context, :place)", chain, place=place)
        return Deed(f"event {place} inserted", True, (chain,))

    def swap_events(self) -> Deed | None:
        chain = self.chain()
        one, other = self.place(chain), self.place(chain)
        column = self.chance.choice(["seq", "payload_json", "event_id", "hash", "created_at"])
        changed = self.run(
            f"""UPDATE event_log e SET {column} = o.{column} FROM event_log o
            WHERE e.tenant_id = :tenant AND e.patient_context_id IS NOT DISTINCT FROM CAST(:context AS uuid)
            AND o.tenant_id = :tenant AND o.patient_context_id IS NOT DISTINCT FROM CAST(:context AS uuid)
            AND ((e.seq = :one AND o.seq = :other) OR (e.seq = :other AND o.seq = :one))
            AND e.{column} IS DISTINCT FROM o.{column}""",
            chain, one=one, other=other,
        )  # fmt: skip
        return Deed(f"{column} of {one} and {other} swapped", True, (chain,)) if changed else None

    def move_an_event(self) -> Deed:
        chain, place = self.chain(), 0
        place, other = self.place(chain), self.other(chain)
        self.run(
            f"UPDATE event_log SET patient_context_id = :to, seq = :end WHERE {THIS} AND seq = :place",
            chain, to=other.context, end=other.length + 1, place=place,
        )  # fmt: skip
        if self.chance.random() < 0.5:
            self.run("SELECT pg_temp.rehash(:tenant, :context, :place)", other, place=other.length + 1)
        return Deed(f"event {place} moved to another chain", True, (chain, other))

    def swap_across_chains(self) -> Deed:
        chain = self.chain()
        other = self.other(chain)
        one, two = self.place(chain), self.place(other)
        for statement in (
            f"UPDATE event_log SET patient_context_id = :there, seq = -99 WHERE {THIS} AND seq = :one",
            """UPDATE event_log SET patient_context_id = :context, seq = :one WHERE tenant_id = :tenant
            AND patient_context_id IS NOT DISTINCT FROM CAST(:there AS uuid) AND seq = :two""",
            """UPDATE event_log SET seq = :two WHERE tenant_id = :tenant
            AND patient_context_id IS NOT DISTINCT FROM CAST(:there AS uuid) AND seq = -99""",
        ):
            self.run(statement, chain, there=other.context, one=one, two=two)
        return Deed(f"event {one} and another chain's {two} swapped", True, (chain, other))

    def rewrite(self) -> Deed | None:
        """Something is changed and all that follows hashed again; heads, records, and maybe documents too."""
        chain = self.chain()
        first = self.place(chain)
        what = self.chance.choice(["alter", "remove", "insert", "append", "cut"])
        if what == "alter":
            column = self.chance.choice(["correlation_id", "invocation_id", "event_id"])
            self.run(
                f"UPDATE event_log SET {column} = gen_random_uuid() WHERE {THIS} AND seq = :first",
                chain,
                first=first,
            )
        elif what == "remove":
            if not self.run(
                f"DELETE FROM event_log WHERE {THIS} AND seq = :first AND event_type = 'User.Interaction'",
                chain, first=first,
            ):  # fmt: skip
                return None
            self.run(f"UPDATE event_log SET seq = seq - 1 WHERE {THIS} AND seq > :first", chain, first=first)
        elif what == "insert":
            self.run(f"UPDATE event_log SET seq = seq + 1 WHERE {THIS} AND seq >= :first", chain, first=first)
            self.run(f"{COPY} {THIS} AND seq = :model", chain, place=first, model=first + 1)
        elif what == "append":
            first = chain.length + 1
            self.run(f"{COPY} {THIS} AND seq = :model", chain, place=first, model=chain.length)
        else:
            self.run(f"DELETE FROM event_log WHERE {THIS} AND seq >= :first", chain, first=first)
            for statement in FORGET:
                self.run(statement, chain)
        self.run("SELECT pg_temp.rehash(:tenant, :context, :first)", chain, first=first)
        self.run(TENANTS_HEADS if chain.context is None else PATIENTS_HEADS, chain)
        named = self.document(chain)
        if forged := self.chance.random() < 0.7:
            self.forge(chain)
        seen = not forged and named is not None and named.head is not None and named.head.seq >= first
        also = "" if forged or named is None else ", the document left alone"
        return Deed(f"{what} at {first}, hashed again{also}", first <= chain.covered or seen, (chain,))

    def move_a_head(self) -> Deed | None:
        chain = self.chain()
        table, fields = (
            ("tenant", HEAD_FIELDS) if chain.context is None else ("patient_context", PATIENT_FIELDS)
        )
        column = self.chance.choice(sorted(fields))
        value = self.chance.choice(fields[column])
        this = "tenant_id = :tenant" if chain.context is None else THIS
        changed = self.run(
            f"UPDATE {table} SET {column} = {value} WHERE {this} AND {column} IS DISTINCT FROM {value}",
            chain, other_tenant=self.other_tenant(chain).tenant_id,
        )  # fmt: skip
        whose = (chain,) if column in (*HEAD_FIELDS, "version", "version_seq", "version_head") else None
        return Deed(f"{table}.{column} = {value}", True, whose) if changed else None

    def swap_patients(self) -> Deed:
        """Two patients' keys: each has the other's past. Firestore's documents too."""
        chain = self.patient()
        other = self.chance.choice(
            [
                c
                for c in self.ledger.chains
                if c.tenant_id == chain.tenant_id and c.context not in (None, chain.context)
            ]
        )
        self.run(
            """UPDATE patient_context SET patient_key = CASE WHEN patient_key = :one THEN :two ELSE :one END
            WHERE tenant_id = :tenant AND patient_key IN (:one, :two)""",
            chain, one=chain.key, two=other.key,
        )  # fmt: skip
        documents = self.ledger.documents[chain.tenant_id]
        one, two = chain.key or "", other.key or ""
        documents[one], documents[two] = (
            documents[two]._replace(name=one),
            documents[one]._replace(name=two),
        )
        return Deed("two patients' keys swapped", True, (chain, other))

    def remove_a_chain(self) -> Deed:
        chain = self.patient()
        self.run(f"DELETE FROM event_log WHERE {THIS}", chain)
        if self.chance.random() < 0.5:
            self.run(f"DELETE FROM patient_context WHERE {THIS}", chain)
        else:
            self.run(PATIENTS_HEADS, chain)
        for statement in FORGET:
            self.run(statement, chain)
        self.ledger.documents[chain.tenant_id].pop(chain.key or "")
        return Deed("a whole chain removed", True, (chain,))

    def remove_a_tenant(self) -> Deed:
        chain = self.chain()
        for table in TABLES:
            self.run(f"DELETE FROM {table} WHERE tenant_id = :tenant", chain)
        return Deed("a whole tenant removed", True, None)

    def alter_a_record(self) -> Deed | None:
        chain = self.patient()
        table = self.chance.choice(sorted(RECORD_FIELDS))
        id_column = f"{table}_id"
        found = list(self.rows(f"SELECT {id_column} FROM {table} WHERE {THIS} ORDER BY 1", chain))
        if not found:
            return None
        this = f"tenant_id = :tenant AND {id_column} = :id"
        (chosen,) = self.chance.choice(found)
        how = self.chance.choice(["alter", "alter", "remove", "copy"])
        if how == "remove":
            self.run(f"DELETE FROM {table} WHERE {this}", chain, id=chosen)
        elif how == "copy":
            key = "system_response_id" if table == "response_outcome" else id_column
            self.run(
                f"""INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('{key}', CAST(:new
                AS uuid)))).* FROM {table} t WHERE {this}""",
                chain, id=chosen, new=uuid4(),
            )  # fmt: skip
        else:
            column = self.chance.choice(sorted(RECORD_FIELDS[table]))
            value = RECORD_FIELDS[table][column]
            self.run(f"UPDATE {table} SET {column} = {value} WHERE {this}", chain, id=chosen)
            how = f"{column} = {value}"
        return Deed(f"{table}: {how}", True, None)

    def forge_a_document(self) -> Deed | None:
        """As a projector that lies would, or somebody with Firestore's rights."""
        chain = self.patient()
        documents, key = self.ledger.documents[chain.tenant_id], chain.key or ""
        document = documents[key]
        if document.head is None:
            return None
        forged = self.chance.choice(
            [
                document._replace(head=Head(document.head.seq, b"\1" * 32)),
                document._replace(head=Head(document.head.seq + 1_000, document.head.hash)),
                document._replace(head=Head(max(document.head.seq - 1, 1), b"\2" * 32)),
                document._replace(head=None),
                document._replace(version=(document.version or 0) + 1),
                document._replace(name="p1-nobody-at-all"),
            ]
        )
        documents[key] = forged
        whose = (
            (chain,)
            if forged.name == key
            else (Chain(chain.tenant_id, None, PatientKey(forged.name), chain.user_id),)
        )
        return Deed(f"document forged: {forged._asdict()}", True, whose)


_DEEDS: tuple[Callable[[Owner], Deed | None], ...] = (
    Owner.alter_a_field,
    Owner.alter_a_field,
    Owner.alter_a_field,
    Owner.remove_events,
    Owner.insert_an_event,
    Owner.swap_events,
    Owner.move_an_event,
    Owner.swap_across_chains,
    Owner.rewrite,
    Owner.rewrite,
    Owner.rewrite,
    Owner.rewrite,
    Owner.move_a_head,
    Owner.move_a_head,
    Owner.swap_patients,
    Owner.remove_a_chain,
    Owner.remove_a_tenant,
    Owner.alter_a_record,
    Owner.alter_a_record,
    Owner.forge_a_document,
)
