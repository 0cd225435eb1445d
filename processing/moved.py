"""Where devices stood before they moved: a reading counts where its device stood when it was observed. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing.standing import Instants, Labels


@dataclass(frozen=True)
class _Table:
    """Former areas in the order of slot and time."""

    instants: Instants
    """all different ones, sorted"""
    places: NDArray[np.int64]
    """slot · (instants + 1) + number of the instant, sorted"""
    areas: Labels

    @classmethod
    def of(cls, former: list[tuple[int, int, int]]) -> "_Table":
        slots, until, areas = (np.array(column, np.int64) for column in zip(*former, strict=True))
        instants, number = np.unique(until, return_inverse=True)
        places = slots * (len(instants) + 1) + number
        order = np.argsort(places, kind="stable")
        return cls(instants, places[order], areas[order].astype(np.int32))

    def corrected(self, slots: Labels, time: Instants, area: Labels) -> Labels:
        """The first former area of the slot that was left after ``time``, else ``area``."""
        count = len(self.instants) + 1
        sought = slots.astype(np.int64) * count + np.searchsorted(self.instants, time, "right")
        found = np.minimum(np.searchsorted(self.places, sought), len(self.places) - 1)
        place = self.places[found]
        former = (place >= sought) & (place // count == slots)
        return np.where(former, self.areas[found], area).astype(np.int32)


class Moved:
    """Former areas of few devices; most never move."""

    def __init__(self) -> None:
        self._former: list[tuple[int, int, int]] = []
        self._table: _Table | None = None
        self._latest = 0

    def note(self, slot: int, until: int, area: int) -> None:
        """A device stood in an area (label, < 0 = none) before an instant (µs); one of 0 says nothing."""
        if until:
            self._former.append((slot, until, area))
            self._latest = max(self._latest, until)
            self._table = None

    def forget(self, before: int) -> None:
        """Leave out what was over before an instant (µs)."""
        if self._former and min(until for _, until, _ in self._former) < before:
            self._former = [one for one in self._former if one[1] >= before]
            self._table = None

    def correct(self, slots: Labels, time: Instants, area: Labels) -> Labels:
        """The areas of readings with those put right that are older than their device's move; shapes are equal."""
        if not self._former or not len(time) or int(time.min()) >= self._latest:
            return area
        if self._table is None:
            self._table = _Table.of(self._former)
        return self._table.corrected(slots, time, area)
