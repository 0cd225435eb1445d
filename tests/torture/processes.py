"""Processes that are killed, stopped and continued with all their children, and what they use of the machine."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

START_WITHIN = 120.0


def tree(pid: int) -> list[int]:
    """The process and all that descend from it; those already gone are left out."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@dataclass(frozen=True)
class Usage:
    """What a process holds at one moment."""

    rss: int
    """bytes"""
    descriptors: int
    threads: int


def usage(pid: int) -> Usage | None:
    """None when the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmRSS" not in fields:
        return None
    return Usage(int(fields["VmRSS"].split()[0]) * 1024, descriptors, int(fields["Threads"]))


def processor_time(pid: int) -> float:
    """Seconds of processor that a process and all that descend from it have used, those that ended included."""
    ticks = 0
    for one in tree(pid):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # user and system time, its own and of ended children
    return ticks / os.sysconf("SC_CLK_TCK")


class Node:
    """One server or the pipeline: it can be started again whatever was done to it."""

    def __init__(self, name: str, launch: Callable[[], subprocess.Popen[bytes]], answers: Callable[[], bool],
                 end: signal.Signals) -> None:  # fmt: skip
        """``answers``: whether it is ready; ``end``: the signal that asks it to stop in good order."""
        self.name = name
        self._launch, self._answers, self._end = launch, answers, end
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped: list[int] = []
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start it unless it runs."""
        if self.alive:
            return
        self._process = self._launch()
        self.starts += 1
        if wait:
            self.wait_ready()

    def wait_ready(self, within: float = START_WITHIN) -> None:
        deadline = time.monotonic() + within
        while not self._answers():
            if not self.alive:
                raise AssertionError(f"{self.name} ended while starting, exit code {self._process.returncode}")  # type: ignore[union-attr] # started above
            assert time.monotonic() < deadline, f"{self.name} did not answer within {within:g} s"
            time.sleep(0.03)

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        if self._process is not None:
            pids = tree(self.pid) if self.alive else []
            send(pids, signal.SIGKILL)
            self._process.wait()
            while any(_is_there(pid) for pid in pids[1:]):
                time.sleep(0.01)
        self._stopped = []

    def stop(self) -> None:
        """SIGSTOP to it and its children."""
        self._stopped = tree(self.pid) if self.alive else []
        send(self._stopped, signal.SIGSTOP)

    def proceed(self) -> None:
        """SIGCONT to what was stopped."""
        send(self._stopped, signal.SIGCONT)
        self._stopped = []

    def end(self, patience: float = 30.0) -> None:
        """Stop it in good order."""
        self.proceed()
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(self._end)
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        self.end()
        self.start()


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
