"""Newest readings of one indicator, and their sums by area."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.heard import Newest, Shift
from processing.method import Indicator
from processing.standing import Floats, Instants, Labels, Measured, Rows, Standing, few, lengthened, ratio

Storage = Literal["codes", "values", "ratios"]
_DECODED = np.array([0.0, 1.0, kernels.NOT_APPLICABLE, np.nan])


class LatestTracker:
    """Keeps each device's newest value, and the sums over those that are fresh."""

    def __init__(self, indicator: Indicator, parents: Labels, storage: Storage = "ratios") -> None:
        """``storage``: what is kept, values that are 0 or 1, any, or any with what they are related to."""
        self._indicator = indicator
        self._parents = parents
        self._storage = storage
        self.group = LatestGroup(len(parents))
        """with whom it shares the times of the readings"""
        self.group.take_in(self)
        self._codes = np.empty(0, np.int8)
        self._values: Floats = np.empty(0)
        self._pers: Floats = np.empty(0)
        self._partials = kernels.empty_partials(len(parents))

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots; what stands in one before its first reading is never looked at."""
        self.group.newest.grow(size)
        if self._storage == "codes":
            self._codes = lengthened(self._codes, size)
        else:
            self._values = lengthened(self._values, size)
        if self._storage == "ratios":
            self._pers = lengthened(self._pers, size)

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order."""
        self.group.fold(rows)

    def take(self, slot: Labels, time: Instants, seq: Instants, value: Floats, per: Floats) -> None:
        """Take values in by slot (-1 = skip); one of the very instant and seq of the newest takes its place."""
        self.move(self.group.newest.take(slot, time, seq), value, per)

    def evaluate(self, rows: Rows) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Value, what it is related to, and presence in every reading."""
        return rows.evaluate(self._indicator.value, self._indicator.per)

    def move(self, moves: NDArray[np.void], value: Floats, per: Floats) -> None:
        """Put values in the place of those before; ``moves``: kernels.MOVE[n], rows of ``value`` and ``per``."""
        if self._storage == "codes":
            kernels.move_codes(moves, value, self._codes, self._partials)
        else:
            kernels.move_values(moves, value, per, self._values, self._pers, self._partials)

    def shift(self, shift: Shift, places: NDArray[np.void]) -> None:
        """Add up, or take out, what became fresh or stale."""
        if shift.anew:
            self._partials = kernels.empty_partials(len(self._parents))
        if self._storage == "codes":
            kernels.shift_codes(shift.slots, shift.sign, places, self._codes, self._partials)
        else:
            kernels.shift_values(shift.slots, shift.sign, places, self._values, self._pers, self._partials)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Sum up what is fresh at ``at``."""
        counts = self.group.advance(at, standing)
        partials = self._partials.copy()
        partials["fresh"], partials["newest"] = counts["fresh"], counts["newest"]
        partials["reporting"] = partials["count"]
        kernels.roll_up(self._parents, partials)
        if self._indicator.aggregation in ("latest_sum", "latest_deviation"):
            value = kernels.total(partials["hi"], partials["lo"])
            value[partials["count"] == 0] = np.nan
            base = np.ones(len(value))
        else:
            value, base = ratio(partials)
        idle = few(partials["reporting"], self._indicator.fewest)
        return Measured(np.where(idle, np.nan, value), partials, idle, base)

    def values(self, slots: int) -> Floats:
        """Newest value, related to what it is related to, of each of the first slots; NaN or inf = none, any = not
        heard yet."""
        if self._storage == "codes":
            return _DECODED[self._codes[:slots]]
        if self._storage == "values":
            return self._values[:slots]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: Floats = self._values[:slots] / self._pers[:slots]
        return ratio

    def areas_of_fresh(self, at: int, standing: Standing) -> Labels:
        """Area label of each device whose newest value is fresh at ``at``, -1 for the others."""
        newest = self.group.newest
        return newest.watch(standing.roster, standing.needs).areas_of_fresh(newest.newest, at)


class LatestGroup:
    """Trackers of one stream that find the same readings to say something, and expect the same devices."""

    def __init__(self, areas: int) -> None:
        self.newest = Newest(areas)
        self._members: list[LatestTracker] = []

    def take_in(self, tracker: LatestTracker) -> None:
        """Let a tracker share the times; nothing may have been folded yet."""
        if tracker not in self._members:
            self._members.append(tracker)
        tracker.group = self

    def fold(self, rows: Rows) -> None:
        """Take readings in for all members."""
        batch = rows.batch
        evaluated = [member.evaluate(rows) for member in self._members]
        slot = np.where(evaluated[0][2], rows.slot, -1).astype(np.int32)
        moves = self.newest.take(slot, batch.time, batch.seq)
        for member, (value, per, _) in zip(self._members, evaluated, strict=True):
            member.move(moves, value, per)

    def advance(self, at: int, standing: Standing) -> NDArray[np.void]:
        """Bring the sums of all members to ``at``; returns kernels.COUNT[areas]."""
        watch = self.newest.watch(standing.roster, standing.needs)
        shift = watch.advance(self.newest.newest, at)
        if shift.anew or len(shift.slots):
            for member in self._members:
                member.shift(shift, standing.roster.places)
        return watch.counts
