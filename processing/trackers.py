"""State of one indicator between ticks: what it keeps of the readings, and how it sums that up by area.

A tracker for each sort of aggregation; all are built of mergeable partial sums, so that street, district and city
come from the same numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.expressions import Compare, Given, Is, Occurs, Says
from processing.heard import Heard
from processing.latest import LatestGroup, LatestTracker, Storage
from processing.loads import LoadTracker
from processing.method import Indicator, is_event, pane_of
from processing.shares import ClearTracker, share_of_areas
from processing.standing import Labels, Measured, Rows, Standing, few, quotient
from processing.waits import WaitTracker


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
        self._panes = kernels.empty_partials((panes, len(parents)))
        self._heard = Heard(len(parents))

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        if not is_event(self._indicator):
            self._heard.grow(size)

    def fold(self, rows: Rows) -> None:
        """Take readings in, in any order; those older than the window are left out."""
        value, per, present = rows.evaluate(self._indicator.value, self._indicator.per)
        area = np.where(present, rows.area, -1).astype(np.int32)
        kernels.fold_panes(area, rows.batch.time // self.pane, value, per, self._pane_of, self._panes)
        if not is_event(self._indicator):
            known = present & ~np.isnan(value) & ~np.isnan(per)
            self._heard.fold(np.where(known, rows.slot, -1).astype(np.int32), rows.batch.time)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Sum up the window that ends at ``at``."""
        partials = kernels.empty_partials(len(self._parents))
        last = at // self.pane
        kernels.reduce_panes(last - len(self._pane_of) + 1, last, self._pane_of, self._panes, partials)
        # No event is news of a quiet device, not silence: what counts there is whether the device lives.
        standing.count(standing.heard if is_event(self._indicator) else self._heard, partials)
        kernels.roll_up(self._parents, partials)
        value = kernels.total(partials["hi"], partials["lo"])
        if self._indicator.aggregation == "window_rate":
            value = value * self._indicator.rate_per / self._indicator.window
            base, number = partials["reporting"].astype(np.float64), partials["reporting"]
        else:
            base, number = kernels.total(partials["per_hi"], partials["per_lo"]), partials["count"]
        idle = few(number, self._indicator.fewest)
        return Measured(np.where(idle, np.nan, quotient(value, base)), partials, idle, base)

    def panes(self, at: int) -> NDArray[np.void]:
        """PARTIAL[panes, areas] of the window that ends at ``at``, not rolled up."""
        last = at // self.pane
        inside = (self._pane_of > last - len(self._pane_of)) & (self._pane_of <= last)
        return self._panes[inside]


class AreaTracker(LatestTracker):
    """Keeps each device's newest reading and asks of every area whether one of them has a value above 0."""

    def measure(self, at: int, standing: Standing) -> Measured:
        """Count the areas with such a device among those with fresh devices at ``at``."""
        return share_of_areas(super().measure(at, standing), self._parents, self._indicator.fewest)


Tracker = LatestTracker | PaneTracker | WaitTracker | ClearTracker | LoadTracker


def make_trackers(indicators: Sequence[Indicator], parents: Labels) -> dict[str, Tracker]:
    """A tracker for each indicator; those of newest readings that look at the same ones share what they can."""
    trackers: dict[str, Tracker] = {}
    groups: dict[Any, LatestGroup] = {}
    for indicator in indicators:
        tracker = trackers[indicator.id] = make_tracker(indicator, parents)
        if isinstance(tracker, LatestTracker):
            # who needs the same fields finds the same readings to say something, and expects the same devices
            looked_at = indicator.value.needs, indicator.per.needs if indicator.per else ()
            key = indicator.stream, looked_at[0] + looked_at[1]
            groups.setdefault(key, tracker.group).take_in(tracker)
    return trackers


def folded_by(tracker: Tracker) -> Tracker | LatestGroup:
    """What must be given the readings for a tracker, once for all that share it."""
    return tracker.group if isinstance(tracker, LatestTracker) else tracker


def make_tracker(indicator: Indicator, parents: Labels) -> Tracker:
    """The tracker that an indicator's aggregation needs."""
    match indicator.aggregation:
        case "latest_mean" | "latest_sum":
            return LatestTracker(indicator, parents, _storage(indicator))
        case "window_mean" | "window_rate":
            return PaneTracker(indicator, parents)
        case "latest_areas":
            return AreaTracker(indicator, parents, _storage(indicator))
        case "window_clear":
            return ClearTracker(indicator.value, indicator.window, indicator.fewest, parents)
        case "load_factor" | "peak_to_average":
            inverse = indicator.aggregation == "peak_to_average"
            return LoadTracker(PaneTracker(indicator, parents), parents, indicator.fewest, inverse=inverse)
        case "excess_wait":
            return WaitTracker(indicator, parents)


def _storage(indicator: Indicator) -> Storage:
    if indicator.per is not None:
        return "ratios"
    return "codes" if isinstance(indicator.value, Compare | Is | Says | Given | Occurs) else "values"


def stream_windows(indicators: Sequence[Indicator]) -> dict[str, int]:
    """How far back, in seconds, each stream must be read to restore its indicators."""
    horizon: dict[str, int] = {}
    for indicator in indicators:
        seconds = indicator.window if not indicator.aggregation.startswith("latest") else 0
        horizon[indicator.stream] = max(horizon.get(indicator.stream, 0), seconds)
    return horizon
