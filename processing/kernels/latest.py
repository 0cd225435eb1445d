"""Newest readings by device, and when devices were last heard."""

import numpy as np
from numba import njit

from processing.kernels.exact import LARGEST, NOT_APPLICABLE, Floats, Ints, Labels, Records, Slots, add

LATEST = np.dtype([("time", "i8"), ("seq", "i8"), ("value", "f8"), ("per", "f8")], align=True)
"""Newest reading of one device; value NaN = the device says that it does not know, inf = NOT_APPLICABLE."""


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
            add(partial, device["value"], device["per"])


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
def lowest_ranks(area: Labels, value: Floats, sign: float, slots: Slots) -> None:
    """The devices of lowest rank = sign · value in every area, lowest first; of equal ones those of lower slot.

    area: int32[devices], < 0 = skip; value: float64[devices], NaN or inf = skip; sign: 1 or -1; slots: int64[areas,
    most], written, -1 where an area has fewer.
    """
    slots[:] = -1
    bound = np.full(len(slots), np.inf)  # what an area still takes
    for i in range(len(area)):
        a = area[i]
        rank = sign * value[i]
        if a >= 0 and -np.inf < rank < bound[a]:
            bound[a] = _put_in(i, value, sign, slots[a])


@njit(cache=True, nogil=True)
def roll_up_lowest(parent: Labels, value: Floats, sign: float, slots: Slots) -> None:
    """Let every area's lowest devices be those of its parts too.

    parent: int32[areas], label of the parent, always lower than the child's own, -1 at the top; value, sign, slots: as
    for ``lowest_ranks``, slots updated.
    """
    for a in range(len(parent) - 1, -1, -1):
        for i in slots[a]:
            if parent[a] >= 0 and i >= 0:
                _put_in(i, value, sign, slots[parent[a]])


@njit(cache=True, nogil=True, inline="always")
def _put_in(i: int, value: Floats, sign: float, row: Slots) -> float:
    """Put a slot in its place in an area's row, if it has one; returns the rank from which on the row takes no more."""
    rank = sign * value[i]
    last = len(row) - 1
    k = last + 1
    while k > 0 and (row[k - 1] < 0 or _after(sign * value[row[k - 1]], row[k - 1], rank, i)):
        k -= 1
    for j in range(last, k, -1):
        row[j] = row[j - 1]
    if k <= last:
        row[k] = i
    return float(sign * value[row[last]]) if row[last] >= 0 else np.inf


@njit(cache=True, nogil=True, inline="always")
def _after(rank: float, slot: int, other: float, other_slot: int) -> bool:
    return bool(rank > other or (rank == other and slot > other_slot))
