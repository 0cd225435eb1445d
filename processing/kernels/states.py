"""What a device was in each pane of time, in one of two states or neither; how often and how long in the second.

A ring of panes by slot: bit 1 = a reading of the pane said the first state (low), bit 2 = one said the second (high).
Bits are set, never taken back, so the order of readings does not matter. Panes are counted from 1970; a ring of n
holds those from newest - n + 1 to newest, pane p at position p modulo n.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processing.kernels.exact import Codes, Ints, Labels, Records

LOW, HIGH = 1, 2
STATES_PER_BYTE = 4
SPELLS = np.dtype([("begun", "i8"), ("under_way", "i8"), ("high", "i8"), ("known", "i8")])
"""Changes from low to high; whether the first known state is high; panes in the high state; panes from the first known
to the last."""

States = NDArray[np.uint8]


@njit(cache=True, nogil=True)
def fold_states(slot: Labels, pane: Ints, state: Codes, panes: int, newest: NDArray[Any], states: States) -> None:
    """Note states in their panes.

    slot: int32[n], < 0 = skip; pane: int64[n]; state: int8[n], LOW, HIGH or 0 = neither, which moves the ring on all
    the same; panes: length of the ring; newest: int32 or int64[slots], newest pane, < 0 before the first, updated;
    states: uint8[slots, panes / 4 or more], 2 bits a pane, updated. A pane the ring has left behind is left out.
    """
    for i in range(len(slot)):
        s = slot[i]
        if s < 0 or pane[i] <= newest[s] - panes:
            continue
        if pane[i] > newest[s]:
            for p in range(max(newest[s] + 1, pane[i] - panes + 1), pane[i] + 1):
                place = p % panes
                states[s, place >> 2] &= ~np.uint8(3 << (place & 3) * 2)
            newest[s] = pane[i]
        place = pane[i] % panes
        states[s, place >> 2] |= np.uint8(int(state[i]) << (place & 3) * 2)


@njit(cache=True, nogil=True)
def spells(slots: Labels, panes: int, newest: NDArray[Any], states: States, found: Records) -> None:
    """Walk through each slot's panes; a pane is high if a reading of it was, and its state lasts to the next known one.

    slots: int32[n]; panes, newest, states: as ``fold_states`` keeps them; found: SPELLS[n], written.
    """
    for i in range(len(slots)):
        s = slots[i]
        begun = under_way = high = 0
        first = last = -1
        was_high = False
        for p in range(max(0, int(newest[s]) - panes + 1), int(newest[s]) + 1):
            place = p % panes
            state = states[s, place >> 2] >> (place & 3) * 2 & 3
            if state == 0:
                continue
            is_high = (state & HIGH) != 0
            if first < 0:
                first = p
                under_way = int(is_high)
            else:
                high += (p - last) * int(was_high)
                begun += int(is_high and not was_high)
            last = p
            was_high = is_high
        found[i]["begun"] = begun
        found[i]["under_way"] = under_way
        found[i]["high"] = high
        found[i]["known"] = last - first
