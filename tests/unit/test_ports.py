from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ops.ports import PortChoice, Ports, PortUnusable, choose_ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_automatic_ports_differ_from_each_other() -> None:
    ports = choose_ports(PortChoice.AUTO, {}, frozenset())
    assert len({getattr(ports, name) for name in Ports.__struct_fields__}) == len(Ports.__struct_fields__)


def test_a_variable_overrides_the_choice(taken: int) -> None:
    free = choose_ports(PortChoice.AUTO, {}, frozenset()).api
    assert choose_ports(PortChoice.AUTO, {"MOBIUS_API_PORT": str(free)}, frozenset()).api == free


def test_a_taken_port_is_named_with_its_variable(taken: int) -> None:
    with pytest.raises(PortUnusable, match=f"^Port {taken} for pubsub is taken: set MOBIUS_PUBSUB_PORT"):
        choose_ports(PortChoice.AUTO, {"MOBIUS_PUBSUB_PORT": str(taken)}, frozenset())


def test_the_same_port_twice_is_taken() -> None:
    free = str(choose_ports(PortChoice.AUTO, {}, frozenset()).api)
    with pytest.raises(PortUnusable, match="MOBIUS_PROJECTOR_PORT"):
        choose_ports(PortChoice.AUTO, {"MOBIUS_API_PORT": free, "MOBIUS_PROJECTOR_PORT": free}, frozenset())


@pytest.mark.parametrize("value", ["", "0", "65536", "eighty", "-1"])
def test_what_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(PortUnusable, match="MOBIUS_API_PORT must be a port"):
        choose_ports(PortChoice.AUTO, {"MOBIUS_API_PORT": value}, frozenset())


def test_a_part_that_is_not_needed_needs_no_port(taken: int) -> None:
    choose_ports(PortChoice.AUTO, {"MOBIUS_POSTGRES_PORT": str(taken)}, frozenset({"postgres"}))
