"""Runs the program's command line with a wall clock that can be set forward and back from outside.

``CITYVITALS_TORTURE_CLOCK`` names a file of eight bytes, the shift in microseconds. Only the wall clock moves: what is
measured in passing time (waits, time-outs) goes on as it would on a machine whose clock is corrected.
"""

import mmap
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

VARIABLE = "CITYVITALS_TORTURE_CLOCK"


def set_shift(path: Path, seconds: float) -> None:
    """Move the clock of whoever runs with this file."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(struct.pack("<q", int(seconds * 1e6)))


def shifted(shift: Callable[[], int], clock: Callable[[], int]) -> tuple[Callable[[], float], Callable[[], int]]:
    """``time`` and ``time_ns`` with a shift (µs) added to ``clock`` (ns)."""

    def time_ns() -> int:
        return clock() + shift() * 1000

    def seconds() -> float:
        return time_ns() / 1e9

    return seconds, time_ns


def main() -> int:
    with open(os.environ[VARIABLE], "rb") as file:
        memory = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    unpack = struct.Struct("<q").unpack_from
    time.time, time.time_ns = shifted(lambda: unpack(memory)[0], time.time_ns)
    from deploy.cli import main as command_line  # after the clock was put in its place

    return command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
