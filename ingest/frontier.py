"""How far each device has come in each stream: what is newer cannot be stored yet, what is not may be. Pure.

Devices send forward in time. So the few readings that are no newer than the newest stored one of their device are those
to look for in the table; all others go straight in. A guess only: the table's unique index has the last word.
"""

import numpy as np
from numpy.typing import NDArray

from devices.contract import Stream
from ingest.batch import Batch

MOST_DEVICES = 2**20
"""places of 8 bytes; beyond, devices share them, which makes more readings suspect and none less"""
_FEWEST = 1024
_NOTHING = np.iinfo(np.int64).min


class Frontier:
    """The newest dateObserved (µs since 1970) that was stored of each device, by stream, since the process began.

    A device is of one kind, so that one place for each serves the telemetry of all kinds, and another all events of
    one name.
    """

    def __init__(self, most: int = MOST_DEVICES) -> None:
        """``most``: places, a power of two."""
        self._most = most
        self._newest: dict[str, NDArray[np.int64]] = {}

    def suspects(self, batch: Batch, *, strict: bool) -> NDArray[np.intp]:
        """Positions of the readings that may be stored already; ``strict``: also those of devices not heard before."""
        newest = self._newest.get(_channel(batch.stream))
        if newest is None:
            return np.arange(len(batch)) if strict else np.empty(0, np.intp)
        place = batch.device & (self._most - 1)
        known = np.where(place < len(newest), newest[np.minimum(place, len(newest) - 1)], _NOTHING)
        suspect = batch.time <= known
        if strict:
            suspect |= known == _NOTHING
        return np.flatnonzero(suspect)

    def advance(self, batch: Batch) -> None:
        """Readings are committed."""
        if not len(batch):
            return
        place = batch.device & (self._most - 1)
        channel = _channel(batch.stream)
        newest = self._newest.get(channel, np.empty(0, np.int64))
        highest = int(place.max())
        if highest >= len(newest):
            size = min(self._most, max(_FEWEST, highest + 1, len(newest) * 9 // 8))
            wider = np.full(size, _NOTHING, np.int64)
            wider[: len(newest)] = newest
            newest = self._newest[channel] = wider
        np.maximum.at(newest, place, batch.time)


def _channel(stream: Stream) -> str:
    """What is alike in all kinds: nothing for telemetry, the name for events."""
    return stream.name.removeprefix(stream.kind)
