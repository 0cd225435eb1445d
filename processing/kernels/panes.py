"""Sums by pane of event time and by area.

Most batches come in the order of time, so that a stretch of readings lies in two neighbouring panes. Such a stretch is
added to dense sums of those panes without a carry, in one loop over times, areas and values: BLOCK values keep
Σlo < 2⁶⁴ and |Σhi| < 2⁴⁴, so that the number of values fits above hi. The carry comes when the dense sums are merged
into the ring, once for each pane and area. A stretch that is scattered over more panes gets dense sums of all of them.
Whatever lies outside (another pane, a value of 2²⁰ or more) is added one by one; the sums are the same integers either
way.
"""

from typing import Any

import numpy as np
from numba import njit

from processing.kernels.exact import (
    CARRY,
    HIGH,
    LARGEST,
    MASK,
    ONE,
    Floats,
    Ints,
    Labels,
    Records,
    add,
    merge_sums,
)

SUMS = np.dtype([("count", "i8"), ("hi", "i8"), ("lo", "i8"), ("per_hi", "i8"), ("per_lo", "i8")])
"""Exact sums of one pane and area."""
CODES = np.dtype([("count", "i4"), ("ones", "i4")])
"""Number of values that are 0 or 1 of one pane and area, and of those that are 1."""

BLOCK = 2**14 - 1
"""readings that are added without a carry"""
SAMPLE = 256
"""readings of a block that are looked at first, to know its panes; they are the next ones, so that nothing waits"""
TAIL = 16
"""readings at its end that are looked at as well: two lines of memory"""
FEW = 192
"""readings for which dense sums do not pay"""
MODERATE = 2.0**20
"""values below this leave room for their number above hi"""
ROOM = 45
_COUNTED = 2.0**ROOM
_LOWER = 2**44
_FRACTION = 2.0**CARRY
_NEAR = 2**49


@njit(cache=True, nogil=True)
def areas_of(slot: Labels, places: Records, area: Labels) -> None:
    """Look up where readings belong: slot int32[n], < 0 = nowhere; places: PLACE[slots]; area: int32[n], written."""
    for i in range(len(slot)):
        s = slot[i]
        area[i] = places[np.uint32(s)]["area"] if s >= 0 else -1


@njit(cache=True, nogil=True)
def fold_panes(
    area: Labels, time: Ints, length: int, value: Floats, per: Floats, pane_of: Ints, panes: Records
) -> None:
    """Add readings to the panes of their areas.

    area: int32[n], < 0 = skip; time: int64[n], pane = ⌊time / length⌋; value: float64[n], per: float64[n] or empty = 1,
    NaN or inf = skip; pane_of: int64[panes], which pane a ring position holds now, updated; panes: SUMS[panes, areas],
    updated. A reading whose place in the ring is taken by a later pane is left out.
    """
    if len(per) or len(area) < FEW:
        _add_each(area, time, length, value, per, pane_of, panes)
        return
    width = panes.shape[1]
    sums, outside = np.empty(0, np.int64), np.empty(min(len(area), BLOCK), np.int32)
    for start in range(0, len(area), BLOCK):
        stop = min(len(area), start + BLOCK)
        a, t, v = area[start:stop], time[start:stop], value[start:stop]
        low, rows = _panes_of(t, length, width)
        if len(sums) < 2 * rows * width:
            sums = np.zeros(2 * rows * width, np.int64)
        if _lacking(a, v):
            known = _known(a, v)
            a, t, v = a[known], t[known], v[known]
        if rows == 2:
            left = _add_two(a, t, v, low * length, length, width, sums, outside)
        else:
            left = _add_rows(a, t, v, low * length, length, rows, width, sums, outside)
        _merge_rows(low, rows, sums, pane_of, panes)
        alone = outside[:left]
        _add_each(a[alone], t[alone], length, v[alone], per, pane_of, panes)


@njit(cache=True, nogil=True)
def _panes_of(time: Ints, length: int, width: int) -> tuple[int, int]:
    """Which panes of a block get dense sums, to judge by its first readings and its last: the first pane, how many.

    They are two where nearly all readings lie in them, otherwise as many as there are readings in, as long as a place
    for each pane and area is not more than two for each reading; 0 where most readings lie farther away.
    """
    start, middle, stop = time[0], time[len(time) // 2], time[-1]
    middle = max(min(start, stop), min(max(start, stop), middle))  # of the three
    reach = min(len(time) // width * length, _NEAR // 2)
    low = (middle - length // 2) // length
    edge, until = low * length, (low + 2) * length
    first, last, inside, near, sample = middle, middle, 0, 0, 0
    for part in (time[:SAMPLE], time[-TAIL:]):
        sample += len(part)
        for t in part:
            inside += (t >= edge) & (t < until)
            is_near = abs(t - middle) < reach
            near += is_near
            first, last = min(first, t if is_near else middle), max(last, t if is_near else middle)
    if 16 * inside >= 15 * sample and edge <= stop < until:
        return low, 2
    first //= length
    return first, last // length + 1 - first if 2 * near >= sample else 0


@njit(cache=True, nogil=True)
def _lacking(area: Labels, value: Floats) -> bool:
    """Whether a part of a block, to judge by its first readings, has nothing to add. These are taken out first: nobody
    can guess which one comes next, least of all the processor."""
    missing, sample = 0, min(len(area), SAMPLE)
    for i in range(sample):
        missing += (area[i] < 0) | (not abs(value[i]) < LARGEST)
    return 8 * missing > sample


@njit(cache=True, nogil=True)
def _known(area: Labels, value: Floats) -> Labels:
    """Which readings have an area and a value."""
    found, count = np.empty(len(area) + 1, np.int32), 0
    for i in range(len(area)):
        found[count] = i
        count += (area[i] >= 0) & (abs(value[i]) < LARGEST)
    return found[:count]


@njit(cache=True, nogil=True, inline="always")
def _put(value: float, place: Any, sums: Ints) -> None:
    """Cut a value into hi, with a one above ROOM, and lo, and add them up."""
    scaled = value * HIGH
    whole = np.floor(scaled)
    s = np.uint64(place) * np.uint64(2)
    sums[s] += np.int64(whole + _COUNTED)
    sums[s + np.uint64(1)] += np.int64((scaled - whole) * _FRACTION)


@njit(cache=True, nogil=True)
def _add_two(
    area: Labels, time: Ints, value: Floats, edge: int, length: int, width: int, sums: Ints, outside: Labels
) -> int:
    """Add readings to the dense sums of two panes; outside: which ones were left out, written; returns how many."""
    left, one, two = np.uint64(0), np.uint64(length), np.uint64(2 * length)
    for i in range(len(area)):
        since = np.uint64(time[i] - edge)  # earlier times come to more than any length
        if since >= two or not abs(value[i]) < MODERATE or area[i] < 0:
            outside[left] = i
            left += np.uint64(1)
        else:
            _put(value[i], np.uint64(area[i]) + np.uint64(width if since >= one else 0), sums)
    return int(left)


@njit(cache=True, nogil=True)
def _add_rows(
    area: Labels, time: Ints, value: Floats, edge: int, length: int, rows: int, width: int, sums: Ints, outside: Labels
) -> int:
    """As ``_add_two`` for any number of panes."""
    left, until, inverse = np.uint64(0), np.uint64(rows * length), 1.0 / length
    for i in range(len(area)):
        since = time[i] - edge
        if np.uint64(since) >= until or not abs(value[i]) < MODERATE or area[i] < 0:
            outside[left] = i
            left += np.uint64(1)
        else:
            # half a microsecond off the edge, a product with the inverse falls into the same pane as the quotient
            row = np.uint64((np.float64(since) + 0.5) * inverse)
            _put(value[i], np.uint64(area[i]) + row * np.uint64(width), sums)
    return int(left)


@njit(cache=True, nogil=True)
def _merge_rows(low: int, rows: int, sums: Ints, pane_of: Ints, panes: Records) -> None:
    """Merge the dense sums of ``rows`` panes from ``low`` on into the ring, and empty them."""
    areas = panes.shape[1]
    for row in range(rows):
        position = (low + row) % len(pane_of)
        if pane_of[position] > low + row:
            continue
        for a in range(areas):
            s = 2 * (row * areas + a)
            count = (sums[s] + _LOWER) >> ROOM
            if count == 0:
                continue
            if pane_of[position] < low + row:
                pane_of[position] = low + row
                _empty_sums(position, panes)
            into = panes[position, a]
            lo = into["lo"] + (sums[s + 1] & MASK)
            carry = np.int64(np.uint64(sums[s + 1]) >> np.uint64(CARRY)) + (lo >> CARRY)
            into["hi"] += sums[s] - (count << ROOM) + carry
            into["lo"] = lo & MASK
            into["per_hi"] += ONE * count
            into["count"] += count
    sums[: 2 * rows * areas] = 0


@njit(cache=True, nogil=True, inline="always")
def _quotient(number: int, by: int, inverse: float) -> int:
    """⌊number / by⌋ without dividing: a half off the edge, a product with the inverse falls where the quotient does."""
    return int(np.floor((np.float64(number) + 0.5) * inverse)) if abs(number) < _NEAR else number // by


@njit(cache=True, nogil=True, inline="always")
def _position(further: int, first: int, ring: int) -> int:
    """Position in the ring of the pane that comes ``further`` panes after the one at position ``first``."""
    position = first + further
    position += ring if position < 0 else 0
    position -= ring if position >= ring else 0
    return position if 0 <= position < ring else position % ring


@njit(cache=True, nogil=True)
def _empty_sums(position: int, panes: Records) -> None:
    for k in range(panes.shape[1]):
        fresh = panes[position, k]
        fresh["count"] = 0
        fresh["hi"] = 0
        fresh["lo"] = 0
        fresh["per_hi"] = 0
        fresh["per_lo"] = 0


@njit(cache=True, nogil=True)
def _add_each(area: Labels, time: Ints, length: int, value: Floats, per: Floats, pane_of: Ints, panes: Records) -> None:
    """As ``fold_panes``, a reading at a time."""
    if len(area) == 0:
        return
    low = time[0] // length
    first, inverse = low % len(pane_of), 1.0 / length
    for i in range(len(area)):
        p = per[i] if len(per) else 1.0
        if area[i] < 0 or not (abs(value[i]) < LARGEST and abs(p) < LARGEST):
            continue
        number = low + _quotient(time[i] - low * length, length, inverse)
        position = _position(number - low, first, len(pane_of))
        if pane_of[position] > number:
            continue
        if pane_of[position] < number:
            pane_of[position] = number
            _empty_sums(position, panes)
        add(panes[position, area[i]], value[i], p)


@njit(cache=True, nogil=True)
def reduce_panes(first: int, last: int, pane_of: Ints, panes: Records, partials: Records) -> None:
    """Merge the panes numbered ``first`` to ``last`` of every area.

    pane_of: int64[panes]; panes: SUMS[panes, areas]; partials: PARTIAL[areas], merged into.
    """
    for p in range(len(pane_of)):
        if first <= pane_of[p] <= last:
            for a in range(panes.shape[1]):
                if panes[p, a]["count"] > 0:
                    merge_sums(partials[a], panes[p, a])


@njit(cache=True, nogil=True)
def fold_codes(area: Labels, time: Ints, length: int, value: Floats, pane_of: Ints, panes: Records) -> None:
    """As ``fold_panes`` for values that are 0 or 1, related to 1; others are left out. panes: CODES[panes, areas]."""
    if len(area) == 0:
        return
    low = time[0] // length
    first, inverse = low % len(pane_of), 1.0 / length
    for i in range(len(area)):
        if area[i] < 0 or not (value[i] == 0.0 or value[i] == 1.0):
            continue
        number = low + _quotient(time[i] - low * length, length, inverse)
        position = _position(number - low, first, len(pane_of))
        if pane_of[position] > number:
            continue
        if pane_of[position] < number:
            pane_of[position] = number
            for k in range(panes.shape[1]):
                panes[position, k]["count"] = 0
                panes[position, k]["ones"] = 0
        code = panes[position, area[i]]
        code["count"] += 1
        code["ones"] += value[i] == 1.0


@njit(cache=True, nogil=True)
def reduce_codes(first: int, last: int, pane_of: Ints, panes: Records, partials: Records) -> None:
    """As ``reduce_panes``; panes: CODES[panes, areas]."""
    for p in range(len(pane_of)):
        if first <= pane_of[p] <= last:
            for a in range(panes.shape[1]):
                count = np.int64(panes[p, a]["count"])
                partials[a]["count"] += count
                partials[a]["hi"] += ONE * np.int64(panes[p, a]["ones"])
                partials[a]["per_hi"] += ONE * count
