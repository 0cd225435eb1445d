"""Tables of texts: whom a topic speaks for, and the distinct labels of a column. Open addressing, linear probing."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ingest.kernels.tokens import Text, inner, says

EMPTY = -1
_PRIME = 0x100000001B3
_BASIS = -0x340D631B7BDDDCDB


OWNER_LOW, OWNER_HIGH, DEVICE_KEY, NAME_START, ENTRY = range(5)
"""what ``Spoken.entries`` says of each, and how much that is"""
LOW_BITS = 31


class Spoken(NamedTuple):
    """Which device a topic's speaker means by a name; there may be a million, of 16 bytes and a name each."""

    slots: NDArray[np.int32]
    """number of an entry or EMPTY; a power of two of them, at least one and a half times as many as entries"""
    entries: NDArray[np.int32]
    """[entries + 1, ENTRY]: number of the speaker, LOW_BITS of it and the others; key of the device; where the name
    begins in ``names``, which is where the one before ends"""
    names: Text
    seed: int
    """drawn anew by every process: nobody can choose names that meet in one slot"""


@inner
def _hashed(text: Text, at: int, end: int, seed: int) -> Any:
    """FNV-1a of a text."""
    hashed = np.int64(_BASIS) ^ np.int64(seed)
    for place in range(at, end):
        hashed = (hashed ^ np.int64(text[place])) * np.int64(_PRIME)
    return hashed ^ (hashed >> 29)


@inner
def find(text: Text, at: int, end: int, speaker: int, slots: Any, entries: Any, names: Text, seed: int) -> Any:
    """Key of the device that a speaker means by a name; -1 if that is not in the table."""
    low, high = speaker & ((1 << LOW_BITS) - 1), speaker >> LOW_BITS
    mask = len(slots) - 1
    slot = _hashed(text, at, end, seed + speaker) & mask
    while slots[slot] != EMPTY:
        entry = slots[slot]
        if entries[entry, OWNER_LOW] == low and entries[entry, OWNER_HIGH] == high:
            start, stop = np.int64(entries[entry, NAME_START]), np.int64(entries[entry + 1, NAME_START])
            if stop - start == end - at and says(text, at, names, start, stop):
                return np.int64(entries[entry, DEVICE_KEY])
        slot = (slot + 1) & mask
    return -1


@njit(cache=True, nogil=True)
def enter(first: int, last: int, spoken: Spoken) -> None:
    """Lead to the entries numbered ``first`` to ``last`` - 1."""
    slots, entries, names, seed = spoken.slots, spoken.entries, spoken.names, spoken.seed
    mask = len(slots) - 1
    for entry in range(first, last):
        speaker = (np.int64(entries[entry, OWNER_HIGH]) << LOW_BITS) | np.int64(entries[entry, OWNER_LOW])
        start, end = np.int64(entries[entry, NAME_START]), np.int64(entries[entry + 1, NAME_START])
        slot = _hashed(names, start, end, seed + speaker) & mask
        while slots[slot] != EMPTY:
            slot = (slot + 1) & mask
        slots[slot] = entry


@njit(cache=True, nogil=True)
def intern(
    text: Text, at: NDArray[np.int64], length: NDArray[np.int64], seed: int, slots: NDArray[np.int32],
    codes: NDArray[np.int32], first: NDArray[np.int32],
) -> int:  # fmt: skip
    """Number the distinct texts of a column in the order they come; returns how many there are.

    at, length: of each row's text, length < 0 = none; slots: int32[power of two, at least twice the rows], EMPTY;
    codes: int32[rows], number of each row's text, -1 = none; first: int32[rows], a row for each number.
    """
    mask = len(slots) - 1
    known = 0
    for row in range(len(at)):
        codes[row] = -1
        if length[row] < 0:
            continue
        end = at[row] + length[row]
        slot = _hashed(text, at[row], end, seed) & mask
        while slots[slot] != EMPTY:
            other = first[slots[slot]]
            if length[other] == length[row] and says(text, at[row], text, at[other], at[other] + length[other]):
                break
            slot = (slot + 1) & mask
        if slots[slot] == EMPTY:
            slots[slot] = known
            first[known] = row
            known += 1
        codes[row] = slots[slot]
    return known
