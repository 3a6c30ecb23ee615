"""Tokens and hashes that stand for what must not be kept (handbook: data.md, "Patient keys").

All keys are derived (HKDF-SHA-256, RFC 5869) from one master secret, one for each tenant and purpose, so
that nothing computed for one tenant means anything in another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache
from uuid import UUID

from shared.model import PatientKey, TenantId

KEY_VERSION = "p1"
_KEY_BYTES = 18  # 144 bits: no two patients of a tenant will ever share a key


def patient_key(master: bytes, tenant_id: TenantId, source_system: str, external_id: str) -> PatientKey:
    """The token of a patient: version prefix and keyed hash, 26 URL-safe characters."""
    digest = _keyed(master, tenant_id, "patient-key", source_system, external_id.strip())
    return PatientKey(f"{KEY_VERSION}{base64.urlsafe_b64encode(digest[:_KEY_BYTES]).decode()}")


def external_id_hash(master: bytes, tenant_id: TenantId, source_system: str, external_id: str) -> bytes:
    """What a full external id is compared by; not the token, which is in messages and documents."""
    return _keyed(master, tenant_id, "external-id", source_system, external_id.strip())


def client_text_hash(master: bytes, tenant_id: TenantId, purpose: str, value: str) -> bytes:
    """How a client's own string (an idempotency key, a session) is kept."""
    return _keyed(master, tenant_id, purpose, value)


def text_digest(master: bytes, tenant_id: TenantId, record_id: UUID, words: str) -> str:
    """What the ledger holds of what a person wrote in one record, in hex: enough to tell that it was altered.

    Keyed, so that nobody without the master secret can guess a short note by it; and another one for each
    record, so that equal notes don't look equal.
    """
    return _keyed(master, tenant_id, "text", str(record_id), words).hex()


def _keyed(master: bytes, tenant_id: TenantId, purpose: str, *parts: str) -> bytes:
    # Lengths first: no two lists of parts make the same text.
    text = b"".join(len(p).to_bytes(4) + p for p in (part.encode() for part in parts))
    return hmac.digest(_derived(master, tenant_id, purpose), text, "sha256")


@lru_cache(maxsize=4096)
def _derived(master: bytes, tenant_id: TenantId, purpose: str) -> bytes:
    extracted = hmac.digest(b"mobius", master, hashlib.sha256)
    info = f"{KEY_VERSION}:{purpose}:".encode() + tenant_id.bytes
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)
