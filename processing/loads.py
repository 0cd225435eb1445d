"""How even a load is: the mean of its panes related to the largest of them."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.heard import Newest
from processing.standing import Labels, Measured, Rows, Standing, few, quotient


class Panes(Protocol):
    """Keeps sums by pane and area."""

    newest: Newest

    def grow(self, size: int) -> None: ...

    def fold(self, rows: Rows) -> None: ...

    def measure(self, at: int, standing: Standing) -> Measured: ...

    def panes(self, at: int) -> NDArray[np.void]:
        """PARTIAL[panes, areas] of the window that ends at ``at``."""
        ...


class LoadTracker:
    """Mean of the panes' means over the largest of them (load factor), or the inverse (peak to average).

    A pane's mean is Σ value / Σ per over its readings; panes without readings are left out. Where the largest mean is
    not above 0, or the mean of a peak-to-average, there is nothing to relate.
    """

    def __init__(self, panes: Panes, parents: Labels, fewest: int, *, inverse: bool) -> None:
        self._panes, self._parents = panes, parents
        self._fewest, self._inverse = fewest, inverse

    @property
    def newest(self) -> Newest:
        """Readings that say something."""
        return self._panes.newest

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self._panes.grow(size)

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order."""
        self._panes.fold(rows)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Measure the window that ends at ``at``."""
        measured = self._panes.measure(at, standing)
        panes = self._panes.panes(at)
        means = np.empty(panes.shape)
        for mean, pane in zip(means, panes, strict=True):
            kernels.roll_up(self._parents, pane)
            per = kernels.total(pane["per_hi"], pane["per_lo"])
            mean[:] = quotient(kernels.total(pane["hi"], pane["lo"]), per)
        there = ~np.isnan(means)
        number = there.sum(axis=0)
        average = quotient(np.where(there, means, 0.0).sum(axis=0), number.astype(np.float64))
        peak = np.where(there, means, -np.inf).max(axis=0, initial=-np.inf)
        idle = few(number, self._fewest)
        value = quotient(peak, average) if self._inverse else quotient(average, peak)
        return Measured(np.where(idle, np.nan, value), measured.partials, idle, np.full(len(value), np.nan))
