"""One supervised process: its start, its log of bounded size, its restarts with growing pauses, its end."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.processes import spawn, stop
from deploy.embedded.server import Server, last_line, start

LOG_LIMIT = 16 * 1024 * 1024  # bytes; one older log of that size is kept beside it
FIRST_PAUSE = 0.5  # seconds before the first restart; doubled for each further one
LONGEST_PAUSE = 30.0
STEADY_AFTER = 60.0  # seconds of running after which a restart counts as the first again


@dataclass(frozen=True)
class ServiceSpec:
    """What a service is: how it starts with a log file, how it is asked to stop, where it is found."""

    name: str
    address: str
    launch: Callable[[Path], subprocess.Popen[bytes]]
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 20.0


def command_service(
    name: str, address: str, command: Sequence[str], environment: Mapping[str, str], patience: float = 20.0
) -> ServiceSpec:
    """A service that is one of this program's own commands."""

    def launch(log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return spawn(command, environment=environment, output=output)

    return ServiceSpec(name, address, launch, patience=patience)


def server_service(server: Server) -> ServiceSpec:
    """A service that is an embedded server."""
    return ServiceSpec(server.name, server.url, lambda log: start(server, log), server.stop_signal, patience=60.0)


def next_pause(restarts: int) -> float:
    """Seconds to wait before restart number `restarts` (from 0)."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2**restarts))


class Service:
    """A running instance of a spec; `check` is called often and restarts what has ended."""

    def __init__(self, spec: ServiceSpec, log: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = spec
        self.log = log
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._started = 0.0
        self._restart_at: float | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        self._started = self._clock()
        self._restart_at = None
        self._process = self.spec.launch(self.log)

    def exit_reason(self) -> str | None:
        """Why the process is not running, None while it is."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}, last words: {last_line(self.log)}"

    def check(self) -> str | None:
        """Restart the process when it has ended and its pause is over; what to tell the operator, if anything."""
        reason = self.exit_reason()
        if reason is None:
            return None
        now = self._clock()
        if self._restart_at is None:
            if now - self._started > STEADY_AFTER:
                self._restarts = 0
            pause = next_pause(self._restarts)
            self._restarts += 1
            self._restart_at = now + pause
            return f"{self.spec.name} ended ({reason}); restarting in {pause:g} s"
        if now < self._restart_at:
            return None
        try:
            self.start()
        except OSError as error:
            self._restart_at = now + LONGEST_PAUSE
            return f"{self.spec.name} cannot be started ({error}); trying again in {LONGEST_PAUSE:g} s"
        return f"{self.spec.name} restarted"

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, self.spec.stop_signal, self.spec.patience)

    def bound_log(self, limit: int = LOG_LIMIT) -> None:
        """Move what is in the log to a second file once it is larger than `limit` bytes.

        The process goes on writing to the same open file, which is emptied: it was opened for appending.
        """
        try:
            if self.log.stat().st_size > limit:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)
        except OSError:
            return
