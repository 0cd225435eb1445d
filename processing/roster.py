"""Devices of one kind in dense slots, as the arrays that kernels index: where each stands and when it is stale."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from devices.contract import Kind
from ingest.registry import Device
from processing.expressions import Needs
from processing.method import SHORTEST_STALE, STALE_AFTER_INTERVALS
from processing.standing import enlarged

FIRST_CAPACITY = 64


class Roster:
    """All registered devices of one kind; a device keeps its slot for ever."""

    def __init__(self, kind: Kind, areas: dict[str, int]) -> None:
        """``areas``: label of each area code."""
        self.kind = kind
        self._areas = areas
        self._measures: dict[int, frozenset[str]] = {}
        self.ids: list[str] = []
        self.area: NDArray[np.int32] = np.empty(0, np.int32)
        self.stale: NDArray[np.int64] = np.empty(0, np.int64)
        self._slot_of_key: NDArray[np.int32] = np.empty(0, np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def capacity(self) -> int:
        """Length of the arrays by slot; places beyond the last device have no area."""
        return len(self.area)

    def update(self, devices: Iterable[Device]) -> None:
        """Register or change devices of this kind.

        An area the city does not have leaves a device without label, and so does being retired: nobody expects it.
        """
        changed = list(devices)
        if not changed:
            return
        keys = 1 + max(device.key for device in changed)
        if keys > len(self._slot_of_key):
            self._slot_of_key = enlarged(self._slot_of_key, max(keys, 2 * len(self._slot_of_key)), -1)
        slots = [self._place(device) for device in changed]
        size = len(self.ids)
        if size > self.capacity:  # twice as large, so that growth stays cheap
            capacity = max(size, 2 * self.capacity, FIRST_CAPACITY)
            self.area, self.stale = enlarged(self.area, capacity, -1), enlarged(self.stale, capacity, 0)
        self.area[slots] = [self._label(device) for device in changed]
        self.stale[slots] = [stale_after(self.kind, device) for device in changed]
        for slot, device in zip(slots, changed, strict=True):
            measures = device.attributes.get("measures")
            if measures is not None:
                self._measures[slot] = frozenset(measures)
            else:
                self._measures.pop(slot, None)

    def _place(self, device: Device) -> int:
        slot = int(self._slot_of_key[device.key])
        if slot < 0:
            slot = self._slot_of_key[device.key] = len(self.ids)
            self.ids.append(device.id)
        return slot

    def _label(self, device: Device) -> int:
        retired = device.attributes.get("retired") is True
        return -1 if retired else self._areas.get(device.area, -1)

    def slots(self, keys: NDArray[np.int32]) -> NDArray[np.int32]:
        """Slot of each registry key, -1 where it is none of this kind."""
        known = keys < len(self._slot_of_key)
        result: NDArray[np.int32] = np.where(known, self._slot_of_key[np.where(known, keys, 0)], -1).astype(np.int32)
        return result

    def equipped(self, needs: Needs) -> NDArray[np.int32]:
        """Area label of each device that has at least one field of every group, -1 for the others.

        A device that does not say what it measures has all fields of its kind.
        """
        labels = self.area.copy()
        for slot, measures in self._measures.items():
            if any(measures.isdisjoint(group) for group in needs):
                labels[slot] = -1
        return labels


def stale_after(kind: Kind, device: Device) -> int:
    """Silence, in µs, after which a device's last reading no longer counts."""
    interval = float(device.attributes.get("reportingInterval", kind.reporting_interval))
    return int(max(SHORTEST_STALE, STALE_AFTER_INTERVALS * interval) * 1e6)
