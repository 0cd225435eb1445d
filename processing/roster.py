"""Devices of one kind in dense slots, as the arrays that kernels index: where each stands and when it is stale."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from devices.contract import Kind
from ingest.names import Texts
from ingest.registry import Device
from processing import kernels
from processing.expressions import Needs
from processing.method import SHORTEST_STALE, STALE_AFTER_INTERVALS
from processing.standing import enlarged, rolled_up

FIRST_CAPACITY = 64
NOT_EXPECTED = -1
"""reach of a class that lacks a field"""

_Class = tuple[frozenset[str] | None, int]


class Roster:
    """All registered devices of one kind; a device keeps its slot for ever.

    Devices with the same equipment and the same interval are one class: a city has a million devices, and few classes.
    """

    def __init__(self, kind: Kind, areas: dict[str, int]) -> None:
        """``areas``: label of each area code."""
        self.kind = kind
        self._areas = areas
        self._classes: dict[_Class, int] = {}
        self._members: NDArray[np.int64] = np.zeros((0, len(areas)), np.int64)
        self._reaches: dict[Needs, NDArray[np.int64]] = {}
        self._slot_of_key: NDArray[np.int32] = np.empty(0, np.int32)
        self.ids = Texts()
        self.places: NDArray[np.void] = np.empty(0, kernels.PLACE)
        """kernels.PLACE by slot"""
        self.moves = 0
        """how often a device that was known got another area or class: what was counted by area is void then"""
        self.changes = 0
        """how often anything changed"""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def capacity(self) -> int:
        """Length of the arrays by slot; places beyond the last device have no area."""
        return len(self.places)

    @property
    def area(self) -> NDArray[np.int32]:
        """Area label of each slot, -1 = none."""
        labels: NDArray[np.int32] = self.places["area"]
        return labels

    @property
    def stale(self) -> NDArray[np.int64]:
        """µs after which each slot's reading no longer counts."""
        return self.reach(())[self.places["group"]] if self._classes else np.empty(0, np.int64)

    def update(self, devices: Iterable[Device]) -> None:
        """Register or change devices of this kind.

        An area the city does not have leaves a device without label, and so does being retired: nobody expects it.
        """
        latest = {device.key: device for device in devices}
        if not latest:
            return
        changed = list(latest.values())
        keys = 1 + max(latest)
        if keys > len(self._slot_of_key):
            self._slot_of_key = enlarged(self._slot_of_key, max(keys, len(self._slot_of_key) * 5 // 4), -1)
        known = len(self.ids)
        slots = np.array([self._place(device) for device in changed], np.int32)
        if len(self.ids) > self.capacity:  # by a quarter at least, so that growth stays cheap
            capacity = max(len(self.ids), self.capacity * 5 // 4, FIRST_CAPACITY)
            self.places = enlarged(self.places, capacity, (-1, 0))
        placed = np.empty(len(changed), kernels.PLACE)
        placed["area"] = [self._label(device) for device in changed]
        placed["group"] = [self._class(device) for device in changed]
        differs = self.places[slots] != placed
        differs[slots >= known] = True
        if differs.any():
            self._count(self.places[slots[slots < known]], -1)
            self._count(placed, 1)
            self.moves += bool(differs[slots < known].any())
            self.changes += 1
            self.places[slots] = placed

    def _place(self, device: Device) -> int:
        slot = int(self._slot_of_key[device.key])
        if slot < 0:
            slot = self._slot_of_key[device.key] = len(self.ids)
            self.ids.append(device.id)
        return slot

    def _label(self, device: Device) -> int:
        retired = device.attributes.get("retired") is True
        return -1 if retired else self._areas.get(device.area, -1)

    def _class(self, device: Device) -> int:
        measures = device.attributes.get("measures")
        name = None if measures is None else frozenset(measures), stale_after(self.kind, device)
        number = self._classes.setdefault(name, len(self._classes))
        if number == len(self._members):
            self._members = np.concatenate((self._members, np.zeros((1, len(self._areas)), np.int64)))
        return number

    def _count(self, places: NDArray[np.void], sign: int) -> None:
        there = places[places["area"] >= 0]
        np.add.at(self._members, (there["group"], there["area"]), sign)

    def slots(self, keys: NDArray[np.int32]) -> NDArray[np.int32]:
        """Slot of each registry key, -1 where it is none of this kind."""
        known = keys < len(self._slot_of_key)
        result: NDArray[np.int32] = np.where(known, self._slot_of_key[np.where(known, keys, 0)], -1).astype(np.int32)
        return result

    def reach(self, needs: Needs) -> NDArray[np.int64]:
        """By class: µs that a reading counts for, NOT_EXPECTED where a device has no field of some group of ``needs``.

        A device that does not say what it measures has all fields of its kind.
        """
        reach = self._reaches.get(needs)
        if reach is None or len(reach) < len(self._classes):
            reach = np.array([_reach(measures, stale, needs) for measures, stale in self._classes], np.int64)
            self._reaches[needs] = reach
        return reach

    def equipped(self, needs: Needs) -> NDArray[np.int32]:
        """Area label of each device that has at least one field of every group, -1 for the others."""
        labels = self.area.copy()
        if self._classes:
            labels[self.reach(needs)[self.places["group"]] < 0] = -1
        return labels

    def expected(self, needs: Needs, parents: NDArray[np.int32]) -> NDArray[np.int64]:
        """How many devices every area expects, those of its parts included; ``parents``: label of its parent."""
        return rolled_up(self._members[self.reach(needs) >= 0].sum(axis=0), parents)


def _reach(measures: frozenset[str] | None, stale: int, needs: Needs) -> int:
    lacking = measures is not None and any(measures.isdisjoint(group) for group in needs)
    return NOT_EXPECTED if lacking else stale


def stale_after(kind: Kind, device: Device) -> int:
    """Silence, in µs, after which a device's last reading no longer counts."""
    interval = float(device.attributes.get("reportingInterval", kind.reporting_interval))
    return int(max(SHORTEST_STALE, STALE_AFTER_INTERVALS * interval) * 1e6)
