"""Sums by pane of event time and by area, and their roll-up from streets to the city.

Most batches come in the order of time, so that a stretch of readings lies in a few neighbouring panes. Such a stretch
is cut into integers in vector registers, a chunk at a time, and added to dense sums of those panes without a carry:
BLOCK values keep Σlo < 2⁶³ and |Σhi| < 2⁴³, so that the number of values fits above hi. The carry comes when the dense
sums are merged into the ring, once for each pane and area. Whatever lies outside (another pane, a value of 2²⁰ or more)
is added one by one; the sums are the same integers either way.
"""

import numpy as np
from numba import njit

from processing.kernels.exact import (
    CARRY,
    HIGH,
    LARGEST,
    LOW,
    MASK,
    ONE,
    Floats,
    Ints,
    Labels,
    Records,
    add,
    merge,
    merge_sums,
)

SUMS = np.dtype([("count", "i8"), ("hi", "i8"), ("lo", "i8"), ("per_hi", "i8"), ("per_lo", "i8")])
"""Exact sums of one pane and area."""
CODES = np.dtype([("count", "i4"), ("ones", "i4")])
"""Number of values that are 0 or 1 of one pane and area, and of those that are 1."""

CHUNK = 256
"""readings cut at a time: what is made of them stays in the cache of the core"""
BLOCK = 28 * CHUNK
"""readings that are added without a carry"""
ROWS = 4
"""panes with dense sums: the one before that of the block's first reading, its own, and two more"""
FEW = 192
"""readings for which dense sums do not pay"""
MODERATE = 2.0**20
"""values below this leave room for their number above hi"""
ROOM = 44
_LOWER = 2**43
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
    width = panes.shape[1] + 1
    sums = np.zeros(2 * (ROWS + 1) * width, np.int64)
    place, hi, lo = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int64), np.empty(CHUNK, np.int64)
    done = 0
    in_order = True
    while done < len(area) and in_order:
        start = done
        low = time[start] // length - 1
        end = min(len(area), start + BLOCK)
        while done < end and in_order:
            stop = min(end, done + CHUNK)
            _cut(time[done:stop], low * length, length, value[done:stop], width, place, hi, lo)
            _scatter(area[done:stop], place, hi, lo, sums)
            in_order = done > start or 2 * _outside(sums) <= stop - done
            done = stop
        if _outside(sums):
            left = _left(area[start:done], time[start:done], low * length, length, value[start:done])
            _add_each(left, time[start:done], length, value[start:done], per, pane_of, panes)
        _merge_rows(low, sums, pane_of, panes)
    _add_each(area[done:], time[done:], length, value[done:], per, pane_of, panes)


@njit(cache=True, nogil=True)
def _cut(time: Ints, edge: int, length: int, value: Floats, width: int, place: Labels, hi: Ints, lo: Ints) -> None:
    """Cut values into hi, with a one above ROOM, and lo; place: where the sums of the pane begin. No branches, so that
    it becomes vector instructions."""
    until = edge + ROWS * length
    inverse = 1.0 / length
    outside = ROWS * width + 1
    for i in range(len(time)):
        inside = (time[i] >= edge) & (time[i] < until) & (abs(value[i]) < MODERATE)
        scaled = value[i] * HIGH if inside else 0.0
        whole = np.floor(scaled)
        hi[i] = np.int64(whole) + (1 << ROOM)
        lo[i] = np.int64((scaled - whole) * _FRACTION)
        # half a microsecond off the edge, a product with the inverse falls into the same pane as the quotient
        row = np.int64((np.float64(time[i] - edge if inside else 0) + 0.5) * inverse)
        place[i] = row * width + 1 if inside else outside


@njit(cache=True, nogil=True)
def _scatter(area: Labels, place: Labels, hi: Ints, lo: Ints, sums: Ints) -> None:
    """Add them up; each pane has one place more, before its areas, for readings without one."""
    for i in range(len(area)):
        s = np.uint64(place[i] + max(area[i], -1)) * np.uint64(2)
        sums[s] += hi[i]
        sums[s + np.uint64(1)] += lo[i]


@njit(cache=True, nogil=True)
def _outside(sums: Ints) -> int:
    """How many readings with an area were not added."""
    width = len(sums) // (2 * (ROWS + 1))
    count = 0
    for s in range(ROWS * width + 1, (ROWS + 1) * width):
        count += (sums[2 * s] + _LOWER) >> ROOM
    return count


@njit(cache=True, nogil=True)
def _left(area: Labels, time: Ints, edge: int, length: int, value: Floats) -> Labels:
    """The areas of the readings that ``_cut`` finds outside, -1 for the others."""
    left = area.copy()
    until = edge + ROWS * length
    for i in range(len(area)):
        if (time[i] >= edge) & (time[i] < until) & (abs(value[i]) < MODERATE):
            left[i] = -1
    return left


@njit(cache=True, nogil=True)
def _merge_rows(low: int, sums: Ints, pane_of: Ints, panes: Records) -> None:
    """Merge the dense sums of the panes from ``low`` on into the ring, and empty them."""
    areas = panes.shape[1]
    for row in range(ROWS):
        position = (low + row) % len(pane_of)
        if pane_of[position] > low + row:
            continue
        for a in range(areas):
            s = 2 * (row * (areas + 1) + 1 + a)
            count = (sums[s] + _LOWER) >> ROOM
            if count == 0:
                continue
            if pane_of[position] < low + row:
                pane_of[position] = low + row
                _empty_sums(position, panes)
            into = panes[position, a]
            lo = into["lo"] + (sums[s + 1] & MASK)
            into["hi"] += sums[s] - (count << ROOM) + (sums[s + 1] >> CARRY) + (lo >> CARRY)
            into["lo"] = lo & MASK
            into["per_hi"] += ONE * count
            into["count"] += count
    sums[:] = 0


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


@njit(cache=True, nogil=True)
def roll_up(parent: Labels, partials: Records) -> None:
    """Merge every area into its parent, leaves first.

    parent: int32[areas], label of the parent, always lower than the child's own, -1 at the top;
    partials: PARTIAL[areas], updated.
    """
    for a in range(len(parent) - 1, -1, -1):
        if parent[a] >= 0:
            merge(partials[parent[a]], partials[a])


@njit(cache=True, nogil=True)
def ratios(partials: Records, value: Floats, base: Floats) -> None:
    """What sums come to: base = Σ per, value = Σ value / base, NaN where base is not above 0.

    partials: PARTIAL[areas]; value, base: float64[areas], written.
    """
    for a in range(len(partials)):
        sums = partials[a]
        base[a] = sums["per_hi"] / HIGH + sums["per_lo"] / LOW
        value[a] = np.nan
        if base[a] > 0:
            value[a] = (sums["hi"] / HIGH + sums["lo"] / LOW) / base[a]


@njit(cache=True, nogil=True)
def roll_up_counts(parent: Labels, counts: Ints) -> None:
    """Add every area's count to its parent's; parent: as for ``roll_up``; counts: int64[areas], updated."""
    for a in range(len(parent) - 1, -1, -1):
        if parent[a] >= 0:
            counts[parent[a]] += counts[a]
