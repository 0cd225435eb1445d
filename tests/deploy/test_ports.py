"""Ports are settled before anything starts."""

import socket

import pytest
from ports import free_port

from deploy.errors import DeployError
from deploy.ports import PortChoice, settle


def _choice(port: int, option: str = "--port") -> PortChoice:
    return PortChoice("API", "127.0.0.1", port, option)


def test_a_port_in_use_is_named_with_the_option_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeployError, match=rf"port {port} on 127\.0\.0\.1 is in use.*--mqtt-port"):
            settle([_choice(port, "--mqtt-port")])


def test_zero_becomes_a_free_port() -> None:
    (port,) = settle([_choice(0)])
    assert port > 0


def test_the_same_port_twice_is_refused() -> None:
    port = free_port()
    with pytest.raises(DeployError, match="asked for twice"):
        settle([_choice(port), _choice(port)])


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(DeployError, match=r"cannot listen on 192\.0\.2\.1"):
        settle([PortChoice("API", "192.0.2.1", 0, "--port")])
