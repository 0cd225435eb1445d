"""What trackers are given and give back: readings with their place, the devices expected, and what was measured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch
from processing import kernels
from processing.expressions import Expression, Needs

if TYPE_CHECKING:
    from processing.heard import Heard, Newest
    from processing.roster import Roster

Labels = NDArray[np.int32]
Instants = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Readings of one stream with the slot and the area of their devices."""

    batch: Batch
    slot: Labels
    area: Labels

    def evaluate(self, value: Expression, per: Expression | None) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Value, what it is related to (1 unless given), and whether the reading says anything about both."""
        values, present = value.evaluate(self.batch)
        if per is None:
            return values, np.ones(len(values)), present
        pers, there = per.evaluate(self.batch)
        return values, pers, present & there


@dataclass(frozen=True)
class Standing:
    """The devices an indicator expects, at the time of a tick."""

    roster: "Roster"
    needs: Needs
    """what a device must be equipped with"""
    heard: "Heard | Newest"
    """what was heard of the roster's devices on any stream"""
    at: int
    """µs since 1970"""

    def areas_of(self, slots: NDArray[np.intp]) -> Labels:
        """Area label of some slots, -1 for those that are not expected or not heard lately on any stream."""
        places = self.roster.places[slots]
        reach = self.roster.reach(self.needs)[places["group"]]
        there = (places["area"] >= 0) & (reach >= 0) & (self.heard.newest[slots] + reach >= self.at)
        return np.where(there, places["area"], -1).astype(np.int32)

    def count(self, heard: "Heard | Newest", partials: NDArray[np.void]) -> None:
        """Set fresh, reporting and newest of kernels.PARTIAL[areas] to what was heard of the expected devices."""
        counts = self._counts(heard)
        partials["fresh"] = partials["reporting"] = counts["fresh"]
        partials["newest"] = counts["newest"]

    def counts(self) -> NDArray[np.void]:
        """kernels.COUNT[areas] of what was heard of the expected devices on any stream, not rolled up."""
        return self._counts(self.heard)

    def _counts(self, heard: "Heard | Newest") -> NDArray[np.void]:
        watch = heard.watch(self.roster, self.needs)
        watch.advance(heard.newest, self.at)
        return watch.counts

    def alive(self, partials: NDArray[np.void]) -> None:
        """The same for what was heard on any stream."""
        self.count(self.heard, partials)


@dataclass(frozen=True)
class Measured:
    """What an indicator came to in every area."""

    value: Floats
    """NaN where there was nothing to measure"""
    partials: NDArray[np.void]
    """kernels.PARTIAL[areas], rolled up"""
    idle: NDArray[np.bool_]
    """where the devices do report, and what is measured does not occur"""
    base: Floats
    """what the value weighs against its neighbours': the denominator of a ratio of sums (devices, spots, kW, readings),
    1 for a plain sum, NaN where the value is neither"""
    lacking: NDArray[np.bool_] | None = None
    """where nothing is known yet that the measurement could be compared with"""


def enlarged(array: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    """The array with at least ``size`` places, new ones filled."""
    if len(array) >= size:
        return array
    larger = np.full(size, np.array(fill, array.dtype))
    larger[: len(array)] = array
    return larger


def lengthened(array: NDArray[Any], size: int) -> NDArray[Any]:
    """The array with at least ``size`` places; new ones are 0 and take no memory before they are used."""
    if len(array) >= size:
        return array
    larger = np.zeros((size, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def ratio(partials: NDArray[np.void]) -> tuple[Floats, Floats]:
    """Σ value / Σ per of every area, NaN where nothing is above 0 to divide by, and Σ per; kernels.PARTIAL[areas]."""
    value, base = np.empty(len(partials)), np.empty(len(partials))
    kernels.ratios(partials, value, base)
    return value, base


def quotient(value: Floats, by: Floats) -> Floats:
    """value / by, NaN where ``by`` is not above 0."""
    result: Floats = np.divide(value, by, out=np.full(len(value), np.nan), where=by > 0)
    return result


def few(count: NDArray[np.int64], fewest: int) -> NDArray[np.bool_]:
    """Where something is measured, but fewer than ``fewest`` times."""
    result: NDArray[np.bool_] = (count > 0) & (count < fewest)
    return result


def counted(area: Labels, parents: Labels) -> NDArray[np.int64]:
    """How many devices (or arrivals) each area has, its parts included; ``area``: label of each of them, -1 = none."""
    return rolled_up(np.bincount(area[area >= 0], minlength=len(parents)).astype(np.int64), parents)


def rolled_up(own: NDArray[np.int64], parents: Labels) -> NDArray[np.int64]:
    """Every area with all areas below it; ``parents``: label of each area's parent, lower than its own, -1 = none."""
    counts = own.astype(np.int64)
    kernels.roll_up_counts(parents, counts)
    return counts
