"""The last reading of each pane of time, by slot, and what follows from a device's points in order of time.

A ring of panes by slot, as in ``states``, of which each pane lies together: panes that nobody has used yet take no
memory. Of two readings of one instant the one with the larger values (compared in order) stays, so the order of
readings does not matter. A RING is, in this order,

    newest   int32 or int64[slots]       newest pane, < 0 before the first
    offset   uint32[panes, slots]        µs within the pane + 1, 0 = no reading
    points   [panes, slots, values]      float64, or int32 where all values are decimals of few digits
    power    float64[values]             what points are to be divided by, 1 or a power of ten
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processing.kernels.exact import Floats, Ints, Labels

Offsets = NDArray[np.uint32]
Numbers = NDArray[Any]
Ring = tuple[NDArray[Any], Offsets, Numbers, Floats]
EARTH = 6_371_008.8
"""mean radius, metres (IUGG)"""


@njit(cache=True, nogil=True)
def fold_points(slot: Labels, time: Ints, value: Numbers, length: int, ring: Ring) -> None:
    """Keep the last reading of each pane.

    slot: int32[n], < 0 = skip; time: int64[n] µs; value: [n, values], of the ring's type and multiplied by its power;
    length: µs of a pane, below 2³² - 1; ring: RING, updated. A pane the ring has left behind is left out.
    """
    newest, offset, points, _ = ring
    panes = len(offset)
    for i in range(len(slot)):
        s = slot[i]
        pane = time[i] // length
        if s < 0 or pane <= newest[s] - panes:
            continue
        if pane > newest[s]:
            if newest[s] >= 0:
                for p in range(max(newest[s] + 1, pane - panes + 1), pane + 1):
                    offset[p % panes, s] = 0
            newest[s] = pane
        k = pane % panes
        within = np.uint32(time[i] - pane * length + 1)
        held = offset[k, s]
        if within < held or (within == held and not _larger(value[i], points[k, s])):
            continue
        offset[k, s] = within
        for v in range(points.shape[2]):
            points[k, s, v] = value[i, v]


@njit(cache=True, nogil=True, inline="always")
def _larger(one: Numbers, other: Numbers) -> bool:
    for v in range(len(one)):
        if one[v] != other[v]:
            return bool(one[v] > other[v])
    return False


@njit(cache=True, nogil=True)
def in_order(slot: int, length: int, ring: Ring, time: Ints, value: Floats) -> int:
    """Write a slot's points in order of time: time int64[panes] µs, value float64[panes, values]; returns how many."""
    newest, offset, points, power = ring
    panes = len(offset)
    count = 0
    for p in range(max(np.int64(0), newest[slot] - panes + 1), newest[slot] + 1):
        k = p % panes
        if offset[k, slot] > 0:
            time[count] = p * length + offset[k, slot] - 1
            for v in range(points.shape[2]):
                value[count, v] = points[k, slot, v] / power[v]
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
def register_rates(slots: Labels, length: int, shortest: int, ring: Ring, rate: Floats) -> None:
    """Rise of each slot's register per second, from its first point to its last.

    slots: int32[n]; length: µs of a pane; shortest: µs the points must span, else NaN; ring: RING; rate:
    float64[n], written.
    """
    time, value = _room(ring)
    for i in range(len(slots)):
        count = in_order(slots[i], length, ring, time, value)
        rate[i] = np.nan
        if count < 2 or time[count - 1] - time[0] < shortest:
            continue
        rise = 0.0
        for k in range(1, count):
            rise += risen(value[k - 1, 0], value[k, 0])
        rate[i] = rise / ((time[count - 1] - time[0]) / 1e6)


@njit(cache=True, nogil=True)
def fill_slopes(slots: Labels, length: int, drop: float, ring: Ring, slope: Floats) -> None:
    """Theil–Sen slope, per second, of each slot's points since the last fall by ``drop`` or more from one to the next.

    It is the median of the slopes between all pairs of points, of two middle ones the mean; NaN with fewer than three
    points. slots: int32[n]; length: µs of a pane; ring: RING; slope: float64[n, 2], written: slope, newest value.
    """
    time, value = _room(ring)
    panes = len(time)
    pairs = np.empty(panes * (panes - 1) // 2, np.float64)
    for i in range(len(slots)):
        count = in_order(slots[i], length, ring, time, value)
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
def ways(slots: Labels, length: int, ring: Ring, way: Floats) -> None:
    """Metres and seconds between each slot's consecutive points of one trip, along great circles.

    slots: int32[n]; length: µs of a pane; ring: RING, its values being longitude, latitude (degrees) and the number
    of the trip, 0 = none; way: float64[n, 2], written.
    """
    time, value = _room(ring)
    for i in range(len(slots)):
        count = in_order(slots[i], length, ring, time, value)
        way[i] = 0.0
        for k in range(1, count):
            if value[k, 2] != 0 and value[k, 2] == value[k - 1, 2]:
                way[i, 0] += _metres(value[k - 1], value[k])
                way[i, 1] += (time[k] - time[k - 1]) / 1e6


@njit(cache=True, nogil=True)
def _room(ring: Ring) -> tuple[Ints, Floats]:
    _, offset, points, _ = ring
    return np.empty(len(offset), np.int64), np.empty((len(offset), points.shape[2]), np.float64)


@njit(cache=True, nogil=True, inline="always")
def _metres(a: Floats, b: Floats) -> float:
    lat, to = np.radians(a[1]), np.radians(b[1])
    south = np.sin((to - lat) / 2)
    east = np.sin(np.radians(b[0] - a[0]) / 2)
    h = south * south + np.cos(lat) * np.cos(to) * east * east
    return float(2 * EARTH * np.arcsin(np.sqrt(min(1.0, h))))
