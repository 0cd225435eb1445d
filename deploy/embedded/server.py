"""What broker and database have in common: a prepared server that can be started, awaited and stopped."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.processes import Account, Interrupted, never, spawn, stop
from deploy.errors import DeployError, InterruptedByUser

READY_WITHIN = 60.0  # seconds; crash recovery of a large database takes its time


@dataclass(frozen=True)
class Server:
    """A server whose folder and configuration are in place: everything needed to run it."""

    name: str
    url: str
    command: tuple[str, ...]
    folder: Path
    account: Account
    environment: dict[str, str]
    stop_signal: signal.Signals
    answers: Callable[[], bool]


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1] if lines else "it wrote nothing"


def start(server: Server, log: Path) -> subprocess.Popen[bytes]:
    """Start the server with its output appended to `log`; it ends when this process does."""
    with log.open("ab") as output:
        return spawn(
            server.command,
            account=server.account,
            folder=server.folder,
            environment=server.environment,
            output=output,
            death_signal=server.stop_signal,
        )


def await_ready(server: Server, process: subprocess.Popen[bytes], log: Path, interrupted: Interrupted = never) -> None:
    """Return once the server answers; raise when it ends or stays silent."""
    deadline = time.monotonic() + READY_WITHIN
    while not server.answers():
        if interrupted():
            raise InterruptedByUser
        if process.poll() is not None:
            raise DeployError(f"{server.name} ended while starting: {last_line(log)} (see {log})")
        if time.monotonic() > deadline:
            raise DeployError(f"{server.name} did not answer within {READY_WITHIN:.0f} s: {last_line(log)} (see {log})")
        time.sleep(0.05)


@contextmanager
def running(server: Server, log: Path, interrupted: Interrupted = never) -> Iterator[subprocess.Popen[bytes]]:
    """The server, answering, for the length of the block."""
    process = start(server, log)
    try:
        await_ready(server, process, log, interrupted)
        yield process
    finally:
        stop(process, server.stop_signal, patience=30.0)
