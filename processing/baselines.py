"""What is usual at an hour of the week: a running median and its spread, from the same slot of earlier weeks. Pure.

    baseline(u) = median of y(u − 7 d), y(u − 14 d), … y(u − 56 d)       as many of them as there are
    spread(u)   = 1.4826 · median |y − baseline(u)| over the same values (MAD, comparable to a standard deviation)

A baseline looks back a week at least, so that of a day is known before the day begins, and one wild value among three
or more moves it no further than to its neighbour. Where no week came before, the median of the same time on up to
seven earlier days stands in. Each instant is judged by what came before it alone: the deviations of the past are as
honest as those of today.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WEEKS = 8
DAYS = 7
"""earlier days that stand in where there is no earlier week"""
MAD_TO_SIGMA = 1.4826
"""median absolute deviation to standard deviation, for a normal distribution (Rousseeuw & Croux 1993)"""
HOURS_OF_DAY = 24


@dataclass(frozen=True)
class Baseline:
    """What is usual at each step of a series; NaN = nothing to go by. All three have the series' length."""

    median: Floats
    spread: Floats
    """same unit as the median; NaN with fewer than two values"""
    count: NDArray[np.int64]
    """values behind it"""


def running(values: Floats, day: int, *, weeks: int = WEEKS, stand_in: bool = True) -> Baseline:
    """The baseline at every step of an equidistant series, each from earlier steps only.

    ``values``: one a step, NaN = missing; ``day``: steps a day; ``stand_in``: fall back on earlier days.
    """
    median, spread, count = _over(values, [7 * day * week for week in range(1, weeks + 1)])
    if stand_in and (count == 0).any():
        daily = _over(values, [day * back for back in range(1, DAYS + 1)])
        bare = count == 0
        median, spread, count = (np.where(bare, d, w) for w, d in zip((median, spread, count), daily, strict=True))
    return Baseline(median, spread, count)


def of_day(hours: Floats, *, weeks: int = WEEKS) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Median, spread and count for each hour of one day.

    ``hours``: [weeks, 24, areas], the same weekday of earlier weeks, NaN = missing; answers are [24, areas].
    """
    if hours.ndim != 3 or hours.shape[1] != HOURS_OF_DAY:
        raise ValueError(f"hours has shape {hours.shape}, must be (weeks, {HOURS_OF_DAY}, areas)")
    return _middle(hours[-weeks:])


def _over(values: Floats, lags: list[int]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    return _middle(np.array([lagged(values, lag) for lag in lags]))


def _middle(stack: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Median, spread and count along the first axis, past NaN and infinities."""
    stack = np.where(np.isfinite(stack), stack, np.nan)
    count = np.isfinite(stack).sum(axis=0)
    median = _median(stack, count)
    spread = MAD_TO_SIGMA * _median(np.abs(stack - median), count)
    return median, np.where(count >= 2, spread, np.nan), count


def _median(stack: Floats, count: NDArray[np.int64]) -> Floats:
    """Median of the finite values; NaN sorts last, so that their number tells where the middle is."""
    ordered = np.sort(stack, axis=0)
    low = np.maximum((count - 1) // 2, 0)[None]
    high = np.maximum(count // 2, 0)[None]
    high = np.minimum(high, len(stack) - 1)
    first, second = (np.take_along_axis(ordered, at, axis=0)[0] for at in (low, high))
    middle: Floats = np.where(count % 2 == 1, first, first / 2 + second / 2)
    return np.where(count > 0, middle, np.nan)


def lagged(values: Floats, steps: int) -> Floats:
    """The series ``steps`` later: element i is values[i − steps], NaN where that is before its beginning."""
    result = np.full(len(values), np.nan)
    if steps < len(values):
        result[steps:] = values[: len(values) - steps]
    return result
