"""Compiled loops over readings and devices; numpy arrays in, numpy arrays out.

Rules for all of them: 1-D contiguous arrays of equal length, a label < 0 skips its row, the array written to comes
last. Times are int64 microseconds since 1970.

Sums are exact whatever the order of addition: a value v is cut into the integers hi = ⌊v·2¹⁰⌋ and
lo = ⌊(v − hi·2⁻¹⁰)·2⁶⁰⌋, which are added as integers with a carry that keeps 0 ≤ lo < 2⁵⁰, and put together again at
the end: Σv = hi·2⁻¹⁰ + lo·2⁻⁶⁰. So the same readings give the same bits in any order, batch or merge. A value is kept
to 2⁻⁶⁰; |v| must be below 2⁴⁰ (a larger one counts as not known) and |Σv| below 2⁵³; the number of values is free.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEVER = np.int64(-(2**62))
"""time of something that has not happened"""
NOT_APPLICABLE = np.inf
"""value of a device that has nothing to measure for now, such as a closed bay"""
LARGEST = 2.0**40
"""values from here on count as not known"""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Flags = NDArray[np.bool_]
Records = NDArray[np.void]
Slots = NDArray[np.int64]

LATEST = np.dtype([("time", "i8"), ("seq", "i8"), ("value", "f8"), ("per", "f8")], align=True)
"""Newest reading of one device; value NaN = the device says that it does not know, inf = NOT_APPLICABLE."""

PARTIAL = np.dtype(
    [
        ("count", "i8"),
        ("hi", "i8"),
        ("lo", "i8"),
        ("per_hi", "i8"),
        ("per_lo", "i8"),
        ("fresh", "i8"),
        ("excused", "i8"),
        ("reporting", "i8"),
        ("newest", "i8"),
    ],
    align=True,
)
"""Mergeable sums of one area: of values, of the values they are related to (per); devices that were heard lately
(fresh), of those the ones with nothing to measure (excused) and the ones with a value (reporting); newest time."""

HIGH = 2.0**10
ONE = 2**10
LOW = 2.0**60
CARRY = 50
MASK = 2**CARRY - 1


def empty_partials(shape: int | tuple[int, ...]) -> Records:
    """Partials of nothing, the neutral element of merging."""
    partials = np.zeros(shape, PARTIAL)
    partials["newest"] = NEVER
    return partials


def total(hi: Ints, lo: Ints) -> Floats:
    """Put exact sums together again."""
    result: Floats = hi.astype(np.float64) / HIGH + lo.astype(np.float64) / LOW
    return result


@njit(cache=True, nogil=True, inline="always")
def _add(partial: Any, value: float, per: float) -> None:
    hi = np.floor(value * HIGH)
    lo = partial["lo"] + np.int64((value - hi / HIGH) * LOW)
    partial["hi"] += np.int64(hi) + (lo >> CARRY)
    partial["lo"] = lo & MASK
    if per == 1.0:  # a plain mean or count
        partial["per_hi"] += ONE
    else:
        hi = np.floor(per * HIGH)
        lo = partial["per_lo"] + np.int64((per - hi / HIGH) * LOW)
        partial["per_hi"] += np.int64(hi) + (lo >> CARRY)
        partial["per_lo"] = lo & MASK
    partial["count"] += 1


@njit(cache=True, nogil=True, inline="always")
def _merge(into: Any, other: Any) -> None:
    lo = into["lo"] + other["lo"]
    into["hi"] += other["hi"] + (lo >> CARRY)
    into["lo"] = lo & MASK
    lo = into["per_lo"] + other["per_lo"]
    into["per_hi"] += other["per_hi"] + (lo >> CARRY)
    into["per_lo"] = lo & MASK
    into["count"] += other["count"]
    into["fresh"] += other["fresh"]
    into["excused"] += other["excused"]
    into["reporting"] += other["reporting"]
    into["newest"] = max(into["newest"], other["newest"])


@njit(cache=True, nogil=True)
def fold_latest(slot: Labels, time: Ints, seq: Ints, value: Floats, per: Floats, latest: Records) -> None:
    """Keep each device's newest reading, by (time, seq), not by arrival.

    slot: int32[n] device, < 0 = skip; time, seq: int64[n]; value, per: float64[n], NaN = known to be unknown;
    latest: LATEST[devices], updated.
    """
    for i in range(len(slot)):
        s = slot[i]
        if s < 0:
            continue
        old = latest[s]
        if time[i] > old["time"] or (time[i] == old["time"] and seq[i] >= old["seq"]):
            old["time"] = time[i]
            old["seq"] = seq[i]
            old["value"] = value[i]
            old["per"] = per[i]


@njit(cache=True, nogil=True)
def fold_seen(slot: Labels, time: Ints, seen: Ints) -> None:
    """Note when each device was last heard: slot int32[n], < 0 = skip; time int64[n]; seen int64[devices], updated."""
    for i in range(len(slot)):
        if slot[i] >= 0 and time[i] > seen[slot[i]]:
            seen[slot[i]] = time[i]


@njit(cache=True, nogil=True)
def fold_panes(area: Labels, pane: Ints, value: Floats, per: Floats, pane_of: Ints, partials: Records) -> None:
    """Add readings to the panes of their areas.

    area: int32[n], < 0 = skip; pane: int64[n], number of the pane since 1970; value, per: float64[n], NaN or inf =
    skip; pane_of: int64[panes], which pane a ring position holds now, updated; partials: PARTIAL[panes, areas],
    updated. A reading whose place in the ring is taken by a later pane is left out.
    """
    panes = len(pane_of)
    number = np.int64(-1)
    position = np.int64(panes - 1)
    for i in range(len(area)):
        a = area[i]
        if a < 0 or not (abs(value[i]) < LARGEST and abs(per[i]) < LARGEST):
            continue
        if pane[i] != number:  # dividing is dear, and neighbours mostly share their pane
            number = pane[i]
            position = number % panes
        if pane_of[position] > pane[i]:
            continue
        if pane_of[position] < pane[i]:
            pane_of[position] = pane[i]
            for k in range(partials.shape[1]):
                fresh = partials[position, k]
                fresh["count"] = 0
                fresh["hi"] = 0
                fresh["lo"] = 0
                fresh["per_hi"] = 0
                fresh["per_lo"] = 0
        _add(partials[position, a], value[i], per[i])


@njit(cache=True, nogil=True)
def reduce_latest(area: Labels, oldest: Ints, latest: Records, partials: Records) -> None:
    """Sum the newest values of the devices that are fresh, by area.

    area: int32[devices], < 0 = skip; oldest: int64[devices], a reading before this is stale;
    latest: LATEST[devices], value NaN = heard, without a value; partials: PARTIAL[areas], added to.
    """
    for i in range(len(area)):
        a = area[i]
        if a < 0:
            continue
        device = latest[i]
        partial = partials[a]
        partial["newest"] = max(partial["newest"], device["time"])
        if device["time"] < oldest[i]:
            continue
        partial["fresh"] += 1
        if device["value"] == NOT_APPLICABLE:
            partial["excused"] += 1
        elif abs(device["value"]) < LARGEST and abs(device["per"]) < LARGEST:
            partial["reporting"] += 1
            _add(partial, device["value"], device["per"])


@njit(cache=True, nogil=True)
def reduce_seen(area: Labels, oldest: Ints, seen: Ints, partials: Records) -> None:
    """Count the devices heard since ``oldest``, by area.

    area: int32[devices], < 0 = skip; oldest, seen: int64[devices]; partials: PARTIAL[areas], added to.
    """
    for i in range(len(area)):
        if area[i] < 0:
            continue
        partial = partials[area[i]]
        partial["newest"] = max(partial["newest"], seen[i])
        if seen[i] >= oldest[i]:
            partial["fresh"] += 1
            partial["reporting"] += 1


@njit(cache=True, nogil=True)
def reduce_panes(first: int, last: int, pane_of: Ints, panes: Records, partials: Records) -> None:
    """Merge the panes numbered ``first`` to ``last`` of every area.

    pane_of: int64[panes]; panes: PARTIAL[panes, areas]; partials: PARTIAL[areas], merged into.
    """
    for p in range(len(pane_of)):
        if first <= pane_of[p] <= last:
            for a in range(panes.shape[1]):
                if panes[p, a]["count"] > 0:
                    _merge(partials[a], panes[p, a])


@njit(cache=True, nogil=True)
def roll_up(parent: Labels, partials: Records) -> None:
    """Merge every area into its parent, leaves first.

    parent: int32[areas], label of the parent, always lower than the child's own, -1 at the top;
    partials: PARTIAL[areas], updated.
    """
    for a in range(len(parent) - 1, -1, -1):
        if parent[a] >= 0:
            _merge(partials[parent[a]], partials[a])


@njit(cache=True, nogil=True)
def lowest_ranks(area: Labels, rank: Floats, slots: Slots) -> None:
    """The devices of lowest rank in every area, lowest first; of equal ones those of lower slot.

    area: int32[devices], < 0 = skip; rank: float64[devices], NaN = skip; slots: int64[areas, most], written, -1 where
    an area has fewer.
    """
    most = slots.shape[1]
    slots[:] = -1
    for i in range(len(area)):
        a = area[i]
        if a < 0 or np.isnan(rank[i]):
            continue
        last = slots[a, most - 1]
        if last >= 0 and rank[last] <= rank[i]:
            continue
        k = most - 1
        while k > 0 and (slots[a, k - 1] < 0 or rank[slots[a, k - 1]] > rank[i]):
            slots[a, k] = slots[a, k - 1]
            k -= 1
        slots[a, k] = i


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
            _add(partials[area[i]], h * h, h)
