"""Sums by pane of event time and by area, and their roll-up from streets to the city."""

import numpy as np
from numba import njit

from processing.kernels.exact import LARGEST, Floats, Ints, Labels, Records, add, merge


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
        add(partials[position, a], value[i], per[i])


@njit(cache=True, nogil=True)
def reduce_panes(first: int, last: int, pane_of: Ints, panes: Records, partials: Records) -> None:
    """Merge the panes numbered ``first`` to ``last`` of every area.

    pane_of: int64[panes]; panes: PARTIAL[panes, areas]; partials: PARTIAL[areas], merged into.
    """
    for p in range(len(pane_of)):
        if first <= pane_of[p] <= last:
            for a in range(panes.shape[1]):
                if panes[p, a]["count"] > 0:
                    merge(partials[a], panes[p, a])


@njit(cache=True, nogil=True)
def roll_up(parent: Labels, partials: Records) -> None:
    """Merge every area into its parent, leaves first.

    parent: int32[areas], label of the parent, always lower than the child's own, -1 at the top;
    partials: PARTIAL[areas], updated.
    """
    for a in range(len(parent) - 1, -1, -1):
        if parent[a] >= 0:
            merge(partials[parent[a]], partials[a])
