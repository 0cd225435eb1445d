"""Minutes of vital signs rolled up to quarter-hours, hours and local days; mergeable and pure.

mean      Σ over minutes with a value / their number; parts are weighted by it, so that it is no mean of means
min, max  of the minutes with a value
last      of the last minute that said something of the area, with its reason: what the screen showed at the end
coverage  mean over the minutes
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from devices.units import EPOCH, MICROSECOND
from processing.minutes import Known, State
from processing.windows import MINUTE

Step = Literal["quarter", "hour", "day"]
STEPS: tuple[Step, ...] = ("quarter", "hour", "day")
"""each is made from the one before, the first from minutes"""
LENGTH: dict[Step, int] = {"quarter": 15 * MINUTE, "hour": 60 * MINUTE, "day": 24 * 60 * MINUTE}
"""µs; of a day without a change of the clock"""

Floats = NDArray[np.float64]
Shorts = NDArray[np.int16]


@dataclass(frozen=True)
class Figures:
    """An index over some minutes, in every area; NaN = none. The composite and domains have scores alone."""

    value_mean: Floats
    value_min: Floats
    value_max: Floats
    value_last: Floats
    score_mean: Floats
    score_min: Floats
    score_max: Floats
    score_last: Floats
    coverage: NDArray[np.float32]
    """mean over the minutes, 0–1"""
    minutes: Shorts
    """that said something of the area"""
    valued: Shorts
    """minutes with a value"""
    scored: Shorts
    """minutes with a score"""
    reason: Shorts
    """of the last minute"""

    def same(self, other: "Figures") -> bool:
        """Whether all numbers are the same, bit by bit."""
        return all(getattr(self, f.name).tobytes() == getattr(other, f.name).tobytes() for f in fields(self))

    def moved(self, places: Shorts, size: int) -> "Figures":
        """The same for ``size`` areas in another order: ``places`` holds the new place of each, -1 = it is no more."""
        there = np.flatnonzero(places >= 0)
        columns = []
        for f in fields(self):
            old = getattr(self, f.name)
            new = np.full(size, np.nan if old.dtype == np.float64 else 0, old.dtype)
            new[places[there]] = old[there]
            columns.append(new)
        return Figures(*columns)


@dataclass(frozen=True)
class Rollup:
    """The figures of one index, and how sure they are."""

    figures: Figures
    state: State
    """final once every minute is"""
    method_version: str
    """of the last minute"""


def of_minute(known: Known) -> Rollup:
    """A single minute, to be combined with others."""
    said = known.said
    applies = said.applies
    value, score = (np.where(applies, column, np.nan) for column in (said.value, said.score))
    figures = Figures(
        value_mean=value,
        value_min=value,
        value_max=value,
        value_last=value,
        score_mean=score,
        score_min=score,
        score_max=score,
        score_last=score,
        coverage=np.where(applies, said.coverage, np.float32(0)),
        minutes=applies.astype(np.int16),
        valued=(~np.isnan(value)).astype(np.int16),
        scored=(~np.isnan(score)).astype(np.int16),
        reason=said.reason,
    )
    return Rollup(figures, known.state, str(known.method[np.argmax(applies)]))


def combine(parts: Sequence[Rollup]) -> Rollup:
    """Several in the order of time as one; at least one."""
    stacked = {f.name: np.stack([getattr(part.figures, f.name) for part in parts]) for f in fields(Figures)}
    minutes = stacked["minutes"]
    # the place of the last part that says something of an area; where none does, the last
    last = len(parts) - 1 - np.argmax(minutes[::-1] > 0, axis=0)
    area = np.arange(minutes.shape[1])
    figures = Figures(
        value_mean=_mean(stacked["value_mean"], stacked["valued"]),
        value_min=np.fmin.reduce(stacked["value_min"]),
        value_max=np.fmax.reduce(stacked["value_max"]),
        value_last=stacked["value_last"][last, area],
        score_mean=_mean(stacked["score_mean"], stacked["scored"]),
        score_min=np.fmin.reduce(stacked["score_min"]),
        score_max=np.fmax.reduce(stacked["score_max"]),
        score_last=stacked["score_last"][last, area],
        coverage=np.nan_to_num(_mean(stacked["coverage"].astype(np.float64), minutes)).astype(np.float32),
        minutes=minutes.sum(axis=0).astype(np.int16),
        valued=stacked["valued"].sum(axis=0).astype(np.int16),
        scored=stacked["scored"].sum(axis=0).astype(np.int16),
        reason=stacked["reason"][last, area],
    )
    state: State = "final" if all(part.state == "final" for part in parts) else "provisional"
    return Rollup(figures, state, parts[-1].method_version)


def _mean(values: Floats, weights: NDArray[np.integer]) -> Floats:
    weighted = np.where(weights > 0, values, 0.0) * weights
    count = weights.sum(axis=0)
    mean: Floats = np.divide(weighted.sum(axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


def bucket(step: Step, at: int, zone: tzinfo) -> tuple[int, int]:
    """Start and end (µs since 1970, the end exclusive) of the step that holds the instant ``at``, in a city's time."""
    local = (EPOCH + timedelta(microseconds=at)).astimezone(zone)
    if step == "day":
        midnight = datetime.combine(local.date(), time(), zone)
        following = datetime.combine(local.date() + timedelta(days=1), time(), zone)
        return _micros(midnight), _micros(following)
    ahead = (local.utcoffset() or timedelta()) // MICROSECOND
    start = (at + ahead) // LENGTH[step] * LENGTH[step] - ahead
    return start, start + LENGTH[step]


def buckets(step: Step, first: int, last: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """The steps that hold an instant from ``first`` to ``last`` (µs), in order."""
    start, end = bucket(step, first, zone)
    while start <= last:
        yield start, end
        start, end = bucket(step, end, zone)


def _micros(at: datetime) -> int:
    return (at.astimezone(UTC) - EPOCH) // MICROSECOND
