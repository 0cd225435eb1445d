"""Devices of one kind in dense slots, as the arrays that kernels index: where each stands and when it is stale."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from devices.contract import Kind
from ingest.names import Kindred
from ingest.registry import Device
from processing import kernels
from processing.expressions import Needs
from processing.method import SHORTEST_STALE, STALE_AFTER_INTERVALS
from processing.moved import Moved
from processing.standing import Instants, Labels, enlarged, rolled_up

FIRST_CAPACITY = 64
NOT_EXPECTED = -1
"""reach of a class that lacks a field"""
NOT_REGISTERED = -2
"""area label of a slot whose device is not there yet"""
NOWHERE = np.array((NOT_REGISTERED, 0), kernels.PLACE)

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

    def put(self, key: int, slot: int, kind: int) -> None:
        """Let a key of a kind lead to a slot."""
        self._slots[key], self._kind[key] = slot, kind

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

    def number(self, devices: Sequence[Device]) -> NDArray[np.int32]:
        """The slots of devices, of which no two are the same; new ones for those that are new."""
        keys = np.array([device.key for device in devices], np.int32)
        self._table.make_room(1 + int(keys.max(initial=-1)))
        slots = self.slots(keys)
        for i in np.flatnonzero(slots < 0).tolist():
            slots[i] = len(self.ids)
            self._table.put(devices[i].key, len(self.ids), self._kind)
            self.ids.append(devices[i].id)
        if len(self.ids) > self.room:
            self.room = max(len(self.ids), _larger(self.room), FIRST_CAPACITY)
        return slots


def _larger(size: int) -> int:
    """By a part, so that growth stays cheap; by a small one, since most of a city is registered once."""
    return size * 33 // 32


class Roster:
    """All registered devices of one kind; a device keeps its slot for ever.

    Devices with the same equipment and the same interval are one class: a city has a million devices, and few classes.
    A roster of the past also knows devices that are not registered yet: they are awaited, and there from the moment
    something of theirs is heard.
    """

    def __init__(self, kind: Kind, areas: dict[str, int], numbering: Numbering | None = None) -> None:
        """``areas``: label of each area code."""
        self.kind = kind
        self._areas = areas
        self._numbering = numbering or Numbering()
        self._classes = self._numbering.classes
        self._members: NDArray[np.int64] = np.zeros((0, len(areas)), np.int64)
        self._reaches: dict[Needs, NDArray[np.int64]] = {}
        self._awaited: NDArray[np.void] = np.empty(0, kernels.PLACE)
        """where devices will stand, by slot, as far as any was expected; NOT_REGISTERED = none"""
        self.ids = self._numbering.ids
        self.moved = Moved()
        """where devices stood before"""
        self.places: NDArray[np.void] = np.empty(0, kernels.PLACE)
        """kernels.PLACE by slot"""
        self._shared = False
        """another roster may have the same array of places; it is copied before it is written to"""
        self.moves = 0
        """how often a device that was known got another area or class: what was counted by area is void then"""
        self.changes = 0
        """how often anything changed"""

    def __len__(self) -> int:
        return len(self.ids)

    def follower(self) -> "Roster":
        """A roster of the same devices that goes its own way from here; their numbers stay the same in both."""
        other = Roster(self.kind, self._areas, self._numbering)
        other._members = self._members.copy()
        other._awaited = self._awaited.copy()
        other.places, other._shared, self._shared = self.places, True, True
        return other

    @property
    def capacity(self) -> int:
        """Length of the arrays by slot; places beyond the last device have no area."""
        self._fit()
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

    def update(self, devices: Iterable[Device]) -> tuple[list[Device], list[Device]]:
        """Register or change devices of this kind; returns those that are new and those that stood elsewhere or were
        of another class, each as it is now.

        An area the city does not have leaves a device without label, and so does being retired: nobody expects it.
        """
        latest = {device.key: device for device in devices}
        if not latest:
            return [], []
        changed = list(latest.values())
        slots = self._slots_for(changed)
        placed = self._placed(changed)
        before = self.places[slots]
        new = before["area"] == NOT_REGISTERED
        differs = (before != placed) & ~new
        if not (new.any() or differs.any()):
            return [], []
        for i in np.flatnonzero(differs & (before["area"] != placed["area"])).tolist():
            self.moved.note(int(slots[i]), changed[i].since, int(before["area"][i]))
        self._count(before, -1)
        self._count(placed, 1)
        self.moves += bool(differs.any())
        self.changes += 1
        self._put(slots, placed)
        self._awaited[slots[slots < len(self._awaited)]] = NOWHERE
        return [changed[i] for i in np.flatnonzero(new)], [changed[i] for i in np.flatnonzero(differs)]

    def withdraw(self, devices: Iterable[Device]) -> None:
        """Take devices out again that were not registered yet; they are awaited, as they were at first."""
        asked = list(devices)
        slots = self.slots(np.array([device.key for device in asked], np.int32))
        there = [device for device, slot in zip(asked, slots.tolist(), strict=True) if slot >= 0]
        slots = slots[slots >= 0]
        self._count(self.places[slots], -1)
        self._put(slots, NOWHERE)
        self.changes += bool(there)
        self.expect(there)

    def expect(self, devices: Iterable[Device]) -> None:
        """Await devices that are not registered yet: they are there once they are heard, or are registered."""
        awaited = list({device.key: device for device in devices}.values())
        if awaited:
            slots = self._slots_for(awaited)
            self._awaited = enlarged(self._awaited, len(self.places), (NOT_REGISTERED, 0))
            self._awaited[slots] = self._placed(awaited)

    def welcome(self, keys: NDArray[np.int32]) -> None:
        """Register those that were awaited; ``keys``: whose readings have come."""
        if not len(self._awaited):
            return
        slots = np.unique(self.slots(keys))
        slots = slots[(slots >= 0) & (slots < len(self._awaited))]
        new = slots[(self.places["area"][slots] == NOT_REGISTERED) & (self._awaited["area"][slots] != NOT_REGISTERED)]
        if len(new):
            self._count(self._awaited[new], 1)
            self.changes += 1
            self._put(new, self._awaited[new])
            self._awaited[new] = NOWHERE

    def areas(self, slots: Labels, time: Instants) -> Labels:
        """Area label of each slot (-1 = skip) at the time of a reading of its own (µs)."""
        label = np.empty(len(slots), np.int32)
        kernels.areas_of(slots, self.places, label)
        return self.moved.correct(slots, time, label)

    def remember(self, device: Device, until: int) -> None:
        """Note where a device stood before an instant (µs)."""
        slot = int(self.slots(np.array([device.key], np.int32))[0])
        if slot >= 0:
            self.moved.note(slot, until, self._label(device))

    def _slots_for(self, devices: list[Device]) -> NDArray[np.int32]:
        """The slots of devices, with room for all of them."""
        slots = self._numbering.number(devices)
        self._fit()
        return slots

    def _put(self, slots: Labels, places: NDArray[np.void]) -> None:
        if self._shared and len(slots):
            self.places, self._shared = self.places.copy(), False
        self.places[slots] = places

    def _fit(self) -> None:
        """Have a place for every number, also for those that another roster has given."""
        self.places = enlarged(self.places, self._numbering.room, (NOT_REGISTERED, 0))

    def _placed(self, devices: Sequence[Device]) -> NDArray[np.void]:
        """kernels.PLACE of each device."""
        placed = np.empty(len(devices), kernels.PLACE)
        placed["area"] = [self._label(device) for device in devices]
        placed["group"] = [self._class(device) for device in devices]
        return placed

    def _label(self, device: Device) -> int:
        retired = device.attributes.get("retired") is True
        return -1 if retired else self._areas.get(device.area, -1)

    def _class(self, device: Device) -> int:
        measures = device.attributes.get("measures")
        name = None if measures is None else frozenset(measures), stale_after(self.kind, device)
        number = self._classes.setdefault(name, len(self._classes))
        if number >= len(self._members):
            more = np.zeros((number + 1 - len(self._members), len(self._areas)), np.int64)
            self._members = np.concatenate((self._members, more))
        return number

    def _count(self, places: NDArray[np.void], sign: int) -> None:
        there = places[places["area"] >= 0]
        np.add.at(self._members, (there["group"], there["area"]), sign)

    def slots(self, keys: NDArray[np.int32]) -> NDArray[np.int32]:
        """Slot of each registry key, -1 where it is none of this kind."""
        return self._numbering.slots(keys)

    def reach(self, needs: Needs) -> NDArray[np.int64]:
        """By class: µs that a reading counts for, NOT_EXPECTED where a device has no field of some group of ``needs``.

        A device that does not say what it measures has all fields of its kind.
        """
        if not self._classes:
            return np.array([NOT_EXPECTED], np.int64)
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
        reach = self.reach(needs)[: len(self._members)]
        return rolled_up(self._members[reach >= 0].sum(axis=0), parents)


def _reach(measures: frozenset[str] | None, stale: int, needs: Needs) -> int:
    lacking = measures is not None and any(measures.isdisjoint(group) for group in needs)
    return NOT_EXPECTED if lacking else stale


def stale_after(kind: Kind, device: Device) -> int:
    """Silence, in µs, after which a device's last reading no longer counts."""
    interval = float(device.attributes.get("reportingInterval", kind.reporting_interval))
    return int(max(SHORTEST_STALE, STALE_AFTER_INTERVALS * interval) * 1e6)
