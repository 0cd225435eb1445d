"""State of one indicator between ticks: what it keeps of the readings, and how it sums that up by area.

A tracker for each sort of aggregation; all are built of mergeable partial sums, so that street, district and city
come from the same numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from devices.kinds import kinds, streams
from processing.expressions import gives_codes
from processing.heard import Newest
from processing.latest import LatestGroup, LatestTracker, Storage
from processing.loads import LoadTracker
from processing.method import SEQUENCES, STALE_AFTER_INTERVALS, Indicator, is_event, kind_of, pane_of
from processing.panes import PaneTracker
from processing.sensing import SensingTracker
from processing.sequences import SequenceTracker
from processing.shares import ClearTracker, share_of_areas
from processing.standing import Labels, Measured, Standing
from processing.waits import ArrivalBook, WaitTracker


class AreaTracker(LatestTracker):
    """Keeps each device's newest reading and asks of every area whether one of them has a value above 0."""

    def measure(self, at: int, standing: Standing) -> Measured:
        """Count the areas with such a device among those with fresh devices at ``at``."""
        return share_of_areas(super().measure(at, standing), self._parents, self._indicator.fewest)


Tracker = LatestTracker | PaneTracker | WaitTracker | ClearTracker | LoadTracker | SensingTracker


def make_trackers(
    indicators: Sequence[Indicator], parents: Labels, heard: Mapping[str, Newest] | None = None
) -> dict[str, Tracker]:
    """A tracker for each indicator; those of newest readings that look at the same ones share what they can,
    and all of a stream the times of those readings while they find the same ones to say something.

    ``heard``: by stream, who is given every reading of it and shares the times too.
    """
    trackers: dict[str, Tracker] = {}
    groups: dict[Any, LatestGroup] = {}
    lenders: dict[Any, SequenceTracker] = {}
    books: dict[Any, ArrivalBook] = {}
    newest = dict(heard or {})
    for indicator in indicators:
        tracker = trackers[indicator.id] = make_tracker(indicator, parents)
        if isinstance(tracker, LatestTracker) and not isinstance(tracker, SequenceTracker):
            # who needs the same fields finds the same readings to say something, and expects the same devices
            looked_at = indicator.value.needs, indicator.per.needs if indicator.per else ()
            key = indicator.stream, looked_at[0] + looked_at[1]
            groups.setdefault(key, tracker.group).take_in(tracker)
        seen = _newest_of(tracker, indicator)
        if seen is not None:
            newest.setdefault(indicator.stream, seen).times.join(seen)
        if isinstance(tracker, SequenceTracker):
            states = indicator.stream, indicator.value, indicator.window, pane_of(indicator)
            lenders.setdefault(states, tracker).lend(tracker)
        if isinstance(tracker, WaitTracker):
            looks_at = indicator.stream, indicator.value, indicator.entity, indicator.window
            tracker.book = books.setdefault(looks_at, tracker.book)
    return trackers


def _newest_of(tracker: Tracker, indicator: Indicator) -> Newest | None:
    """The newest readings that a tracker keeps; of events, panes keep none."""
    if isinstance(tracker, LatestTracker):
        return tracker.group.newest
    return tracker.newest if isinstance(tracker, PaneTracker | LoadTracker) and not is_event(indicator) else None


def folded_by(tracker: Tracker) -> Tracker | LatestGroup | ArrivalBook:
    """What must be given the readings for a tracker, once for all that share it."""
    if isinstance(tracker, LatestTracker) and not isinstance(tracker, SequenceTracker):
        return tracker.group
    return tracker.book if isinstance(tracker, WaitTracker) else tracker


def make_tracker(indicator: Indicator, parents: Labels) -> Tracker:
    """The tracker that an indicator's aggregation needs."""
    match indicator.aggregation:
        case "latest_mean" | "latest_sum" | "latest_deviation":
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
        case "excess_wait" | "headway_variation" | "bunching":
            return WaitTracker(indicator, parents)
        case "devices_heard" | "mean_age" | "reject_share" | "late_share":
            return SensingTracker(indicator, parents)
        case _:
            return SequenceTracker(indicator, parents, streams()[indicator.stream])


def _storage(indicator: Indicator) -> Storage:
    if indicator.per is not None:
        return "ratios"
    return "codes" if gives_codes(indicator.value) else "values"


def looked_at_by(indicator: Indicator) -> list[str]:
    """The streams an indicator is measured from."""
    if indicator.observed:
        return [stream.name for kind in indicator.observed for stream in kinds()[kind].streams]
    return [indicator.stream]


def stream_windows(indicators: Sequence[Indicator]) -> dict[str, int]:
    """How far back, in seconds, each stream must be read to restore its indicators."""
    horizon: dict[str, int] = {}
    for indicator in indicators:
        by_newest = indicator.aggregation.startswith("latest") or indicator.aggregation in ("devices_heard", "mean_age")
        seconds = 0 if by_newest else indicator.window
        if indicator.aggregation in SEQUENCES:  # these windows end with the newest reading of each device
            seconds += STALE_AFTER_INTERVALS * int(kinds()[kind_of(indicator)].reporting_interval)
        for name in looked_at_by(indicator):
            horizon[name] = max(horizon.get(name, 0), seconds)
    return horizon
