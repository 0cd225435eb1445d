"""The clock of a replay: maps times of the recording to times now. Pure; all times are µs since 1970.

dateObserved = start + (t − t_first)/speed, cut to whole microseconds. Two different times of one device must stay
different, so a speed can be too high for a recording; it is then refused, never bent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from typing import Literal

from devices.recording.format import TraceError

Speed = float | Literal["max"]

LAST_MINUTE_US = 60_000_000
OLDEST_US = 89 * 86_400 * 1_000_000
NEWEST_SPEED = 1e12


@dataclass(frozen=True)
class Schedule:
    """``start`` is when the first row is observed; a row is published when its new time has come."""

    first: int
    start: int
    speed: float

    def __call__(self, time: int) -> int:
        """The new time of a time of the recording."""
        return self.start + floor((time - self.first) / self.speed)


def schedule(first: int, last: int, least_gap: int | None, now: int, speed: Speed) -> Schedule:
    """The clock for a recording from ``first`` to ``last`` that starts ``now``.

    ``least_gap``: the shortest distance of two different times of one device (None: there are none). With speed
    ``max`` the whole recording is squeezed into the minute before ``now`` (or into as much more as keeps different
    times different) and published at once. Raises TraceError when the speed is not possible.
    """
    if speed == "max":
        span = max(LAST_MINUTE_US, 0 if least_gap is None else -(-(last - first) // least_gap))
        span = min(span, last - first)
        if span > OLDEST_US:
            raise TraceError("speed is max, but times a microsecond apart would reach back more than 89 days")
        return Schedule(first, now - span, max(1.0, (last - first) / span) if span else 1.0)
    if not 0 < speed <= NEWEST_SPEED:
        raise TraceError(f"speed is {speed}, must be above 0 (1 is the recording's own pace), or max")
    if least_gap is not None and speed > least_gap:
        raise TraceError(
            f"speed is {speed:g}, but the trace has readings of one device {least_gap / 1e6:g} s apart that would fall "
            f"on the same microsecond: the largest speed that keeps them apart is {least_gap}"
        )
    return Schedule(first, now, float(speed))


def least_gap(times: Iterable[list[int]]) -> int | None:
    """The shortest distance between two different times within any of the lists (each of one device), in µs."""
    gaps = [later - earlier for own in times for earlier, later in pairwise(sorted(set(own)))]
    return min(gaps, default=None)


def median_gap(times: Iterable[int]) -> float | None:
    """The median distance between one device's different times, in seconds; None with fewer than two."""
    gaps = sorted(later - earlier for earlier, later in pairwise(sorted(set(times))))
    if not gaps:
        return None
    middle = len(gaps) // 2
    return (gaps[middle] if len(gaps) % 2 else (gaps[middle - 1] + gaps[middle]) / 2) / 1e6
