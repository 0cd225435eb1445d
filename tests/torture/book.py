"""The ledger outside the system: what was to be published is written here before it is.

An SQLite file in the folder of the run, so that it can be read after a failure with any tool.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

_SCHEMA = """
CREATE TABLE messages (
    number INTEGER PRIMARY KEY, sort TEXT NOT NULL, topic TEXT NOT NULL, digest INTEGER NOT NULL, size INTEGER NOT NULL,
    written REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, acked REAL, reason INTEGER
);
CREATE TABLE entries (
    id TEXT PRIMARY KEY, message INTEGER NOT NULL REFERENCES messages, fate TEXT NOT NULL, reason TEXT,
    stream TEXT NOT NULL, value TEXT
);
CREATE TABLE events (at REAL NOT NULL, what TEXT NOT NULL);
"""


def digest(topic: str, payload: bytes) -> int:
    """64 bits that a message is recognised by on the wire."""
    return int.from_bytes(blake2b(topic.encode() + b"\0" + payload, digest_size=8).digest(), signed=True)


@dataclass(frozen=True)
class Entry:
    """One reading, or one message that is none: its id and how it must end."""

    id: str
    fate: str
    """stored | rejected | either: a clock that jumps decides"""
    stream: str
    reason: str | None = None
    """of the reject"""
    value: str | None = None
    """what the stream's telling column must hold"""


@dataclass(frozen=True)
class Message:
    """One MQTT message; a duplicate has no entries of its own."""

    topic: str
    payload: bytes
    sort: str
    """good | duplicate | poison | late | future | birth | probe"""
    entries: tuple[Entry, ...] = ()
    retain: bool = False


@dataclass
class Fate:
    """What the publishers know of a message."""

    attempts: int = 0
    """times it was handed to the broker"""
    acked: float | None = None
    reason: int | None = None


class Book:
    """Thread-safe; a message is durable in the file when ``enter`` returns its number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fates: dict[int, Fate] = {}
        self._guard = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _SCHEMA)
        self._number = 0

    def enter(self, messages: Sequence[Message], now: float) -> list[int]:
        """Write messages down; returns their numbers."""
        with self._guard:
            numbers = range(self._number + 1, self._number + 1 + len(messages))
            self._number += len(messages)
            self._file.execute("BEGIN")
            self._file.executemany(
                "INSERT INTO messages (number, sort, topic, digest, size, written) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (n, m.sort, m.topic, digest(m.topic, m.payload), len(m.payload), now)
                    for n, m in zip(numbers, messages, strict=True)
                ],
            )
            self._file.executemany(
                "INSERT INTO entries (id, message, fate, reason, stream, value) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (e.id, n, e.fate, e.reason, e.stream, e.value)
                    for n, m in zip(numbers, messages, strict=True)
                    for e in m.entries
                ],
            )
            self._file.execute("COMMIT")
            self.fates.update((n, Fate()) for n in numbers)
        return list(numbers)

    def note(self, at: float, what: str) -> None:
        """Write down what was done to the system."""
        with self._guard:
            self._file.execute("INSERT INTO events VALUES (?, ?)", [at, what])

    def close_accounts(self) -> None:
        """Write down what the publishers heard of the broker."""
        with self._guard:
            self._file.execute("BEGIN")
            self._file.executemany(
                "UPDATE messages SET attempts = ?, acked = ?, reason = ? WHERE number = ?",
                [(f.attempts, f.acked, f.reason, n) for n, f in self.fates.items()],
            )
            self._file.execute("COMMIT")

    def rows(self, query: str, values: Iterable[object] = ()) -> list[tuple]:  # type: ignore[type-arg] # of SQLite
        """The rows of a query."""
        with self._guard:
            return self._file.execute(query, tuple(values)).fetchall()

    def close(self) -> None:
        self._file.close()
