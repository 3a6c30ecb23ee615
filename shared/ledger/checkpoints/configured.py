"""The ledger's key and its log of checkpoints, as this process's settings have them."""

from __future__ import annotations

from pathlib import Path

from shared.ledger.checkpoints.log import CheckpointLog
from shared.ledger.checkpoints.notes import Signer, Verifier
from shared.ledger.checkpoints.stores import BucketStore, CheckpointStore, FolderStore
from shared.settings import Settings


def ledger_signer(config: Settings) -> Signer | None:
    """Who signs checkpoints; None without LEDGER_SIGNING_KEY."""
    if config.ledger_signing_key is None:
        return None
    return Signer(f"{config.project_id}/ledger", config.ledger_signing_key)


def ledger_verifiers(config: Settings) -> tuple[Verifier, ...]:
    """The keys that may have signed checkpoints: the one that signs now, if it is here, and earlier ones."""
    signer = ledger_signer(config)
    earlier = tuple(Verifier.parse(key) for key in config.ledger_public_keys)
    return earlier if signer is None else (signer.verifier, *earlier)


def checkpoint_log(config: Settings) -> CheckpointLog | None:
    """The log of checkpoints; None where the settings name no store, or no key to check it with."""
    verifiers = ledger_verifiers(config)
    if config.checkpoint_store is None or not verifiers:
        return None
    return CheckpointLog(_store(config.checkpoint_store, config.outside_timeout_s), verifiers)


def _store(place: str, timeout_s: float) -> CheckpointStore:
    if place.startswith("/"):
        return FolderStore(Path(place))
    bucket, _, prefix = place.removeprefix("gs://").partition("/")
    return BucketStore(bucket, prefix, timeout_s)
