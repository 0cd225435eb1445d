"""State of one indicator between ticks: what it keeps of the readings, and how it sums that up by area.

A tracker for each sort of aggregation; all are built of mergeable partial sums, so that street, district and city
come from the same numbers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch
from processing import kernels
from processing.expressions import Expression
from processing.method import Indicator, is_event, pane_seconds
from processing.standing import Floats, Instants, Labels, Measured, Rows, Standing, enlarged, quotient
from processing.waits import WaitTracker


class LatestTracker:
    """Keeps each device's newest reading."""

    def __init__(self, indicator: Indicator, parents: Labels) -> None:
        self._indicator = indicator
        self._parents = parents
        self._latest = np.empty(0, kernels.LATEST)

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self._latest = enlarged(self._latest, size, (kernels.NEVER, 0, np.nan, np.nan))

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order."""
        value, per, present = _evaluate(self._indicator.value, self._indicator.per, rows.batch)
        slot = np.where(present, rows.slot, -1).astype(np.int32)
        self.take(slot, rows.batch.time, rows.batch.seq, value, per)

    def take(self, slot: Labels, time: Instants, seq: Instants, value: Floats, per: Floats) -> None:
        """Take values in by slot (-1 = skip); one of the very instant and seq of the newest takes its place."""
        kernels.fold_latest(slot, time, seq, value, per, self._latest)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Sum up what is fresh at ``at``."""
        del at
        partials = kernels.empty_partials(len(self._parents))
        kernels.reduce_latest(standing.area, standing.oldest, self._latest, partials)
        kernels.roll_up(self._parents, partials)
        value = kernels.total(partials["hi"], partials["lo"])
        if self._indicator.aggregation == "latest_sum":
            value[partials["count"] == 0] = np.nan
            base = np.ones(len(value))
        else:
            base = kernels.total(partials["per_hi"], partials["per_lo"])
            value = quotient(value, base)
        return Measured(value, partials, np.zeros(len(value), np.bool_), base)

    def newest(self, slots: int) -> NDArray[np.void]:
        """Newest reading of each slot."""
        return self._latest[:slots]


class PaneTracker:
    """Keeps sums of short stretches of event time (panes) that a window is put together from.

    A window of n panes ends with the pane that is running: (⌊at/pane⌋ − n + 1)·pane … at.
    """

    def __init__(self, indicator: Indicator, parents: Labels) -> None:
        self._indicator = indicator
        self._parents = parents
        self.pane = pane_seconds(indicator.window) * 1_000_000
        panes = indicator.window * 1_000_000 // self.pane
        self._pane_of = np.full(panes, -1, np.int64)
        self._panes = kernels.empty_partials((panes, len(parents)))
        self._seen = np.empty(0, np.int64)

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self._seen = enlarged(self._seen, size, kernels.NEVER)

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order; those older than the window are left out."""
        value, per, present = _evaluate(self._indicator.value, self._indicator.per, rows.batch)
        area = np.where(present, rows.area, -1).astype(np.int32)
        kernels.fold_panes(area, rows.batch.time // self.pane, value, per, self._pane_of, self._panes)
        known = present & ~np.isnan(value) & ~np.isnan(per)
        kernels.fold_seen(np.where(known, rows.slot, -1).astype(np.int32), rows.batch.time, self._seen)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Sum up the window that ends at ``at``."""
        partials = kernels.empty_partials(len(self._parents))
        last = at // self.pane
        kernels.reduce_panes(last - len(self._pane_of) + 1, last, self._pane_of, self._panes, partials)
        # No event is news of a quiet device, not silence: what counts there is whether the device lives.
        seen = standing.seen if is_event(self._indicator) else self._seen
        kernels.reduce_seen(standing.area, standing.oldest, seen, partials)
        kernels.roll_up(self._parents, partials)
        value = kernels.total(partials["hi"], partials["lo"])
        if self._indicator.aggregation == "window_rate":
            value = value * self._indicator.rate_per / self._indicator.window
            base = partials["reporting"].astype(np.float64)
        else:
            base = kernels.total(partials["per_hi"], partials["per_lo"])
        return Measured(quotient(value, base), partials, np.zeros(len(value), np.bool_), base)


Tracker = LatestTracker | PaneTracker | WaitTracker


def make_tracker(indicator: Indicator, parents: Labels) -> Tracker:
    """The tracker that an indicator's aggregation needs."""
    match indicator.aggregation:
        case "latest_mean" | "latest_sum":
            return LatestTracker(indicator, parents)
        case "window_mean" | "window_rate":
            return PaneTracker(indicator, parents)
        case "excess_wait":
            return WaitTracker(indicator, parents)


def stream_windows(indicators: Sequence[Indicator]) -> dict[str, int]:
    """How far back, in seconds, each stream must be read to restore its indicators."""
    horizon: dict[str, int] = {}
    for indicator in indicators:
        seconds = indicator.window if not indicator.aggregation.startswith("latest") else 0
        horizon[indicator.stream] = max(horizon.get(indicator.stream, 0), seconds)
    return horizon


def _evaluate(value: Expression, per: Expression | None, batch: Batch) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    values, present = value.evaluate(batch)
    if per is None:
        return values, np.ones(len(batch)), present
    pers, there = per.evaluate(batch)
    return values, pers, present & there
