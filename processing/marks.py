"""Marks in force, in memory: leave readings that were declared bad out of what is folded live."""

from collections import defaultdict

import numpy as np
import psycopg

from devices.units import EPOCH, MICROSECOND
from ingest.batch import Batch


class Marks:
    """Ranges of dateObserved by stream and device."""

    def __init__(self) -> None:
        self._ranges: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))

    @classmethod
    def load(cls, connection: psycopg.Connection) -> "Marks":
        """The marks in force."""
        marks = cls()
        rows = connection.execute('SELECT stream, device, "from", "to" FROM marks WHERE unmarked_at IS NULL')
        for stream, device, first, last in rows:
            marks.add(stream, device, (first - EPOCH) // MICROSECOND, (last - EPOCH) // MICROSECOND)
        return marks

    def add(self, stream: str, device: int, first: int, last: int) -> None:
        """Leave out what ``device`` (registry key) observed from ``first`` to ``last`` (µs, ends included)."""
        self._ranges[stream][device].append((first, last))

    def good(self, batch: Batch) -> Batch:
        """The batch without readings that are marked."""
        ranges = self._ranges.get(batch.stream.name)
        if not ranges:
            return batch
        bad = np.zeros(len(batch), np.bool_)
        for device in np.intersect1d(batch.device, np.array(list(ranges), np.int32)).tolist():
            for first, last in ranges[device]:
                bad |= (batch.device == device) & (batch.time >= first) & (batch.time <= last)
        return batch.take(~bad) if bad.any() else batch
