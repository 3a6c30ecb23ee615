"""The local stack's ports: one default each, every one of them overridable."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from enum import StrEnum

import msgspec

# Below the ports that the system gives to outgoing connections, which could take one in between.
_AUTO_RANGE = (15_000, 32_000)


class PortChoice(StrEnum):
    """Where ports come from when the environment names none."""

    DEFAULT = "default"
    AUTO = "auto"


class Ports(msgspec.Struct, frozen=True):
    """A loopback port for each part. ``MOBIUS_API_PORT`` and its likes override the defaults."""

    api: int = 8080
    projector: int = 8081
    scheduler: int = 8082
    firestore: int = 8084
    pubsub: int = 8085
    postgres: int = 5434


class PortUnusable(Exception):
    """A port is taken or its variable is wrong; the message names the variable."""


def choose_ports(choice: PortChoice, environ: Mapping[str, str], unneeded: frozenset[str]) -> Ports:
    """The port of every part, free at this moment; those in ``unneeded`` are not looked at.

    Raises PortUnusable when a port is taken or its variable is not a port.
    """
    chosen: dict[str, int] = {}
    for name in (each for each in Ports.__struct_fields__ if each not in unneeded):
        variable = f"MOBIUS_{name.upper()}_PORT"
        if variable not in environ and choice is PortChoice.AUTO:
            chosen[name] = _any_free_port(taken=frozenset(chosen.values()))
            continue
        port = _port(variable, environ.get(variable, str(getattr(Ports(), name))))
        if port in chosen.values() or not _is_free(port):
            raise PortUnusable(f"Port {port} for {name} is taken: set {variable} to a free one.")
        chosen[name] = port
    return Ports(**chosen)


def reached_at(ports: Ports, name: str, environ: Mapping[str, str]) -> int:
    """The port at which the other parts reach the part ``name``: its own, or that of what stands before it.

    ``MOBIUS_POSTGRES_VIA`` and its likes name a port at which somebody passes on what comes in: a test that
    cuts, delays or repeats it. Raises PortUnusable when the variable is not a port.
    """
    variable = f"MOBIUS_{name.upper()}_VIA"
    return _port(variable, environ[variable]) if variable in environ else int(getattr(ports, name))


def _port(variable: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 65_535:
        raise PortUnusable(f"{variable} must be a port, a number from 1 to 65535.")
    return int(value)


def _any_free_port(taken: frozenset[int]) -> int:
    for _ in range(200):
        port = random.randrange(*_AUTO_RANGE)  # noqa: S311 - no secret, just not the same as others pick
        if port not in taken and _is_free(port):
            return port
    raise PortUnusable("No free port was found: set MOBIUS_API_PORT and its likes yourself.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A connection that is only fading out must not count; a listener does all the same.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
