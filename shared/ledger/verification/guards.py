"""Whether what keeps the ledger append-only is in place: asked of the database's catalog.

Everything that bears on the tables that verification reads is compared with this release's, in both
directions: what is missing or another one, and what is there in addition. The owner can take all of it away
and put it back; what they did meanwhile the chains and checkpoints tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from shared.ledger.verification.pages import Ask
from shared.model import TenantId
from shared.persistence.tables import APPEND_ONLY

_EXPECTED = Path(__file__).with_name("guards.txt")
"""This release's guards, a line each: what it is, a tab, and how it is made."""

_TABLES = ", ".join(f"'{name}'" for name in (*APPEND_ONLY, "patient_context", "tenant"))
_NOT_NULL = ("tenant_id", "event_id", "event_type", "created_at", "payload_json", "seq", "prev_hash", "hash")

# Of a function its body's digest; of a policy and a privilege the roles by their names.
_CATALOG = f"""WITH tables AS (
    SELECT c.* FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ({_TABLES})
), triggers AS (
    SELECT c.relname, t.* FROM pg_catalog.pg_trigger t JOIN tables c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal
), grants AS (
    SELECT c.relname, c.relowner, NULL AS attname, a.* FROM tables c, pg_catalog.aclexplode(c.relacl) a
    UNION ALL
    SELECT c.relname, c.relowner, t.attname, a.* FROM tables c
    JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid, pg_catalog.aclexplode(t.attacl) a
), guards(guard, made) AS (
    SELECT pg_catalog.concat('table ', relname), CASE
        WHEN relkind <> 'r' OR relpersistence <> 'p' THEN 'no plain table'
        WHEN relrowsecurity AND relforcerowsecurity THEN 'row security forced'
        ELSE 'row security not forced' END
    FROM tables
    UNION ALL
    SELECT pg_catalog.concat('trigger ', tgname, ' of ', relname), pg_catalog.concat(CASE
        WHEN tgenabled NOT IN ('O', 'A') THEN 'switched off: ' END, pg_catalog.pg_get_triggerdef(oid))
    FROM triggers
    UNION ALL
    SELECT pg_catalog.concat('constraint ', n.conname, ' of ', c.relname),
        pg_catalog.pg_get_constraintdef(n.oid)
    FROM pg_catalog.pg_constraint n JOIN tables c ON c.oid = n.conrelid AND c.relname = 'event_log'
    WHERE n.contype IN ('p', 'u')
    UNION ALL
    SELECT pg_catalog.concat('column ', c.relname, '.', a.attname), CASE WHEN a.attnotnull THEN 'not null'
        ELSE 'may be null' END
    FROM pg_catalog.pg_attribute a JOIN tables c ON c.oid = a.attrelid AND c.relname = 'event_log'
    WHERE a.attname IN ({", ".join(f"'{name}'" for name in _NOT_NULL)})
    UNION ALL
    SELECT pg_catalog.concat('policy ', p.polname, ' of ', c.relname),
        pg_catalog.concat_ws(' ', p.polcmd::text, p.polpermissive, (SELECT pg_catalog.string_agg(CASE r
                WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(r)::text END, ',' ORDER BY r)
            FROM pg_catalog.unnest(p.polroles) r),
        pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_catalog.pg_policy p JOIN tables c ON c.oid = p.polrelid
    UNION ALL
    SELECT pg_catalog.concat('rule ', r.rulename, ' of ', c.relname), 'a rule'
    FROM pg_catalog.pg_rewrite r JOIN tables c ON c.oid = r.ev_class
    UNION ALL
    SELECT pg_catalog.concat('table ', i.inhrelid::regclass::text, ' within ', c.relname), 'a part of it'
    FROM pg_catalog.pg_inherits i JOIN tables c ON c.oid = i.inhparent
    UNION ALL
    SELECT pg_catalog.concat('privilege ', privilege_type, CASE WHEN attname IS NOT NULL
        THEN pg_catalog.concat(' (', attname, ')') END, ' on ', relname, ' of ', CASE grantee
            WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(grantee)::text END), 'granted'
    FROM grants WHERE grantee <> relowner AND privilege_type <> 'SELECT'
    UNION ALL
    SELECT pg_catalog.concat('function ', f.proname, '/', f.pronargs),
        pg_catalog.concat_ws(' ', CASE WHEN f.prosecdef THEN 'as its owner' END, pg_catalog.encode(
            pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat(f.prosrc, f.proconfig::text), 'UTF8')),
            'hex'))
    FROM pg_catalog.pg_proc f WHERE f.pronamespace = 'public'::regnamespace
    AND (f.prosecdef OR f.proname = 'event_log_canonical' OR f.oid IN (SELECT tgfoid FROM triggers))
)
SELECT pg_catalog.jsonb_object_agg(guard, made)::text FROM guards"""


def check_guards(ask: Ask, tenant_id: TenantId) -> list[str]:
    """A sentence for each guard that is missing, another one, or none of ours. Any tenant does."""
    return list(_differences(_expected(), read_guards(ask, tenant_id)))


def read_guards(ask: Ask, tenant_id: TenantId) -> Mapping[str, str]:
    """The guards as they are: what each is, and how it is made."""
    ((told,),) = ask(tenant_id, _CATALOG)
    return msgspec.json.decode(told or "{}", type=dict[str, str])


def written_down(guards: Mapping[str, str]) -> str:
    """``guards`` as the file of this release has them."""
    return "".join(f"{guard}\t{made}\n" for guard, made in sorted(guards.items()))


def _expected() -> Mapping[str, str]:
    lines = _EXPECTED.read_text(encoding="utf-8").splitlines()
    return {guard: made for guard, _, made in (line.partition("\t") for line in lines)}


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for guard in sorted(expected.keys() | found.keys()):
        if guard not in found:
            yield f"{guard} is missing"
        elif guard not in expected:
            yield f"{guard} is none of this release's"
        elif found[guard] != expected[guard]:
            yield f"{guard} is another one than this release's{_how(found[guard])}"


def _how(made: str) -> str:
    for state in ("switched off", "may be null", "no plain table", "row security not forced"):
        if made.startswith(state):
            return f": {state}"
    return ""
