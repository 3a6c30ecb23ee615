"""Whether what keeps the ledger append-only is in place: asked of the database's catalog.

The owner can take all of it away and put it back; what they did meanwhile the chains and checkpoints tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shared.ledger.verification.pages import Ask
from shared.model import Frozen, TenantId

_TABLES = ("event_log", "patient_context", "tenant")
_TRIGGERS = {
    ("event_log", "event_log_chain"): "BEFORE INSERT ON public.event_log "
    "FOR EACH ROW EXECUTE FUNCTION event_log_chain()",
    ("event_log", "refuse_change"): "BEFORE DELETE OR UPDATE OR TRUNCATE ON public.event_log "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    **{
        (table, "head_is_a_row"): f"AFTER UPDATE OF ledger_seq, ledger_head ON public.{table} "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION head_is_a_row()"
        for table in ("patient_context", "tenant")
    },
}
_CONSTRAINTS = ("pk_event_log", "uq_event_log_chain")
_NOT_NULL = ("tenant_id", "event_id", "event_type", "created_at", "payload_json", "seq", "prev_hash", "hash")
_POLICY = (
    "this_tenant * t {0} (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"
)

# Of the newest migration that makes the function: SHA-256 of its body.
_FUNCTIONS = {
    # pragma: allowlist nextline secret
    "event_log_canonical": "26f23aec0319113c79c270575b7938de2467498e57d33581b74fd684321bbbbe",
    # pragma: allowlist nextline secret
    "event_log_chain": "7f109292444e257a087bcde23e458cfafc52973033cf881d169a113a3926eba4",
    # pragma: allowlist nextline secret
    "head_is_a_row": "d23b200ae9511c30fd4d170b0dc8b4c284cdffef4812312500ec161e3343ea05",
    # pragma: allowlist nextline secret
    "refuse_change": "0c3051112b577ec95d23e870fda247dc8307b2aa27f52b5dbb4209efd33e8446",
}

_CATALOG = """SELECT pg_catalog.jsonb_build_object(
    'tables', (SELECT pg_catalog.jsonb_object_agg(c.relname, c.relkind::text || c.relpersistence::text)
        FROM {tables}),
    'forced', (SELECT coalesce(pg_catalog.jsonb_agg(c.relname), '[]') FROM {tables}
        AND c.relrowsecurity AND c.relforcerowsecurity),
    'triggers', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
            c.relname, t.tgname, t.tgenabled::text, pg_catalog.pg_get_triggerdef(t.oid))), '[]')
        FROM pg_catalog.pg_trigger t, {tables} AND t.tgrelid = c.oid AND NOT t.tgisinternal),
    'constraints', (SELECT coalesce(pg_catalog.jsonb_agg(n.conname), '[]')
        FROM pg_catalog.pg_constraint n, {tables} AND n.conrelid = c.oid AND c.relname = 'event_log'
        AND n.contype IN ('p', 'u')),
    'not_null', (SELECT coalesce(pg_catalog.jsonb_agg(a.attname), '[]')
        FROM pg_catalog.pg_attribute a, {tables} AND a.attrelid = c.oid AND c.relname = 'event_log'
        AND a.attnotnull),
    'policies', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.concat_ws(' ', p.polname, p.polcmd::text,
            p.polpermissive, p.polroles, pg_catalog.pg_get_expr(p.polqual, p.polrelid),
            pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))), '[]')
        FROM pg_catalog.pg_policy p, {tables} AND p.polrelid = c.oid AND c.relname = 'event_log'),
    'functions', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(p.proname,
            pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')), 'hex'))), '[]')
        FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'public'::regnamespace
        AND p.proname IN ({functions})))::text""".format(
    tables="pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN "
    f"""({", ".join(f"'{name}'" for name in _TABLES)})""",
    functions=", ".join(f"'{name}'" for name in _FUNCTIONS),
)


class _Catalog(Frozen, frozen=True):
    tables: dict[str, str] | None
    forced: tuple[str, ...]
    triggers: tuple[tuple[str, str, str, str], ...]
    constraints: tuple[str, ...]
    not_null: tuple[str, ...]
    policies: tuple[str, ...]
    functions: tuple[tuple[str, str], ...]


def check_guards(ask: Ask, tenant_id: TenantId) -> list[str]:
    """A sentence for each guard that is missing, switched off or another one. Any tenant does."""
    ((told,),) = ask(tenant_id, _CATALOG)
    return list(_missing(msgspec.json.decode(told, type=_Catalog)))


def _missing(catalog: _Catalog) -> Iterator[str]:
    tables = catalog.tables or {}
    for table in _TABLES:
        if tables.get(table) != "rp":
            yield f"{table} is no plain table any more"
        elif table not in catalog.forced:
            yield f"row security of {table} is not forced"
    triggers = {(table, name): (enabled, text) for table, name, enabled, text in catalog.triggers}
    for (table, name), expected in _TRIGGERS.items():
        enabled, text = triggers.get((table, name), ("", ""))
        if not text:
            yield f"trigger {name} of {table} is missing"
        elif not text.endswith(f" TRIGGER {name} {expected}"):
            yield f"trigger {name} of {table} is another one"
        elif enabled not in ("O", "A"):
            yield f"trigger {name} of {table} is switched off"
    for name in _CONSTRAINTS:
        if name not in catalog.constraints:
            yield f"constraint {name} of event_log is missing"
    for name in _NOT_NULL:
        if name not in catalog.not_null:
            yield f"event_log.{name} may be null"
    if catalog.policies != (_POLICY,):
        yield "the policies of event_log are others: it may show a row to one and not to another"
    functions = dict(catalog.functions)
    for name, digest in _FUNCTIONS.items():
        if functions.get(name) != digest:
            yield f"function {name} is another one than this release's"
