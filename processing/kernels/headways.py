"""Arrivals in the order of their entities, and the headways between them."""

import numpy as np
from numba import njit

from processing.kernels.exact import Flags, Floats, Ints, Labels, Records, add


@njit(cache=True, nogil=True)
def merge_order(entity: Ints, instant: Ints, area: Labels, split: int, order: Ints) -> None:
    """Merge two runs that are each sorted by (entity, instant, area): where each row of the whole comes from.

    entity, instant: int64[n], area: int32[n], the first run in rows 0 … split - 1; order: int64[n], written. Of equal
    rows those of the first run come first.
    """
    i = 0
    j = split
    for k in range(len(order)):
        if j == len(order):
            first = True
        elif i == split:
            first = False
        elif entity[i] != entity[j]:
            first = entity[i] < entity[j]
        elif instant[i] != instant[j]:
            first = instant[i] < instant[j]
        else:
            first = area[i] <= area[j]
        if first:
            order[k] = i
            i += 1
        else:
            order[k] = j
            j += 1


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
