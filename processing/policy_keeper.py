"""Watches the policy file and keeps the record of policies in the database, in a thread of its own.

A file counts once it has stayed as it is for a moment, so that one that is being written is not taken half done;
whoever renames a finished file over the old one is safe in any case.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from pathlib import Path

import psycopg

from ingest.database import connect, in_one_line
from processing.policy import LARGEST_FILE, SHIPPED, Policy, PolicyError, parse
from processing.policy_store import record_change

log = logging.getLogger(__name__)

LOOK_EVERY = 0.1
SETTLED_AFTER = 0.3
"""seconds that a file must not have changed; one that is gone must stay gone"""
_RETRY_AFTER = 2.0

Stamp = tuple[int, int, int] | None


class PolicyKeeper:
    """The policy that the file asks for, and the changes that wait to be written."""

    def __init__(self, database_url: str, file: Path | None = None) -> None:
        """Reads ``file`` at once; without one, or as long as it is not there, the shipped policy is asked for."""
        self.refused: str | None = None
        """why the file as it stands is not used"""
        self.wanted: Policy | None = None
        """the newest good policy; None when there was none since the start"""
        self._database_url = database_url
        self._file = file
        self._taken: Stamp = None
        self._looked: Stamp = None
        self._since = 0.0
        self._changes: deque[tuple[int, Policy]] = deque()
        self._retry_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy", daemon=True)
        self._taken = self._looked = self._stamp()
        self._take()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what waits is written if the database can be reached now."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def record(self, at: int, policy: Policy) -> None:
        """Have it written that ``policy`` is in force from ``at`` (µs) on; never waits."""
        self._changes.append((at, policy))

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            self._look()
            self._write()
        self._retry_at = 0.0
        self._write()

    def _look(self) -> None:
        stamp, now = self._stamp(), time.monotonic()
        if stamp != self._looked:
            self._looked, self._since = stamp, now
        elif stamp != self._taken and now - self._since >= SETTLED_AFTER:
            self._taken = stamp
            self._take()

    def _take(self) -> None:
        refused, wanted = None, self.wanted
        try:
            wanted = self._read()
        except (PolicyError, OSError, UnicodeDecodeError) as error:
            refused = _reason(error)
        if self._stamp() != self._taken:  # it was written to while it was read; the next look finds it changed
            return
        if refused and refused != self.refused:
            log.error("policy %s is not used: %s", self._file, refused.replace("\n", "; "))
        self.refused, self.wanted = refused, wanted

    def _read(self) -> Policy:
        if self._file is None or self._taken is None:
            return SHIPPED
        if self._taken[1] > LARGEST_FILE:
            raise PolicyError(f"the file has {self._taken[1]} bytes, must have at most {LARGEST_FILE}")
        return parse(self._file.read_text(encoding="utf-8"))

    def _stamp(self) -> Stamp:
        """What tells one state of the file from another; None while there is none."""
        if self._file is None:
            return None
        try:
            state = self._file.stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino

    def _write(self) -> None:
        if not self._changes or time.monotonic() < self._retry_at:
            return
        try:
            with contextlib.closing(connect(self._database_url, application="cityvitals policy")) as connection:
                connection.autocommit = True
                while self._changes:
                    at, policy = self._changes[0]
                    record_change(connection, policy, at)
                    self._changes.popleft()
        except psycopg.Error as error:
            log.warning("the record of policies waits for the database: %s", in_one_line(error))
            self._retry_at = time.monotonic() + _RETRY_AFTER


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8, must be a TOML file in UTF-8"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
