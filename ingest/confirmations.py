"""Tell watermarks back at a bounded rate: the newest of each device and stream, at most once a second. Pure."""

import heapq
from itertools import count

from ingest.watermark import Watermark

INTERVAL = 1.0
"""seconds between two tellings about one device and stream"""

Key = tuple[str, str]
"""device, stream"""


class Confirmations:
    """What is to be told, and when; the clock (seconds, rising) is an argument."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._newest: dict[Key, Watermark] = {}
        self._told: dict[Key, float] = {}
        self._waiting: set[Key] = set()
        self._due: list[tuple[float, int, Key]] = []
        self._order = count()

    def __len__(self) -> int:
        """How many devices and streams have a watermark."""
        return len(self._newest)

    def put(self, key: Key, watermark: Watermark, now: float) -> None:
        """A watermark moved, or was touched without moving: whoever sent again waits for an answer."""
        self._newest[key] = watermark
        told = self._told.get(key)
        self._await(key, now if told is None else max(now, told + self._interval))

    def tell_all_again(self, now: float) -> None:
        """The broker may have forgotten what it retained."""
        for key in self._newest:
            self._await(key, now)

    def drop(self, device: str) -> None:
        """A device asks no more."""
        for key in [key for key in self._newest if key[0] == device]:
            del self._newest[key]
            self._told.pop(key, None)

    def due(self, now: float, most: int) -> list[tuple[Key, Watermark]]:
        """What is to be told at ``now``: up to ``most``, the longest waiting first."""
        ready: list[tuple[Key, Watermark]] = []
        while self._due and self._due[0][0] <= now and len(ready) < most:
            key = heapq.heappop(self._due)[2]
            self._waiting.discard(key)
            if key in self._newest:
                self._told[key] = now
                ready.append((key, self._newest[key]))
        return ready

    def _await(self, key: Key, at: float) -> None:
        if key not in self._waiting:
            self._waiting.add(key)
            heapq.heappush(self._due, (at, next(self._order), key))
