"""Deliveries kept on disk while the database is away: an append-only log in segments, synced before it answers.

A folder holds ``id``, ``NNNNNNNN.log`` segments and, after damage, ``quarantine/`` with the bytes that are no record.
How far the log was moved to the database is noted in the database itself, in the transaction that moved it.
"""

import contextlib
import logging
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.batch import Delivery
from ingest.spool_records import Damage, Record, decode, encode

log = logging.getLogger(__name__)

SEGMENT_BYTES = 16 * 1024 * 1024
DEFAULT_QUOTA = 2 * 1024**3
_SUFFIX = ".log"


class SpoolFullError(Exception):
    """The spool's quota or the disk is full; nothing was kept of what was to be appended."""


@dataclass(frozen=True, order=True)
class Position:
    """A place in the log."""

    segment: int = 0
    offset: int = 0


class Spool:
    """One process at a time may use a folder. Raises OSError when the disk fails otherwise than by being full."""

    def __init__(self, folder: Path, *, quota: int = DEFAULT_QUOTA, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._quota = quota
        self._segment_bytes = segment_bytes
        self._file: int | None = None
        self.quarantined = 0
        """bytes found damaged and set aside"""
        folder.mkdir(parents=True, exist_ok=True)
        segments = self._segments()
        self.id = self._own_id(renew=not segments)
        """changes whenever the log starts anew, so that a position noted for an earlier log is never applied to it"""
        self._segment = segments[-1] if segments else 0
        self._size = self._cut_torn_tail(self._segment) if segments else 0

    def append(self, deliveries: Sequence[Delivery], *, in_doubt: int = 0) -> None:
        """Keep deliveries durably: when this returns they survive a power cut.

        ``in_doubt``: the token of the take that may have committed them already, 0 = none.

        Raises SpoolFullError, having kept none of them.
        """
        data = b"".join(encode(in_doubt, delivery) for delivery in deliveries)
        if self.stored_bytes + len(data) > self._quota:
            raise SpoolFullError(f"the spool holds {self.stored_bytes} bytes, quota {self._quota}")
        if self._file is None or self._size >= self._segment_bytes:
            self._open_next()
        assert self._file is not None
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError as error:
            self._take_back()
            raise SpoolFullError(f"the disk does not take the spool: {error.strerror}") from error
        self._size += len(data)

    def read(self, start: Position, most: int) -> tuple[list[Record], Position]:
        """Up to ``most`` records from ``start``, all of one segment, and the position behind them.

        Damaged bytes go to the quarantine. No records and an unchanged position: there is nothing more.
        """
        for segment in self._segments():
            if segment < start.segment:
                continue
            offset = start.offset if segment == start.segment else 0
            data = self._path(segment).read_bytes()
            records, damage, end = decode(data, offset, most)
            self._quarantine(segment, data, damage)
            if records or end > offset:
                return records, Position(segment, end)
        return [], start

    def forget(self, position: Position) -> None:
        """Delete what lies before ``position``; segments are deleted whole."""
        for segment in self._segments():
            done = segment < position.segment
            if segment == position.segment and position.offset >= self._path(segment).stat().st_size:
                done = True
                if segment == self._segment:
                    self._close()
                    self._size = self._segment_bytes  # the next append starts a new segment
            if done:
                self._path(segment).unlink()

    def count(self, start: Position) -> int:
        """How many sound records lie behind ``start``; reads them all."""
        total = 0
        while True:
            records, behind = self.read(start, 100_000)
            if behind == start:
                return total
            total, start = total + len(records), behind

    @property
    def stored_bytes(self) -> int:
        """Size of the log on disk."""
        return sum(self._path(segment).stat().st_size for segment in self._segments())

    def close(self) -> None:
        """Close the files; everything appended is already durable."""
        self._close()

    def _own_id(self, *, renew: bool) -> uuid.UUID:
        path = self._folder / "id"
        if not renew:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return uuid.UUID(path.read_text().strip())
        own = uuid.uuid4()
        try:
            path.write_text(f"{own}\n")
            self._sync_folder()
        except OSError as error:  # a full disk must not keep the pipeline from starting
            log.error("the spool's id cannot be kept: %s", error.strerror)
            path.unlink(missing_ok=True)  # an earlier log's id would make a later start skip what this one keeps
        return own

    def _segments(self) -> list[int]:
        return sorted(int(p.stem) for p in self._folder.glob(f"*{_SUFFIX}") if p.stem.isdigit())

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:08d}{_SUFFIX}"

    def _open_next(self) -> None:
        self._close()
        if self._size or not self._segments():
            self._segment += 1
            self._size = 0
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            self._file = os.open(self._path(self._segment), flags, 0o600)
            self._sync_folder()
        except OSError as error:
            raise SpoolFullError(f"the disk does not take the spool: {error.strerror}") from error

    def _take_back(self) -> None:
        """Cut off what a failed append left, so that it can neither be read nor mislead."""
        assert self._file is not None
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._size)
            os.fdatasync(self._file)

    def _cut_torn_tail(self, segment: int) -> int:
        """A process killed while it wrote leaves half a record at the end; it was never acknowledged."""
        path = self._path(segment)
        data = path.read_bytes()
        _, damage, _ = decode(data, 0, len(data))
        if damage and damage[-1].end == len(data):
            log.warning("the spool ends in %d bytes that are no record", len(data) - damage[-1].start)
            self._quarantine(segment, data, damage[-1:])
            os.truncate(path, damage[-1].start)
            return damage[-1].start
        return len(data)

    def _quarantine(self, segment: int, data: bytes, damage: Sequence[Damage]) -> None:
        for part in damage:
            log.error("the spool is damaged: segment %d, bytes %d to %d", segment, part.start, part.end)
            path = self._folder / "quarantine" / f"{segment:08d}-{part.start}-{part.end}.bin"
            if path.exists():
                continue
            self.quarantined += part.end - part.start
            try:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data[part.start : part.end])
            except OSError as error:  # what is sound must be read all the same
                log.error("the damaged bytes cannot be set aside: %s", error.strerror)
                with contextlib.suppress(OSError):
                    path.unlink()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None
