"""Which slot a device has: places of arrays that kernels index. Pure."""

import numpy as np
from numpy.typing import NDArray

from ingest.names import Kindred
from ingest.registry import Devices, Places
from processing.standing import enlarged

FIRST_CAPACITY = 64
_Class = tuple[frozenset[str] | None, int]


class SlotTable:
    """The slot of every registry key, for all kinds together: a device is of one kind."""

    def __init__(self) -> None:
        self.kinds = 0
        """that have numbered devices here"""
        self._slots: NDArray[np.int32] = np.empty(0, np.int32)
        self._kind: NDArray[np.uint8] = np.empty(0, np.uint8)

    def find(self, keys: NDArray[np.int32], kind: int) -> NDArray[np.int32]:
        """Slot of each key, -1 where it is none of this kind."""
        inside = np.minimum(keys, len(self._slots) - 1)
        if not len(self._slots):
            return np.full(len(keys), -1, np.int32)
        there = (inside == keys) & (self._kind[inside] == kind)
        slots: NDArray[np.int32] = np.where(there, self._slots[inside], -1)
        return slots

    def put(self, keys: NDArray[np.int32], slots: NDArray[np.int32], kind: int) -> None:
        """Let keys of a kind lead to slots."""
        self._slots[keys], self._kind[keys] = slots, kind

    def make_room(self, keys: int) -> None:
        """Let there be a place for every key below ``keys``."""
        if keys > len(self._slots):
            size = max(keys, _larger(len(self._slots)))
            self._slots, self._kind = enlarged(self._slots, size, -1), enlarged(self._kind, size, 0)


class Numbering:
    """Which slot a device has, and which class; rosters of the same devices at different times share it."""

    def __init__(self, table: SlotTable | None = None) -> None:
        """``table``: shared with the other kinds of a city."""
        self.ids = Kindred()
        self.classes: dict[_Class, int] = {}
        self.room = 0
        """slots that arrays should have room for"""
        self._table = SlotTable() if table is None else table
        self._table.kinds += 1
        self._kind = self._table.kinds

    def slots(self, keys: NDArray[np.int32]) -> NDArray[np.int32]:
        """Slot of each registry key, -1 where it has none."""
        return self._table.find(keys, self._kind)

    def number(self, devices: Devices, places: Places) -> NDArray[np.int32]:
        """The slots of the devices in some places; new ones for those that are new."""
        keys = devices.keys[places]
        self._table.make_room(1 + int(keys.max(initial=-1)))
        new = np.flatnonzero(self.slots(keys) < 0)
        if len(new):
            new = new[np.sort(np.unique(keys[new], return_index=True)[1])]
            count = len(self.ids)
            self._table.put(keys[new], np.arange(count, count + len(new), dtype=np.int32), self._kind)
            for place in places[new].tolist():
                self.ids.append(devices.ids[place])
        if len(self.ids) > self.room:
            self.room = max(len(self.ids), _larger(self.room), FIRST_CAPACITY)
        return self.slots(keys)


def _larger(size: int) -> int:
    """By a part, so that growth stays cheap; by a small one, since most of a city is registered once."""
    return size * 33 // 32
