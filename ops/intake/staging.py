"""Holds what files say until each patient comes by: on disk, out of reach, gone with the process.

The database is SQLite's own temporary one: it has no name, and its file is deleted as soon as it is opened.
Names of resources are in it as hashes under a key that nobody keeps, and facts hold no PHI (``facts``), so
even a copy of the disk tells nothing about anybody.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from ops.intake.derived import NEVER
from ops.intake.facts import AnyFact, Fact, decode_fact, encode_fact
from ops.intake.reading import Place
from shared.model import PatientKey

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE patient (patient_key TEXT PRIMARY KEY, space BLOB, updated TEXT, source INT, number INT)
    WITHOUT ROWID;
CREATE TABLE name (hash BLOB PRIMARY KEY, patient_key TEXT, shared INT) WITHOUT ROWID;
CREATE TABLE fact (fact INTEGER PRIMARY KEY, resource INT, resource_type TEXT, place BLOB,
    direct_key TEXT, body BLOB);
CREATE INDEX fact_resource ON fact (resource);
CREATE TABLE about (fact INT, rank INT, hash BLOB, PRIMARY KEY (fact, rank)) WITHOUT ROWID;
CREATE TABLE told (patient_key TEXT, fact INT, PRIMARY KEY (patient_key, fact)) WITHOUT ROWID;
"""

# A patient named twice is one: the newest version of the resource counts, else the last that was read.
_ADD_PATIENT = """
INSERT INTO patient VALUES (?, ?, ?, ?, ?) ON CONFLICT (patient_key) DO UPDATE
SET updated = excluded.updated, source = excluded.source, number = excluded.number
WHERE excluded.updated >= updated
"""
# A name that two patients go by means neither.
_ADD_NAME = """
INSERT INTO name VALUES (?, ?, 0) ON CONFLICT (hash) DO UPDATE SET shared = 1
WHERE patient_key <> excluded.patient_key
"""
# The likeliest meaning that is anybody's; min() brings its row's other columns along.
_RESOLVE = """
INSERT INTO told
SELECT coalesce(n.patient_key, f.direct_key), f.fact FROM fact f LEFT JOIN (
    SELECT a.fact, min(a.rank), n.patient_key, n.shared FROM about a JOIN name n ON n.hash = a.hash
    GROUP BY a.fact) n ON n.fact = f.fact
WHERE n.shared IS NOT 1 AND coalesce(n.patient_key, f.direct_key) IS NOT NULL
"""
_UNRESOLVED = """
SELECT resource_type, place, EXISTS (
    SELECT 1 FROM fact o JOIN about a USING (fact) JOIN name n USING (hash)
    WHERE o.resource = fact.resource AND n.shared)
FROM fact GROUP BY resource
HAVING count(*) = sum(fact NOT IN (SELECT fact FROM told)) ORDER BY resource
"""
_STRANGERS = """
SELECT DISTINCT patient_key FROM told t
WHERE NOT EXISTS (SELECT 1 FROM patient p WHERE p.patient_key = t.patient_key) ORDER BY patient_key
"""
_FACTS_OF = "SELECT f.body FROM told t JOIN fact f USING (fact) WHERE t.patient_key = ? ORDER BY fact"
_RESOURCES_OF = """
SELECT DISTINCT f.resource, f.resource_type, f.place FROM told t JOIN fact f USING (fact)
WHERE t.patient_key = ? ORDER BY f.resource
"""


class Chosen(NamedTuple):
    """The Patient that counts for a key: the ``number`` th of its file."""

    source: int
    number: int
    patient_key: PatientKey


class Meaning(NamedTuple):
    """Whom a resource may be about: by the names it may mean, or by a key that it gives itself."""

    names: tuple[str, ...]
    key: PatientKey | None


class Staging:
    """What one intake has read. Not to be shared between threads."""

    def __init__(self) -> None:
        self._hash_key = secrets.token_bytes(32)
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")
        self._facts = 0
        self._resources = 0

    def close(self) -> None:
        """Forgets everything."""
        self._db.close()

    def hashed(self, name: str) -> str:
        """The token of a name, the same within this intake only."""
        return self._digest(name).hex()

    def add_patient(
        self,
        key: PatientKey,
        space: str,
        names: Iterable[str],
        updated: datetime | None,
        place: tuple[int, int],
    ) -> bool:
        """Adds a Patient, the ``number`` th of its file; False when its id is another identifier system's.

        Two systems may give the same number to two people, so such a one is not taken.
        """
        hashed_space = self._digest(f"space:{space}")
        known = self._db.execute("SELECT space FROM patient WHERE patient_key = ?", (key,)).fetchone()
        if known is not None and known[0] != hashed_space:
            return False
        self._db.execute(_ADD_PATIENT, (key, hashed_space, (updated or NEVER).isoformat(), *place))
        self._db.executemany(_ADD_NAME, [(self._digest(name), key) for name in names])
        return True

    def add_fact(self, fact: Fact, resource_type: str, place: Place, about: Sequence[Meaning]) -> None:
        """Adds what a resource tells about each of the patients that it names."""
        self._resources += 1
        body, where = encode_fact(fact), msgspec.msgpack.encode(place)
        for meaning in about:
            self._facts += 1
            row = (self._facts, self._resources, resource_type, where, meaning.key, body)
            self._db.execute("INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?)", row)
            ranked = [(self._facts, rank, self._digest(name)) for rank, name in enumerate(meaning.names)]
            self._db.executemany("INSERT INTO about VALUES (?, ?, ?)", ranked)

    def resolve(self) -> None:
        """Finds out whom every fact is about, once everything was read."""
        self._db.execute(_RESOLVE)

    def unresolved(self) -> Iterator[tuple[str, Place, bool]]:
        """Type and place of the resources that are about nobody, and whether several go by a name in them."""
        for resource_type, place, shared in self._db.execute(_UNRESOLVED):
            yield resource_type, msgspec.msgpack.decode(place, type=Place), bool(shared)

    def chosen(self, source: int) -> Iterator[Chosen]:
        """The Patients of a file that count, in the order in which they stand in it."""
        found = self._db.execute(
            "SELECT source, number, patient_key FROM patient WHERE source = ? ORDER BY number", (source,)
        )
        return (Chosen(*row) for row in found)

    def facts_of(self, keys: Sequence[PatientKey]) -> dict[PatientKey, list[AnyFact]]:
        """What is told about these patients, in the order in which it was read."""
        return {key: [decode_fact(body) for (body,) in self._db.execute(_FACTS_OF, (key,))] for key in keys}

    def strangers(self) -> Iterator[PatientKey]:
        """Patients about whom something is told, and who are in none of the files."""
        return (PatientKey(key) for (key,) in self._db.execute(_STRANGERS))

    def resources_about(self, key: PatientKey) -> Iterator[tuple[str, Place]]:
        """Type and place of the resources that tell about a patient."""
        for _, resource_type, place in self._db.execute(_RESOURCES_OF, (key,)):
            yield resource_type, msgspec.msgpack.decode(place, type=Place)

    def _digest(self, name: str) -> bytes:
        return blake2b(name.encode(errors="surrogatepass"), digest_size=16, key=self._hash_key).digest()
