"""The last reading of each pane of time, by slot, and what follows from a device's points in order of time.

A ring of panes by slot, as in ``states``: time within the pane in µs, and one or more values; NaN = no reading. Of two
readings of one instant the one with the larger values (compared in order) stays, so the order of readings does not
matter.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processing.kernels.exact import Floats, Ints, Labels

Offsets = NDArray[np.uint32]
EARTH = 6_371_008.8
"""mean radius, metres (IUGG)"""


@njit(cache=True, nogil=True)
def fold_points(
    slot: Labels, time: Ints, value: Floats, length: int, newest: Ints, offset: Offsets, points: Floats
) -> None:
    """Keep the last reading of each pane.

    slot: int32[n], < 0 = skip; time: int64[n] µs; value: float64[n, values]; length: µs of a pane, below 2³²;
    newest: int64[slots], newest pane, < 0 before the first; offset: uint32[slots, panes] and points:
    float64[slots, panes, values], all updated. A pane the ring has left behind is left out.
    """
    panes = points.shape[1]
    for i in range(len(slot)):
        s = slot[i]
        pane = time[i] // length
        if s < 0 or pane <= newest[s] - panes:
            continue
        if pane > newest[s]:
            for p in range(max(newest[s] + 1, pane - panes + 1), pane + 1):
                points[s, p % panes, 0] = np.nan
            newest[s] = pane
        k = pane % panes
        within = np.uint32(time[i] - pane * length)
        held = offset[s, k]
        if not np.isnan(points[s, k, 0]) and (
            within < held or (within == held and not _larger(value[i], points[s, k]))
        ):
            continue
        offset[s, k] = within
        points[s, k] = value[i]


@njit(cache=True, nogil=True, inline="always")
def _larger(one: Floats, other: Floats) -> bool:
    for v in range(len(one)):
        if one[v] != other[v]:
            return bool(one[v] > other[v])
    return False


@njit(cache=True, nogil=True)
def in_order(slot: int, length: int, newest: Ints, offset: Offsets, points: Floats, time: Ints, value: Floats) -> int:
    """Write a slot's points in order of time: time int64[panes] µs, value float64[panes, values]; returns how many."""
    panes = points.shape[1]
    count = 0
    for p in range(max(np.int64(0), newest[slot] - panes + 1), newest[slot] + 1):
        k = p % panes
        if not np.isnan(points[slot, k, 0]):
            time[count] = p * length + offset[slot, k]
            value[count] = points[slot, k]
            count += 1
    return count


@njit(cache=True, nogil=True)
def risen(old: float, new: float) -> float:
    """How far a register went between two readings: what it rose; over its end, if it stood in the last tenth of its
    digits (up to a power of ten) and stands in the first; else 0: it was reset or replaced, and nobody knows.
    """
    if new >= old:
        return new - old
    end = 1.0
    while end <= old:
        end *= 10.0
    if old >= 0.9 * end and new <= 0.1 * end:
        return end - old + new
    return 0.0


@njit(cache=True, nogil=True)
def register_rates(
    slots: Labels, length: int, shortest: int, newest: Ints, offset: Offsets, points: Floats, rate: Floats
) -> None:
    """Rise of each slot's register per second, from its first point to its last.

    slots: int32[n]; length: µs of a pane; shortest: µs the points must span, else NaN; newest, offset, points: as
    ``fold_points`` keeps them; rate: float64[n], written.
    """
    time = np.empty(points.shape[1], np.int64)
    value = np.empty(points.shape[1:], np.float64)
    for i in range(len(slots)):
        count = in_order(slots[i], length, newest, offset, points, time, value)
        rate[i] = np.nan
        if count < 2 or time[count - 1] - time[0] < shortest:
            continue
        rise = 0.0
        for k in range(1, count):
            rise += risen(value[k - 1, 0], value[k, 0])
        rate[i] = rise / ((time[count - 1] - time[0]) / 1e6)


@njit(cache=True, nogil=True)
def fill_slopes(
    slots: Labels, length: int, drop: float, newest: Ints, offset: Offsets, points: Floats, slope: Floats
) -> None:
    """Theil–Sen slope, per second, of each slot's points since the last fall by ``drop`` or more from one to the next.

    It is the median of the slopes between all pairs of points, of two middle ones the mean; NaN with fewer than three
    points. slots: int32[n]; length: µs of a pane; newest, offset, points: as ``fold_points`` keeps them;
    slope: float64[n, 2], written: slope, newest value.
    """
    panes = points.shape[1]
    time = np.empty(panes, np.int64)
    value = np.empty(points.shape[1:], np.float64)
    pairs = np.empty(panes * (panes - 1) // 2, np.float64)
    for i in range(len(slots)):
        count = in_order(slots[i], length, newest, offset, points, time, value)
        first = 0
        for k in range(1, count):
            if value[k - 1, 0] - value[k, 0] >= drop:
                first = k
        slope[i, 0] = np.nan
        slope[i, 1] = value[count - 1, 0] if count else np.nan
        if count - first < 3:
            continue
        m = 0
        for a in range(first, count):
            for b in range(a + 1, count):
                pairs[m] = (value[b, 0] - value[a, 0]) / ((time[b] - time[a]) / 1e6)
                m += 1
        ranked = np.sort(pairs[:m])
        slope[i, 0] = ranked[m // 2] if m % 2 else (ranked[m // 2 - 1] + ranked[m // 2]) / 2


@njit(cache=True, nogil=True)
def ways(slots: Labels, length: int, newest: Ints, offset: Offsets, points: Floats, way: Floats) -> None:
    """Metres and seconds between each slot's consecutive points of one trip, along great circles.

    slots: int32[n]; length: µs of a pane; newest, offset, points: as ``fold_points`` keeps them, the values being
    longitude, latitude (degrees) and the number of the trip, 0 = none; way: float64[n, 2], written.
    """
    time = np.empty(points.shape[1], np.int64)
    value = np.empty(points.shape[1:], np.float64)
    for i in range(len(slots)):
        count = in_order(slots[i], length, newest, offset, points, time, value)
        way[i] = 0.0
        for k in range(1, count):
            if value[k, 2] != 0 and value[k, 2] == value[k - 1, 2]:
                way[i, 0] += _metres(value[k - 1], value[k])
                way[i, 1] += (time[k] - time[k - 1]) / 1e6


@njit(cache=True, nogil=True, inline="always")
def _metres(a: Floats, b: Floats) -> float:
    lat, to = np.radians(a[1]), np.radians(b[1])
    south = np.sin((to - lat) / 2)
    east = np.sin(np.radians(b[0] - a[0]) / 2)
    h = south * south + np.cos(lat) * np.cos(to) * east * east
    return float(2 * EARTH * np.arcsin(np.sqrt(min(1.0, h))))
