"""Sums by pane of event time and by area, and their roll-up from streets to the city."""

import numpy as np
from numba import njit

from processing.kernels.exact import LARGEST, ONE, Floats, Ints, Labels, Records, add, merge, merge_sums

SUMS = np.dtype([("count", "i8"), ("hi", "i8"), ("lo", "i8"), ("per_hi", "i8"), ("per_lo", "i8")])
"""Exact sums of one pane and area."""
CODES = np.dtype([("count", "i4"), ("ones", "i4")])
"""Number of values that are 0 or 1 of one pane and area, and of those that are 1."""


@njit(cache=True, nogil=True)
def fold_panes(area: Labels, pane: Ints, value: Floats, per: Floats, pane_of: Ints, partials: Records) -> None:
    """Add readings to the panes of their areas.

    area: int32[n], < 0 = skip; pane: int64[n], number of the pane since 1970; value, per: float64[n], NaN or inf =
    skip; pane_of: int64[panes], which pane a ring position holds now, updated; partials: SUMS[panes, areas], updated.
    A reading whose place in the ring is taken by a later pane is left out.
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
        add(partials[position, a], value[i], per[i])


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
def fold_codes(area: Labels, pane: Ints, value: Floats, pane_of: Ints, panes: Records) -> None:
    """As ``fold_panes`` for values that are 0 or 1, related to 1; others are left out. panes: CODES[panes, areas]."""
    for i in range(len(area)):
        a = area[i]
        if a < 0 or not (value[i] == 0.0 or value[i] == 1.0):
            continue
        position = pane[i] % len(pane_of)
        if pane_of[position] > pane[i]:
            continue
        if pane_of[position] < pane[i]:
            pane_of[position] = pane[i]
            for k in range(panes.shape[1]):
                panes[position, k]["count"] = 0
                panes[position, k]["ones"] = 0
        panes[position, a]["count"] += 1
        panes[position, a]["ones"] += value[i] == 1.0


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
