"""Turns the signals that ask a process to end into a flag that its loops look at."""

import os
import signal
import time
from pathlib import Path
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_EVERY = 0.5


class StopRequest:
    """Callable that tells whether a stop was asked for; `install` makes signals ask for it."""

    def __init__(self) -> None:
        self._requested = False
        self._look_at = 0.0

    def __call__(self) -> bool:
        if not self._requested and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_EVERY
            if make_was_interrupted(os.getppid()):  # a signal noted meanwhile is not overwritten
                self._requested = True
        return self._requested

    def install(self) -> "StopRequest":
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)
        return self

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._requested = True

    def sleep(self, seconds: float) -> None:
        """Wait, but not past a stop request."""
        end = time.monotonic() + seconds
        while not self() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))


def make_was_interrupted(parent: int) -> bool:
    """Whether the parent is a ``make`` that has got a SIGINT of its own.

    A terminal sends Ctrl-C to ``make`` and to what it runs. A SIGINT sent to ``make`` alone is not passed on: it waits
    in its signal handler, where SIGINT is blocked, for its command to end.
    """
    try:
        status = Path(f"/proc/{parent}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields.get("Name") in ("make", "gmake") and bool(int(fields.get("SigBlk", "0"), 16) & 1 << signal.SIGINT - 1)
