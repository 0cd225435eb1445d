"""Whether ports are free, before anything is started."""

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from deploy.errors import DeployError


@dataclass(frozen=True)
class PortChoice:
    """A port somebody asked for, and the option to ask for another."""

    service: str
    host: str
    port: int
    option: str


def settle(choices: Iterable[PortChoice]) -> list[int]:
    """The ports to use, in order: each free now and none twice; 0 becomes a free one."""
    settled: list[int] = []
    for choice in choices:
        if choice.port in settled:
            raise DeployError(
                f"port {choice.port} is asked for twice; give the {choice.service} another with {choice.option}"
            )
        settled.append(_free_port(choice))
    return settled


def _free_port(choice: PortChoice) -> int:
    family = socket.AF_INET6 if ":" in choice.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((choice.host, choice.port))
            probe.listen(1)
        except OSError as error:
            raise DeployError(_explanation(choice, error)) from error
        port: int = probe.getsockname()[1]
        return port


def _explanation(choice: PortChoice, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        problem = f"port {choice.port} on {choice.host} is in use"
    elif error.errno == errno.EACCES:
        problem = f"port {choice.port} on {choice.host} needs privileges this user does not have"
    else:
        problem = f"cannot listen on {choice.host} port {choice.port} ({error.strerror})"
    return f"{problem}; stop what uses it or give the {choice.service} another with {choice.option}"


def reach(host: str, port: int) -> None:
    """Raise OSError unless something accepts connections there."""
    with socket.create_connection((host, port), timeout=5):
        return
