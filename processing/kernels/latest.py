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
