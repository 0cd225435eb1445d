"""Shares that are no mean over devices: of areas where something is to be found, of devices where nothing happened."""

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.expressions import Expression
from processing.standing import Instants, Labels, Measured, Rows, Standing, enlarged, few, quotient, ratio, rolled_up


def share_of_areas(measured: Measured, parents: Labels, fewest: int) -> Measured:
    """Of the areas that have reporting devices of their own, those in which a device has a value above 0.

    ``measured``: values that are not negative, summed up by area and rolled up.
    """
    found, there = own_sums(measured.partials["hi"], parents), own_sums(measured.partials["lo"], parents)
    reporting = own_sums(measured.partials["reporting"], parents) > 0
    areas = rolled_up(reporting.astype(np.int64), parents).astype(np.float64)
    with_one = rolled_up((reporting & ((found > 0) | (there > 0))).astype(np.int64), parents).astype(np.float64)
    idle = few(areas.astype(np.int64), fewest)
    return Measured(np.where(idle, np.nan, quotient(with_one, areas)), measured.partials, idle, areas)


def own_sums(total: NDArray[np.int64], parents: Labels) -> NDArray[np.int64]:
    """What every area had before the areas below were merged into it."""
    own = total.copy()
    below = parents >= 0
    np.subtract.at(own, parents[below], total[below])
    return own


class ClearTracker:
    """Share of the devices heard lately where what is looked for has not happened within the window.

    It happened at t where a reading at t has a value above 0; the window is at − window < t ≤ at.
    """

    def __init__(self, value: Expression, window: int, fewest: int, parents: Labels) -> None:
        """``window``: seconds."""
        self._value, self._window, self._fewest = value, window * 1_000_000, fewest
        self._parents = parents
        self._last: Instants = np.empty(0, np.int64)

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self._last = enlarged(self._last, size, kernels.NEVER)

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order."""
        value, present = self._value.evaluate(rows.batch)
        kernels.fold_seen(np.where(present & (value > 0), rows.slot, -1).astype(np.int32), rows.batch.time, self._last)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Count the devices that are heard at ``at``, and of those the ones where it did not happen."""
        partials = kernels.empty_partials(len(self._parents))
        standing.alive(partials)
        area = standing.areas_of(np.flatnonzero(self._last > at - self._window))
        happened = np.bincount(area[area >= 0], minlength=len(partials))
        partials["count"] = partials["fresh"]
        partials["per_hi"] = partials["fresh"] * kernels.ONE
        partials["hi"] = partials["per_hi"] - happened * kernels.ONE
        kernels.roll_up(self._parents, partials)
        value, base = ratio(partials)
        idle = few(partials["reporting"], self._fewest)
        return Measured(np.where(idle, np.nan, value), partials, idle, base)
