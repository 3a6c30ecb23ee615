"""What a storm rages over: a stack of its own, with proxies before its parts and a view past them."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from google.cloud import firestore
from sqlalchemy import make_url

from ops.ports import PortChoice, choose_ports
from ops.stopping import StopRequested
from tests.stack import MOBIUS, READY_WITHIN_S, Stack, connected, eventually, launch
from tests.storm.faults import PROXIED
from tests.storm.proxies import Loop, Proxy
from tests.storm.pushes import PushProxy

_ENVIRONMENT = {
    # Nobody is held back by the limit of one user: the storm is many more than the demo's six.
    "RATE_LIMIT_PER_USER_S": "100000",
    "RATE_LIMIT_BURST": "100000",
    # A stack of the storm's own, whatever database the person's environment names.
    "DATABASE_URL": "",
    "MOBIUS_SUPERVISE": "on",
}
_DUE_S = 2
"""So soon a response that nobody acknowledged becomes an open item: inboxes change all along."""
_POLICY = Path(__file__).parents[2] / "ops/default_policy.yaml"


class Ground:
    """The stack, its proxies, and the way past them."""

    def __init__(self, stack: Stack, proxies: dict[str, Proxy], pushes: PushProxy) -> None:
        self.stack = stack
        self.proxies = proxies
        self.pushes = pushes
        # All but the pids stays as it is.
        self.told = stack.description
        self.tenants: list[dict[str, Any]] = self.told["tenants"]

    @cached_property
    def documents(self) -> firestore.Client:
        """Firestore as a server sees it, past the proxy."""
        with patch.dict(os.environ, FIRESTORE_EMULATOR_HOST=self.told["firestore_emulator_host"]):
            return firestore.Client(project=self.told["project_id"])

    def rows(self, statement: str) -> list[Any]:
        """What the superuser reads of all tenants, past the proxy."""
        password = (self.stack.state_dir / "postgres-password").read_text().encode().hex()
        url = make_url(self.told["database_url"]).set(username="postgres", password=password)
        with connected(url.render_as_string(hide_password=False)) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())

    def mobius(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of ``mobius`` on this stack."""
        return subprocess.run(
            (MOBIUS, *arguments, "--state-dir", self.stack.state_dir),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            # The person's own database is not this one.
            env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        )

    def calm(self) -> None:
        """No proxy hurts any more."""
        for proxy in self.proxies.values():
            proxy.calm()
        self.pushes.calm()

    def leave_work_soon(self) -> None:
        """Publishes a policy to every tenant by which open items come up while the storm lasts."""
        policy = yaml.safe_load(_POLICY.read_text())
        policy["timeouts"]["acknowledgement_due_s"] = _DUE_S
        policy["notifications"]["assign"]["coverage"] = {"role": self.tenants[0]["users"][0]["role"]}
        file = self.stack.state_dir / "policy.yaml"
        file.write_text(json.dumps(policy))

        def publish(tenant: dict[str, Any]) -> None:
            done = self.mobius("policy", "publish", str(file), "--tenant", tenant["name"])
            assert done.returncode == 0, done.stdout + done.stderr

        with ThreadPoolExecutor() as pool:
            list(pool.map(publish, self.tenants))


@contextmanager
def stormy_ground(seed: int) -> Iterator[Ground]:
    """A running stack with proxies before its parts. Its folder is kept when what is done with it fails."""
    keep, state_dir = True, Path(tempfile.mkdtemp(prefix="mobius-storm-"))
    ports = choose_ports(PortChoice.AUTO, {}, frozenset())
    loop = Loop()
    proxies = {
        part: Proxy(loop, getattr(ports, part), random.Random(f"{seed} {part}"))  # noqa: S311 -- to be had again
        for part in PROXIED
    }
    pushes = PushProxy(ports.projector)
    leads = {part: proxy.port for part, proxy in proxies.items()} | {"projector": pushes.port}
    environment = {
        **_ENVIRONMENT,
        **{f"MOBIUS_{part.upper()}_PORT": str(getattr(ports, part)) for part in leads},
        **{f"MOBIUS_{part.upper()}_VIA": str(port) for part, port in leads.items()},
    }
    # In hand before it is ready: Ctrl-C may come any time.
    stack = Stack(launch(state_dir, environment), state_dir)
    try:
        described = state_dir / "stack.json"
        eventually(lambda: described.exists() or stack.process.poll() is not None, READY_WITHIN_S)
        assert described.exists(), f"the stack did not start:\n{stack.output}"
        ground = Ground(stack, proxies, pushes)
        ground.leave_work_soon()
        yield ground
        keep = False
    except StopRequested:
        keep = False
        raise
    finally:
        if stack.process.poll() is None:
            stack.stop()
        pushes.close()
        for proxy in proxies.values():
            proxy.close()
        loop.close()
        if not keep:
            shutil.rmtree(state_dir, ignore_errors=True)
