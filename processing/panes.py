"""Readings of a window of event time, summed up by area."""

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.expressions import gives_codes
from processing.heard import Newest
from processing.method import Indicator, is_event, pane_of
from processing.standing import Labels, Measured, Rows, Standing, few, quotient, ratio

_STILL_FILLING = 6
"""newest panes that readings still come for; what lies before them is summed up once"""
_ONES = np.empty(0)
"""what stands for 1 in ``kernels.fold_panes``"""


class PaneTracker:
    """Keeps sums of short stretches of event time (panes) that a window is put together from.

    A window of n panes ends with the pane that is running: (⌊at/pane⌋ − n + 1)·pane … at.
    """

    def __init__(self, indicator: Indicator, parents: Labels) -> None:
        self._indicator = indicator
        self._parents = parents
        self.pane = pane_of(indicator) * 1_000_000
        panes = indicator.window * 1_000_000 // self.pane
        self._pane_of = np.full(panes, -1, np.int64)
        self._codes = indicator.per is None and gives_codes(indicator.value)
        self._panes = np.zeros((panes, len(parents)), kernels.CODES if self._codes else kernels.SUMS)
        self.newest = Newest(len(parents))
        """readings that say something; not kept of events"""
        self._settled: tuple[int, int, NDArray[np.void]] | None = None

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        if not is_event(self._indicator):
            self.newest.grow(size)

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order; those older than the window are left out."""
        if self._indicator.per is None:
            (value, present), per = self._indicator.value.evaluate(rows.batch), _ONES
        else:
            value, per, present = rows.evaluate(self._indicator.value, self._indicator.per)
        area = rows.area if present.all() else np.where(present, rows.area, np.int32(-1))
        time = rows.batch.time
        if self._codes:
            kernels.fold_codes(area, time, self.pane, value, self._pane_of, self._panes)
        else:
            kernels.fold_panes(area, time, self.pane, value, per, self._pane_of, self._panes)
        self._unsettle(time)
        if not is_event(self._indicator):
            known = present & ~np.isnan(value)
            if len(per):
                known &= ~np.isnan(per)
            slot = np.where(known, rows.slot, -1).astype(np.int32)
            self.newest.take(slot, rows.batch.time, rows.batch.seq)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Sum up the window that ends at ``at``."""
        last = at // self.pane
        partials = self._summed(last - len(self._pane_of) + 1, last)
        # No event is news of a quiet device, not silence: what counts there is whether the device lives.
        standing.count(standing.heard if is_event(self._indicator) else self.newest, partials)
        kernels.roll_up(self._parents, partials)
        if self._indicator.aggregation == "window_rate":
            value = kernels.total(partials["hi"], partials["lo"]) * self._indicator.rate_per / self._indicator.window
            base, number = partials["reporting"].astype(np.float64), partials["reporting"]
            value = quotient(value, base)
        else:
            (value, base), number = ratio(partials), partials["count"]
        idle = few(number, self._indicator.fewest)
        return Measured(np.where(idle, np.nan, value), partials, idle, base)

    def panes(self, at: int) -> NDArray[np.void]:
        """PARTIAL[panes, areas] of the window that ends at ``at``, not rolled up."""
        last = at // self.pane
        inside = [n for n in self._pane_of.tolist() if last - len(self._pane_of) < n <= last]
        partials = kernels.empty_partials((len(inside), len(self._parents)))
        for pane, number in zip(partials, inside, strict=True):
            self._reduce(number, number, pane)
        return partials

    def _unsettle(self, time: NDArray[np.int64]) -> None:
        """Forget the sum of the full panes if one of them got a reading, or gave way to a later pane."""
        if self._settled is not None and len(time):
            first, full, _ = self._settled
            if time.min() // self.pane <= full or time.max() // self.pane >= first + len(self._pane_of):
                self._settled = None

    def _summed(self, first: int, last: int) -> NDArray[np.void]:
        """PARTIAL[areas] of the panes from ``first`` to ``last``; those that are full are not added up every time."""
        full = last - _STILL_FILLING
        if self._settled is None or self._settled[:2] != (first, full):
            settled = kernels.empty_partials(len(self._parents))
            self._reduce(first, full, settled)
            self._settled = first, full, settled
        partials = self._settled[2].copy()
        self._reduce(max(first, full + 1), last, partials)
        return partials

    def _reduce(self, first: int, last: int, partials: NDArray[np.void]) -> None:
        reduce = kernels.reduce_codes if self._codes else kernels.reduce_panes
        reduce(first, last, self._pane_of, self._panes, partials)
