"""Arrivals in the order of their entities, and the headways between them."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processing.kernels.exact import Flags, Floats, Ints, Labels, Records, add

Times = NDArray[Any]
Arrivals = tuple[NDArray[Any], ...]
"""time, entity (int64), scheduled and observed time, and area (int32), sorted by (entity, scheduled, area)

The three times are of one type and in one unit: int64 µs, or int32 in steps from some instant."""
PLANNED, HAPPENED, RELATIVE, BUNCHED = range(4)
"""what ``sum_headways`` sums up"""


@njit(cache=True, nogil=True)
def merge_in(held: Arrivals, count: int, more: Arrivals) -> None:
    """Merge arrivals into others, in place; both in the order of ARRIVALS.

    held has ``count`` rows and room for those of more. Of rows that are equal in that order those held come first.
    """
    i = count - 1
    j = len(more[0]) - 1
    k = i + j + 1
    while j >= 0:  # from the end; what lies before the first new one stays where it is
        if i >= 0 and _comes_after(held, i, more, j):
            _put(held, k, held, i)
            i -= 1
        else:
            _put(held, k, more, j)
            j -= 1
        k -= 1


@njit(cache=True, nogil=True)
def keep_since(held: Arrivals, count: int, start: int) -> int:
    """Leave out the arrivals with time ≤ start among the first ``count``, in place; how many are left."""
    kept = 0
    for i in range(count):
        if held[0][i] > start:
            if kept < i:
                _put(held, kept, held, i)
            kept += 1
    return kept


@njit(cache=True, nogil=True, inline="always")
def _comes_after(held: Arrivals, i: int, more: Arrivals, j: int) -> bool:
    if held[1][i] != more[1][j]:
        return bool(held[1][i] > more[1][j])
    if held[2][i] != more[2][j]:
        return bool(held[2][i] > more[2][j])
    return bool(held[4][i] > more[4][j])


@njit(cache=True, nogil=True, inline="always")
def _put(to: Arrivals, k: int, source: Arrivals, i: int) -> None:
    to[0][k] = source[0][i]
    to[1][k] = source[1][i]
    to[2][k] = source[2][i]
    to[3][k] = source[3][i]
    to[4][k] = source[4][i]


@njit(cache=True, nogil=True)
def sum_headways(
    held: Arrivals, unit: int, frequent: float, longest: float, bunched: float, count: Ints, partials: Records
) -> None:
    """Sum the headways of all entities whose mean scheduled headway is at most ``frequent`` seconds, by area.

    held: ARRIVALS of areas ≥ 0, with times in units of ``unit`` µs; headways as for ``headways``, x and ``bunched`` as
    for ``relative_headways``. count: int64[areas], arrivals of any entity, added to; partials: PARTIAL[4, areas],
    added to: PLANNED and HAPPENED value = h², per = h, RELATIVE value = x², per = x, BUNCHED value = 1 where
    x < bunched, per = 1.
    """
    entity, scheduled, observed, area = held[1], held[2], held[3], held[4]
    room = _longest_run(entity)
    happened, where = np.empty(room, observed.dtype), np.empty(room, np.int32)
    start = 0
    steps = 0
    for i in range(len(entity)):
        count[area[i]] += 1
        if i > start and scheduled[i] > scheduled[i - 1]:
            steps += 1
        if i + 1 < len(entity) and entity[i + 1] == entity[i]:
            continue
        size = i + 1 - start
        span = (np.int64(scheduled[i]) - np.int64(scheduled[start])) * unit
        if steps > 0 and span <= frequent * 1e6 * steps:
            for k in range(size):
                happened[k], where[k] = observed[start + k], area[start + k]
            sort_by_time(happened[:size], where[:size])
            mean = span / 1e6 / steps
            for k in range(1, size):
                h = _seconds(scheduled[start + k - 1], scheduled[start + k], unit)
                if 0 < h <= longest:
                    add(partials[PLANNED, area[start + k]], h * h, h)
                h = _seconds(happened[k - 1], happened[k], unit)
                if 0 < h <= longest:
                    x = h / mean
                    add(partials[HAPPENED, where[k]], h * h, h)
                    add(partials[RELATIVE, where[k]], x * x, x)
                    add(partials[BUNCHED, where[k]], 1.0 if x < bunched else 0.0, 1.0)
        start = i + 1
        steps = 0


@njit(cache=True, nogil=True)
def _longest_run(entity: Ints) -> int:
    longest = 0
    start = 0
    for i in range(len(entity)):
        if entity[i] != entity[start]:
            start = i
        longest = max(longest, i + 1 - start)
    return longest


@njit(cache=True, nogil=True, inline="always")
def _seconds(one: Any, other: Any, unit: int) -> float:
    return (np.int64(other) - np.int64(one)) * unit / 1e6


@njit(cache=True, nogil=True)
def sort_by_time(time: Times, area: Labels) -> None:
    """Sort arrivals of one entity by (time, area), in place.

    A Shell sort with Knuth's steps 1, 4, 13, 40, … (TAOCP 3, 5.2.1): one pass over a short run that is nearly in order,
    at most O(n^1.5) on any.
    """
    step = 1
    while step < len(time) // 9:
        step = 3 * step + 1
    while step > 0:
        for i in range(step, len(time)):
            t, a = time[i], area[i]
            k = i
            while k >= step and (time[k - step] > t or (time[k - step] == t and area[k - step] > a)):
                time[k], area[k] = time[k - step], area[k - step]
                k -= step
            time[k], area[k] = t, a
        step //= 3


@njit(cache=True, nogil=True)
def mark_frequent(entity: Ints, time: Ints, longest: float, frequent: Flags) -> None:
    """Mark the rows of entities whose mean headway is at most ``longest`` seconds.

    The rows must be sorted by (entity, time). entity, time: int64[n]; frequent: bool[n], written. An entity with
    fewer than two distinct times has no headway and is not marked.
    """
    start = 0
    steps = 0
    for i in range(len(entity)):
        if i > start and time[i] > time[i - 1]:
            steps += 1
        if i + 1 == len(entity) or entity[i + 1] != entity[i]:
            mark = steps > 0 and time[i] - time[start] <= longest * 1e6 * steps
            for k in range(start, i + 1):
                frequent[k] = mark
            start = i + 1
            steps = 0


@njit(cache=True, nogil=True)
def headways(entity: Ints, area: Labels, time: Ints, longest: float, partials: Records) -> None:
    """Sum headways and their squares by area: value = h², per = h, in s² and s.

    A headway is the time between two consecutive arrivals of one entity (a route at a stop). The rows must be sorted
    by (entity, time). entity: int64[n]; area: int32[n], of the later arrival, < 0 = skip; time: int64[n];
    headways of 0 or more than ``longest`` seconds are left out; partials: PARTIAL[areas], added to.
    """
    for i in range(1, len(entity)):
        if entity[i] != entity[i - 1] or area[i] < 0:
            continue
        h = (time[i] - time[i - 1]) / 1e6
        if 0 < h <= longest:
            add(partials[area[i]], h * h, h)


@njit(cache=True, nogil=True)
def mean_headways(entity: Ints, time: Ints, mean: Floats) -> None:
    """The mean headway, in seconds, of the entity of each row; NaN where it has fewer than two distinct times.

    The rows must be sorted by (entity, time). entity, time: int64[n]; mean: float64[n], written.
    """
    start = 0
    steps = 0
    for i in range(len(entity)):
        if i > start and time[i] > time[i - 1]:
            steps += 1
        if i + 1 == len(entity) or entity[i + 1] != entity[i]:
            mean[start : i + 1] = (time[i] - time[start]) / 1e6 / steps if steps else np.nan
            start = i + 1
            steps = 0


@njit(cache=True, nogil=True)
def relative_headways(
    entity: Ints, area: Labels, time: Ints, mean: Floats, longest: float, bunched: float, partials: Records
) -> None:
    """Sum headways related to the mean scheduled one of their entity, x = h / mean, by area.

    Rows and headways as for ``headways``; mean: float64[n], as ``mean_headways`` gives it. bunched = 0: value = x²,
    per = x; else value = 1 where x < bunched, per = 1. partials: PARTIAL[areas], added to.
    """
    for i in range(1, len(entity)):
        if entity[i] != entity[i - 1] or area[i] < 0 or not mean[i] > 0:
            continue
        h = (time[i] - time[i - 1]) / 1e6
        if 0 < h <= longest:
            x = h / mean[i]
            if bunched > 0:
                add(partials[area[i]], 1.0 if x < bunched else 0.0, 1.0)
            else:
                add(partials[area[i]], x * x, x)
