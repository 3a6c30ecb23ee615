"""The processes that run the functions locally, and the environment that they find."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from sqlalchemy import make_url

from ops.emulators import answers
from ops.extension import extension_origin
from ops.gateway import HEALTH, ROOT
from ops.ports import Ports, reached_at
from ops.state_folder import CHECKPOINTS, LEDGER_SIGNING_KEY, LOCAL_DRIFT_CYCLE_S, StateFolder
from ops.supervisor import Part

PROJECT_ID = "mobius-local"
TOPIC = "mobius-events"
_THREADS = "8"
# A person's cloud configuration must not leak into the local functions, which would then refuse to start.
_NOT_PASSED_ON = (
    *("DATABASE_URL", "CLOUD_SQL_INSTANCE", "K_SERVICE", "ENTRY_POINT"),
    *("LEDGER_SIGNING_KEY", "LEDGER_PUBLIC_KEYS", "CHECKPOINT_STORE"),
)


def loopback(port: int) -> str:
    """``port`` on this machine, as host:port."""
    return f"127.0.0.1:{port}"


def local_url(port: int, path: str = "") -> str:
    """The address of ``path`` at ``port`` on this machine."""
    return f"http://{loopback(port)}{path}"


def function_environment(ports: Ports, database_url: str, master_secret: str) -> Mapping[str, str]:
    """What a function's process finds in its environment.

    A person's own environment may change the first entries; the others are the stack's.
    """
    own = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return {
        "LOG_LEVEL": "INFO",
        "ALLOWED_ORIGINS": ",".join(
            (local_url(ports.api), f"http://localhost:{ports.api}", extension_origin())
        ),
        # A connection for each thread: here, where all endpoints share one process, none has to wait.
        "THREADS": _THREADS,
        "DATABASE_POOL_SIZE": _THREADS,
        "DRIFT_CYCLE_S": LOCAL_DRIFT_CYCLE_S,
        **own,
        "GOOGLE_CLOUD_PROJECT": PROJECT_ID,
        "DATABASE_URL": _via(ports, database_url),
        "MOBIUS_MASTER_SECRET": master_secret,
        "PUBSUB_TOPIC": TOPIC,
        "FIRESTORE_EMULATOR_HOST": loopback(reached_at(ports, "firestore", os.environ)),
        "PUBSUB_EMULATOR_HOST": loopback(reached_at(ports, "pubsub", os.environ)),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": ",".join(filter(None, ("127.0.0.1,localhost", os.environ.get("NO_PROXY")))),
    }


def _via(ports: Ports, database_url: str) -> str:
    if "MOBIUS_POSTGRES_VIA" not in os.environ:
        return database_url
    return (
        make_url(database_url)
        .set(port=reached_at(ports, "postgres", os.environ))
        .render_as_string(hide_password=False)
    )


def ledger_environment(folder: StateFolder) -> Mapping[str, str]:
    """What the process that signs checkpoints finds beside that, and no other process does."""
    return {
        "LEDGER_SIGNING_KEY": folder.secret(LEDGER_SIGNING_KEY),
        "CHECKPOINT_STORE": str(folder.path / CHECKPOINTS),
    }


def function_part(name: str, *, factory: str, port: int, environment: Mapping[str, str]) -> Part:
    """A process that serves the functions of ``factory`` in ``ops.gateway`` as functions-framework would."""
    return Part(
        name=name,
        command=(
            *(sys.executable, "-m", "gunicorn", f"ops.gateway:{factory}()"),
            *("--bind", loopback(port)),
            *("--workers", "1", "--threads", environment["THREADS"]),
            # As functions-framework has them; a warning would quote a malformed request line.
            *("--timeout", "0", "--limit-request-line", "0", "--log-level", "error"),
            *("--graceful-timeout", "2"),
            # gunicorn puts it into the home folder, where two stacks would take it from each other.
            "--no-control-socket",
        ),
        env=environment,
        is_ready=lambda: answers(local_url(port, HEALTH)),
    )
