"""The data folder belongs to one running instance: its lock, and what an instance that was killed left running."""

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.embedded.processes import Interrupted
from deploy.errors import DeployError, InterruptedByUser

ROOM_NEEDED = 300e6  # bytes a fresh database with its write-ahead log takes
_RUNNING = "running.json"


@contextmanager
def held(folder: Path, name: str = "lock") -> Iterator[None]:
    """Hold the folder (or the part of it that `name` stands for) for this process; raise when another does."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # logs and spool hold what devices sent
        lock = (folder / name).open("a+")
    except OSError as error:
        raise DeployError(
            f"cannot use the data folder {folder}: {error.strerror}; choose another with --data-dir"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise DeployError(
                f"the data folder {folder} is in use by another cityvitals (process {owner}); "
                "stop that one or choose another folder with --data-dir"
            ) from None
        _require_room(folder)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < ROOM_NEEDED:
        raise DeployError(
            f"the disk of {folder} has {free / 1e6:.0f} MB free, at least {ROOM_NEEDED / 1e6:.0f} MB are needed; "
            "make room or choose a folder on another disk with --data-dir"
        )


def note_running(folder: Path, processes: Mapping[str, int]) -> None:
    """Write down which processes belong to this instance, for the case that it cannot end them itself.

    Best effort: a full disk must not end the supervision.
    """
    state = {name: {"pid": pid, "started": _start_time(pid)} for name, pid in processes.items()}
    unfinished = folder / f"{_RUNNING}.new"
    with suppress(OSError):
        unfinished.write_text(json.dumps(state))
        os.replace(unfinished, folder / _RUNNING)


def forget_running(folder: Path) -> None:
    """All processes of this instance have ended."""
    (folder / _RUNNING).unlink(missing_ok=True)


def outlast_previous(folder: Path, interrupted: Interrupted, patience: float = 20.0) -> None:
    """Wait until the processes of an instance that was killed have ended; end those that do not."""
    try:
        state = json.loads((folder / _RUNNING).read_text())
        left = [(entry["pid"], entry["started"]) for entry in state.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    deadline = time.monotonic() + patience
    while left := [(pid, started) for pid, started in left if started and _start_time(pid) == started]:
        if interrupted():
            raise InterruptedByUser
        if time.monotonic() > deadline:
            for pid, _ in left:
                os.kill(pid, signal.SIGKILL)
            deadline += 5.0
        time.sleep(0.05)
    forget_running(folder)


def _start_time(pid: int) -> str | None:
    """When a process started, in the kernel's clock ticks: tells it from a later one with the same number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *_, started = stat.rpartition(")")[2].split()[:20]
    return None if state == "Z" else started
