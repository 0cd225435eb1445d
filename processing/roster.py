"""Devices of one kind in dense slots, as the arrays that kernels index: where each stands and when it is stale."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.contract import Kind
from ingest.registry import Device, Devices, Places
from processing import kernels
from processing.expressions import Needs
from processing.method import SHORTEST_STALE, STALE_AFTER_INTERVALS
from processing.moved import Moved
from processing.slots import Numbering
from processing.standing import Instants, Labels, enlarged, rolled_up

NOT_EXPECTED = -1
"""reach of a class that lacks a field"""
NOT_REGISTERED = -2
"""area label of a slot whose device is not there yet"""
NOWHERE = np.array((NOT_REGISTERED, 0), kernels.PLACE)


@dataclass(frozen=True)
class Placed:
    """Devices of a kind by column, as rosters of the same numbering take them."""

    slots: NDArray[np.int32]
    where: NDArray[np.void]
    """kernels.PLACE of each"""
    since: NDArray[np.int64]
    """µs since 1970, as ``Device.since``"""

    def __len__(self) -> int:
        return len(self.slots)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Placed":
        """Some of them, in the order of ``rows``."""
        return Placed(self.slots[rows], self.where[rows], self.since[rows])

    def latest(self) -> "Placed":
        """Each device once, in the last of its states."""
        _, last = np.unique(self.slots[::-1], return_index=True)
        return self if len(last) == len(self) else self.take(np.sort(len(self) - 1 - last))

    def __add__(self, more: "Placed") -> "Placed":
        return Placed(
            np.concatenate((self.slots, more.slots)),
            np.concatenate((self.where, more.where)),
            np.concatenate((self.since, more.since)),
        )


Placements = dict[str, Placed]
"""devices by kind, of every kind at least one"""


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

    def place(self, devices: Devices, places: Places | None = None, since: NDArray[np.int64] | None = None) -> Placed:
        """Number those devices that are of this kind, in some places or in all, and tell where they belong.

        An area the city does not have leaves a device without label, and so does being retired: nobody expects it.
        ``since``: of all ``devices``, instead of what they say themselves.
        """
        own = devices.of_kind(self.kind.id)
        if places is not None:
            own = np.intersect1d(own, places, assume_unique=True)
        where = np.empty(len(own), kernels.PLACE)
        where["area"] = devices.by_area(lambda area: self._areas.get(area, -1), own)
        where["area"][devices.by_attributes(_is_retired, own) > 0] = -1
        where["group"] = devices.by_attributes(self._class, own)
        slots = self._numbering.number(devices, own)
        return Placed(slots, where, (devices.since if since is None else since)[own])

    def update(self, placed: Placed) -> tuple[Placed, Placed]:
        """Register or change devices; returns those that are new and those that stood elsewhere or were of another
        class, each as it is now."""
        self._fit()
        placed = placed.latest()
        before = self.places[placed.slots]
        new = before["area"] == NOT_REGISTERED
        differs = (before != placed.where) & ~new
        if new.any() or differs.any():
            for i in np.flatnonzero(differs & (before["area"] != placed.where["area"])).tolist():
                self.moved.note(int(placed.slots[i]), int(placed.since[i]), int(before["area"][i]))
            self._count(before, -1)
            self._count(placed.where, 1)
            self.moves += bool(differs.any())
            self.changes += 1
            self._put(placed.slots, placed.where)
            self._awaited[placed.slots[placed.slots < len(self._awaited)]] = NOWHERE
        return placed.take(new), placed.take(differs)

    def withdraw(self, placed: Placed) -> None:
        """Take devices, each once, out again that were not registered yet; they are awaited, as they were at first."""
        self._fit()
        self._count(self.places[placed.slots], -1)
        self._put(placed.slots, NOWHERE)
        self.changes += bool(len(placed))
        self.expect(placed)

    def expect(self, placed: Placed) -> None:
        """Await devices that are not registered yet: they are there once they are heard, or are registered."""
        if len(placed):
            self._fit()
            self._awaited = enlarged(self._awaited, len(self.places), (NOT_REGISTERED, 0))
            self._awaited[placed.slots] = placed.where

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
            self.moved.note(slot, until, -1 if _is_retired(device.attributes) else self._areas.get(device.area, -1))

    def _put(self, slots: Labels, places: NDArray[np.void]) -> None:
        if self._shared and len(slots):
            self.places, self._shared = self.places.copy(), False
        self.places[slots] = places

    def _fit(self) -> None:
        """Have a place for every number, also for those that another roster has given."""
        self.places = enlarged(self.places, self._numbering.room, (NOT_REGISTERED, 0))

    def _class(self, attributes: Mapping[str, Any]) -> int:
        measures = attributes.get("measures")
        name = None if measures is None else frozenset(measures), stale_after(self.kind, attributes)
        return self._classes.setdefault(name, len(self._classes))

    def _count(self, places: NDArray[np.void], sign: int) -> None:
        there = places[places["area"] >= 0]
        classes = 1 + int(there["group"].max(initial=-1))
        if classes > len(self._members):
            more = np.zeros((classes - len(self._members), len(self._areas)), np.int64)
            self._members = np.concatenate((self._members, more))
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


def _is_retired(attributes: Mapping[str, Any]) -> bool:
    return attributes.get("retired") is True


def stale_after(kind: Kind, attributes: Mapping[str, Any]) -> int:
    """Silence, in µs, after which the last reading of a device with these attributes no longer counts."""
    interval = float(attributes.get("reportingInterval", kind.reporting_interval))
    return int(max(SHORTEST_STALE, STALE_AFTER_INTERVALS * interval) * 1e6)
