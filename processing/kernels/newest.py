"""Newest readings by device, and the sums over those that are fresh, kept up to date reading by reading.

A device is fresh at an instant while its expiry (newest time + reach of its class) is not before it. What a reading
changes, the old value taken out of its area's sums and the new one put in, is written as a MOVE first, so that all
indicators that look at the same readings share the look-up. Time itself makes devices stale: ``sweep`` finds those,
block by block, and skips a block in which nobody can have expired.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processing.kernels.exact import (
    LARGEST,
    NEVER,
    NOT_APPLICABLE,
    ONE,
    Codes,
    Floats,
    Ints,
    Labels,
    Records,
    add,
    subtract,
)

FOREVER = np.int64(2**62)
"""an instant at which nobody is fresh"""
BLOCK = 512
"""slots that share a lower bound of their expiries"""

PLACE = np.dtype([("area", "i4"), ("group", "i4")])
"""Where a slot stands (< 0 = nowhere), and its class: devices with the same equipment and interval."""

MOVE = np.dtype(
    [("row", "i4"), ("slot", "i4"), ("area", "i4"), ("was", "i1"), ("now", "i1"), ("before", "i8"), ("time", "i8")],
    align=True,
)
"""A reading (by row of its batch) that is the newest of its slot; time of the one before; whether the slot was fresh
before it and is now, in an area that expects it."""

COUNT = np.dtype([("fresh", "i8"), ("newest", "i8"), ("times", "i8")])
"""Fresh devices of an area, newest time, and the sum of the fresh devices' newest times, modulo 2⁶⁴ µs."""

NO, YES, EXCUSED, UNKNOWN = range(4)
"""codes of a value that is 0 or 1"""


def empty_counts(areas: int) -> Records:
    """Counts of nothing."""
    counts = np.zeros(areas, COUNT)
    counts["newest"] = NEVER
    return counts


@njit(cache=True, nogil=True)
def number_slots(slot: Labels, table: Labels, touched: Labels, place: Labels) -> int:
    """Number the slots that occur in the order of their first rows; returns how many there are.

    slot: int32[n], < 0 = skip; table: int32[m], all -1, m a power of two above n; touched: int32[n], written: slot by
    number; place: int32[n], written: number by row, -1 for those skipped.
    """
    count = 0
    mask = len(table) - 1
    for i in range(len(slot)):
        place[i] = -1
        if slot[i] < 0:
            continue
        at = (np.int64(slot[i]) * 2654435769 >> 7) & mask  # neighbours far apart, whatever the step between slots
        while table[at] >= 0 and touched[table[at]] != slot[i]:
            at = (at + 1) & mask
        if table[at] < 0:
            table[at] = count
            touched[count] = slot[i]
            count += 1
        place[i] = table[at]
    return count


@njit(cache=True, nogil=True)
def fold_newest(slot: Labels, time: Ints, seq: Ints, newest: Ints, order: NDArray[Any], moves: Records) -> int:
    """Keep each slot's newest time, by (time, seq), not by arrival; returns the number of moves.

    slot: int32[n], < 0 = skip; time, seq: int64[n]; newest: int64[slots], order: int32 or int64[slots], its seq,
    both updated; moves: MOVE[n], written, placed nowhere.
    """
    count = 0
    for i in range(len(slot)):
        s = slot[i]
        if s < 0:
            continue
        old = newest[s]
        if time[i] < old or (time[i] == old and seq[i] < order[s]):
            continue
        newest[s] = time[i]
        order[s] = seq[i]
        move = moves[count]
        move["row"] = i
        move["slot"] = s
        move["area"] = -1
        move["was"] = 0
        move["now"] = 0
        move["before"] = old
        move["time"] = time[i]
        count += 1
    return count


@njit(cache=True, nogil=True)
def fold_heard(slot: Labels, time: Ints, newest: Ints, moves: Records) -> int:
    """As ``fold_newest``, where it does not matter which of two readings of one time is the newer."""
    count = 0
    for i in range(len(slot)):
        s = slot[i]
        if s < 0 or time[i] <= newest[s]:
            continue
        move = moves[count]
        move["row"] = i
        move["slot"] = s
        move["area"] = -1
        move["was"] = 0
        move["now"] = 0
        move["before"] = newest[s]
        move["time"] = time[i]
        newest[s] = time[i]
        count += 1
    return count


@njit(cache=True, nogil=True)
def place_moves(moves: Records, places: Records, reach: Ints, at: int, counts: Records, bound: Ints) -> None:
    """Say where each move counts, and count who becomes fresh by it.

    places: PLACE[slots]; reach: int64[classes], µs a reading counts for, < 0 = not expected; at: the instant the
    counts are of; counts: COUNT[areas], updated; bound: int64[blocks], no fresh slot expires earlier, updated.
    """
    for k in range(len(moves)):
        move = moves[k]
        place = places[move["slot"]]
        lasts = reach[place["group"]]
        if place["area"] < 0 or lasts < 0:
            move["area"] = -1
            move["was"] = 0
            move["now"] = 0
            continue
        count = counts[place["area"]]
        expiry = move["time"] + lasts
        was = move["before"] + lasts >= at
        now = expiry >= at
        move["area"] = place["area"]
        move["was"] = was
        move["now"] = now
        count["newest"] = max(count["newest"], move["time"])
        count["fresh"] += np.int64(now) - np.int64(was)
        count["times"] += move["time"] * np.int64(now) - move["before"] * np.int64(was)
        block = move["slot"] // BLOCK
        if now and expiry < bound[block]:
            bound[block] = expiry


@njit(cache=True, nogil=True)
def sweep(newest: Ints, places: Records, reach: Ints, before: int, at: int, bound: Ints, slots: Labels) -> int:
    """Find the slots that are fresh at only one of the instants ``before`` and ``at``; returns how many.

    newest: int64[slots]; places, reach as for ``place_moves``; bound: int64[blocks], as of ``before``, made that of
    ``at``; slots: int32[slots], written.
    """
    count = 0
    for block in range(len(bound)):
        if before < at <= bound[block]:
            continue
        first = FOREVER
        for s in range(block * BLOCK, min((block + 1) * BLOCK, len(newest))):
            place = places[s]
            if place["area"] < 0 or reach[place["group"]] < 0:
                continue
            expiry = newest[s] + reach[place["group"]]
            if expiry >= at and expiry < first:
                first = expiry
            if (expiry >= at) != (expiry >= before):
                slots[count] = s
                count += 1
        bound[block] = first
    return count


@njit(cache=True, nogil=True)
def shift_counts(slots: Labels, sign: int, newest: Ints, places: Records, counts: Records) -> None:
    """Count slots in (sign 1) or out (-1): slots int32[n]; newest: int64[slots]; places: PLACE[slots]; counts:
    COUNT[areas], updated.
    """
    for s in slots:
        count = counts[places[s]["area"]]
        count["fresh"] += sign
        count["times"] += sign * newest[s]


@njit(cache=True, nogil=True)
def newest_of_areas(newest: Ints, places: Records, reach: Ints, counts: Records) -> None:
    """The newest time of every area: newest int64[slots]; places, reach as for ``place_moves``; counts: COUNT[areas],
    updated.
    """
    for s in range(len(newest)):
        place = places[s]
        if place["area"] >= 0 and reach[place["group"]] >= 0:
            count = counts[place["area"]]
            count["newest"] = max(count["newest"], newest[s])


@njit(cache=True, nogil=True)
def fresh_areas(newest: Ints, places: Records, reach: Ints, at: int, area: Labels) -> None:
    """Where each slot counts at ``at``: newest int64[n]; places, reach as for ``place_moves``; area: int32[n],
    written, -1 = stale or not expected.
    """
    for s in range(len(area)):
        place = places[s]
        lasts = reach[place["group"]]
        area[s] = place["area"] if lasts >= 0 and newest[s] + lasts >= at else -1


@njit(cache=True, nogil=True)
def move_values(moves: Records, value: Floats, per: Floats, values: Floats, pers: Floats, partials: Records) -> None:
    """Put the values of moves in the place of those before.

    value, per: float64[rows]; values, pers: float64[slots], updated, pers empty = per is 1; partials: PARTIAL[areas],
    updated: count and sums over the fresh slots with a value, and excused ones.
    """
    for k in range(len(moves)):
        move = moves[k]
        s = move["slot"]
        if move["was"]:
            _shift(partials[move["area"]], values[s], pers[s] if len(pers) else 1.0, -1)
        values[s] = value[move["row"]]
        if len(pers):
            pers[s] = per[move["row"]]
        if move["now"]:
            _shift(partials[move["area"]], values[s], pers[s] if len(pers) else 1.0, 1)


@njit(cache=True, nogil=True)
def move_codes(moves: Records, value: Floats, codes: Codes, partials: Records) -> None:
    """As ``move_values`` for values that are 0, 1, not known or NOT_APPLICABLE, kept as codes: int8[slots]."""
    for k in range(len(moves)):
        move = moves[k]
        s = move["slot"]
        if move["was"]:
            _shift_code(partials[move["area"]], codes[s], -1)
        v = value[move["row"]]
        codes[s] = NO if v == 0.0 else YES if v == 1.0 else EXCUSED if v == NOT_APPLICABLE else UNKNOWN
        if move["now"]:
            _shift_code(partials[move["area"]], codes[s], 1)


@njit(cache=True, nogil=True)
def shift_values(slots: Labels, sign: int, places: Records, values: Floats, pers: Floats, partials: Records) -> None:
    """Add the values of slots to their areas' sums (sign 1) or take them out (-1), as ``move_values`` keeps them."""
    for s in slots:
        _shift(partials[places[s]["area"]], values[s], pers[s] if len(pers) else 1.0, sign)


@njit(cache=True, nogil=True)
def shift_codes(slots: Labels, sign: int, places: Records, codes: Codes, partials: Records) -> None:
    """Add the codes of slots to their areas' sums (sign 1) or take them out (-1)."""
    for s in slots:
        _shift_code(partials[places[s]["area"]], codes[s], sign)


@njit(cache=True, nogil=True, inline="always")
def _shift(partial: Records, value: float, per: float, sign: int) -> None:
    if value == NOT_APPLICABLE:
        partial["excused"] += sign
    elif abs(value) < LARGEST and abs(per) < LARGEST:
        if sign > 0:
            add(partial, value, per)
        else:
            subtract(partial, value, per)


@njit(cache=True, nogil=True, inline="always")
def _shift_code(partial: Records, code: int, sign: int) -> None:
    if code == EXCUSED:
        partial["excused"] += sign
    elif code != UNKNOWN:
        partial["count"] += sign
        partial["hi"] += sign * ONE * code
        partial["per_hi"] += sign * ONE
