"""Measures of a device's readings in order of time: sessions and stays, time to emptied, registers, slopes, speed.

Each device keeps a ring of panes that ends with the pane of its newest reading. What a pane holds does not depend on
the order in which its readings came, so a late one changes what it would have changed in time. The measure of a device
stands in for its newest reading: it is as fresh as that, and is summed up by area with the others.
"""

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from devices.contract import Stream
from processing import kernels
from processing.latest import LatestTracker
from processing.method import (
    EMPTIED_BY,
    LONGEST_TO_FULL,
    SHORTEST_REGISTER_SPAN,
    Aggregation,
    Indicator,
    pane_of,
)
from processing.names import number_names
from processing.points import PointRing
from processing.standing import Floats, Labels, Measured, Rows, Standing, enlarged, lengthened

_HOUR, _MINUTE = 3600.0, 60.0
_TRIP_BITS = 30
_ODD = np.array([0.0, np.nan, np.inf, -np.inf])
_NOT_KNOWN = 1


class History(Protocol):
    """What is kept of each device's readings, and what comes of it."""

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        ...

    def fold(self, rows: Rows, slot: Labels, value: Floats) -> None:
        """Take readings in; slot -1 = skip."""
        ...

    def measures(self, slots: Labels) -> tuple[Floats, Floats]:
        """Value of each slot and what it is related to; NaN = not known, inf = nothing to measure."""
        ...


class SequenceTracker(LatestTracker):
    """Keeps each device's history, and what comes of it in the place of a newest value."""

    def __init__(self, indicator: Indicator, parents: Labels, stream: Stream) -> None:
        summed: Aggregation = "latest_sum" if indicator.aggregation == "register_rate" else "latest_mean"
        alone = indicator.aggregation in ("register_rate", "time_to_full")  # related to nothing
        super().__init__(replace(indicator, aggregation=summed), parents, "values" if alone else "ratios")
        self._history = make_history(indicator, stream)
        self._raw: NDArray[np.uint8] = np.empty(0, np.uint8)

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        super().grow(size)
        self._history.grow(size)
        self._raw = lengthened(self._raw, size)

    def lend(self, other: "SequenceTracker") -> None:
        """Let another tracker that looks at the same states in the same panes use those of this one."""
        if isinstance(self._history, Spells) and isinstance(other._history, Spells):
            other._history.kept = self._history.kept

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order."""
        value, _, present = self.evaluate(rows)
        slot = np.where(present, rows.slot, -1).astype(np.int32)
        self._history.fold(rows, slot, value)
        moves = self.group.newest.take(slot, rows.batch.time, rows.batch.seq)
        self._raw[moves["slot"]] = _oddity(value[moves["row"]])
        touched, place = distinct_slots(slot)
        if not len(touched):
            return
        measured, per = self._measures(touched)
        self.move(moves, measured[place], per[place])
        late = np.ones(len(touched), np.bool_)
        late[place[moves["row"]]] = False
        if late.any():  # the newest reading is what it was, and what comes of the history is not
            self.move(self.group.newest.again(touched[late]), measured[late], per[late])

    def measure(self, at: int, standing: Standing) -> Measured:
        """Sum up what is fresh at ``at``; where no device has anything to relate to, there is nothing to measure."""
        measured = super().measure(at, standing)
        nothing = (measured.partials["reporting"] > 0) & ~(measured.base > 0)
        return replace(measured, idle=measured.idle | nothing)

    def _measures(self, slots: Labels) -> tuple[Floats, Floats]:
        value, per = self._history.measures(slots)
        raw = _ODD[self._raw[slots]]
        return np.where(np.isfinite(raw), value, raw), per


def distinct_slots(slot: Labels) -> tuple[Labels, NDArray[np.int32]]:
    """The slots that occur, and for each row the place of its slot among them; rows with slot -1 have place -1."""
    touched, place = np.empty(len(slot), np.int32), np.empty(len(slot), np.int32)
    table = np.full(1 << (2 * len(slot)).bit_length(), -1, np.int32)
    return touched[: kernels.number_slots(slot, table, touched, place)], place


class States:
    """A ring of panes of each device, as ``kernels.fold_states`` keeps them; taken in twice they stay the same."""

    def __init__(self, panes: int) -> None:
        self.panes = panes
        self.newest: Labels = np.empty(0, np.int32)
        self.states: NDArray[np.uint8] = np.zeros((0, -(-panes // kernels.STATES_PER_BYTE)), np.uint8)

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self.newest = enlarged(self.newest, size, -1)
        self.states = lengthened(self.states, size)


class Spells:
    """States by pane: how often a device changed to the high one, and how long it stayed there."""

    def __init__(self, indicator: Indicator) -> None:
        self._aggregation = indicator.aggregation
        self._pane = pane_of(indicator)
        self.kept = States(indicator.window // self._pane)

    def grow(self, size: int) -> None:
        self.kept.grow(size)

    def fold(self, rows: Rows, slot: Labels, value: Floats) -> None:
        state = np.where(value == 1.0, kernels.HIGH, np.where(value == 0.0, kernels.LOW, 0)).astype(np.int8)
        pane = rows.batch.time // (self._pane * 1_000_000)
        kernels.fold_states(slot, pane, state, self.kept.panes, self.kept.newest, self.kept.states)

    def measures(self, slots: Labels) -> tuple[Floats, Floats]:
        found = np.empty(len(slots), kernels.SPELLS)
        kernels.spells(slots, self.kept.panes, self.kept.newest, self.kept.states, found)
        begun = found["begun"].astype(np.float64)
        match self._aggregation:
            case "turnover":
                return begun, found["known"] * self._pane / _HOUR
            case "mean_stay":
                return found["high"] * self._pane / _MINUTE, begun
            case _:
                return found["high"] * self._pane / _HOUR, begun + found["under_way"]


class Points:
    """The last reading of every pane: what comes of a number, or a place, that changes from one to the next."""

    def __init__(self, indicator: Indicator, stream: Stream) -> None:
        self._indicator = indicator
        self._length = pane_of(indicator) * 1_000_000
        self._columns = [*stream.field_by_name[indicator.value.needs[0][0]].columns]
        self._ring = PointRing(indicator.window // pane_of(indicator), 3 if indicator.aggregation == "speed" else 1)

    def grow(self, size: int) -> None:
        self._ring.grow(size)

    def fold(self, rows: Rows, slot: Labels, value: Floats) -> None:
        columns = [value]
        if self._indicator.aggregation == "speed":
            columns = [*(rows.batch.columns[name] for name in self._columns), trip_numbers(rows, self._indicator)]
        points = np.column_stack(columns).astype(np.float64)
        self._ring.fold(slot, rows.batch.time, points, self._length)

    def measures(self, slots: Labels) -> tuple[Floats, Floats]:
        ones, ring = np.ones(len(slots)), self._ring.arrays
        match self._indicator.aggregation:
            case "register_rate":
                rate = np.empty(len(slots))
                shortest = SHORTEST_REGISTER_SPAN * 1_000_000
                kernels.register_rates(slots, self._length, shortest, ring, rate)
                return rate * self._indicator.rate_per * self._indicator.factor, ones
            case "time_to_full":
                slope = np.empty((len(slots), 2))
                kernels.fill_slopes(slots, self._length, EMPTIED_BY, ring, slope)
                return hours_to_full(slope[:, 0], slope[:, 1]), ones
            case _:
                way = np.empty((len(slots), 2))
                kernels.ways(slots, self._length, ring, way)
                return way[:, 0] * 3.6, way[:, 1].copy()


def make_history(indicator: Indicator, stream: Stream) -> History:
    """The history that an aggregation looks back on."""
    if indicator.aggregation in ("turnover", "mean_stay", "time_to_emptied"):
        return Spells(indicator)
    return Points(indicator, stream)


def hours_to_full(slope: Floats, fill: Floats) -> Floats:
    """Hours until a fill (0–1) that rises by ``slope`` a second is 1, at most LONGEST_TO_FULL; inf without a slope.

    What is full already has 0 hours, although a fill that stays at 1 does not rise.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        hours = np.where(slope > 0, (1 - fill) / slope / _HOUR, LONGEST_TO_FULL)
    hours = np.where(fill >= 1, 0.0, np.clip(hours, 0.0, LONGEST_TO_FULL))
    hours[np.isnan(slope)] = kernels.NOT_APPLICABLE
    return hours


def trip_numbers(rows: Rows, indicator: Indicator) -> Floats:
    """A number for each reading's trip that depends on nothing but its name; 0 = none."""
    number, named = number_names(rows.batch, indicator.entity)
    return np.where(named, (number >> np.uint64(64 - _TRIP_BITS)) + 1.0, 0.0)


def _oddity(value: Floats) -> NDArray[np.uint8]:
    """Which of ``_ODD`` a value is; 0 = a number."""
    odd = np.where(np.isnan(value), _NOT_KNOWN, np.where(value > 0, 2, 3))
    return np.where(np.isfinite(value), 0, odd).astype(np.uint8)
