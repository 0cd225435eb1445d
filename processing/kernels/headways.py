"""Arrivals in the order of their entities, and the headways between them."""

import numpy as np
from numba import njit

from processing.kernels.exact import Flags, Floats, Ints, Labels, Records, add

Arrivals = tuple[Ints, Ints, Ints, Labels]


@njit(cache=True, nogil=True)
def merge_in(held: Arrivals, count: int, more: Arrivals) -> None:
    """Merge arrivals into others, in place; both sorted by (entity, instant, area).

    held, more: time, entity and instant, int64[n], and area, int32[n]; held has ``count`` rows and room for those of
    more. Of equal rows those held come first.
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
    """Leave out arrivals with time ≤ start, in place; how many are left. held: as for ``merge_in``."""
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
    return bool(held[3][i] > more[3][j])


@njit(cache=True, nogil=True, inline="always")
def _put(to: Arrivals, k: int, source: Arrivals, i: int) -> None:
    to[0][k] = source[0][i]
    to[1][k] = source[1][i]
    to[2][k] = source[2][i]
    to[3][k] = source[3][i]


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
