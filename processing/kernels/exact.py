"""Sums that are exact whatever the order of addition, and what all kernels share.

A value v is cut into the integers hi = ⌊v·2¹⁰⌋ and lo = ⌊(v − hi·2⁻¹⁰)·2⁶⁰⌋, which are added as integers with a carry
that keeps 0 ≤ lo < 2⁵⁰, and put together again at the end: Σv = hi·2⁻¹⁰ + lo·2⁻⁶⁰. So the same readings give the same
bits in any order, batch or merge. A value is kept to 2⁻⁶⁰; |v| must be below 2⁴⁰ (a larger one counts as not known)
and |Σv| below 2⁵³; the number of values is free.

A function that kernels of several files call stands here and nowhere else: numba's cache does not notice that it
changed, so this file names the cache (see ``__init__``).
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
Codes = NDArray[np.int8]
Records = NDArray[np.void]
Slots = NDArray[np.int64]

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
"""hi of the value 1"""
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
def add(partial: Any, value: float, per: float) -> None:
    """Add a value and what it is related to; both below LARGEST."""
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
def subtract(partial: Any, value: float, per: float) -> None:
    """Take out what was added: the sums are bit for bit those without it."""
    hi = np.floor(value * HIGH)
    lo = partial["lo"] - np.int64((value - hi / HIGH) * LOW)
    partial["hi"] += (lo >> CARRY) - np.int64(hi)
    partial["lo"] = lo & MASK
    if per == 1.0:
        partial["per_hi"] -= ONE
    else:
        hi = np.floor(per * HIGH)
        lo = partial["per_lo"] - np.int64((per - hi / HIGH) * LOW)
        partial["per_hi"] += (lo >> CARRY) - np.int64(hi)
        partial["per_lo"] = lo & MASK
    partial["count"] -= 1


@njit(cache=True, nogil=True, inline="always")
def merge_sums(into: Any, other: Any) -> None:
    """Add up the sums of two partials."""
    lo = into["lo"] + other["lo"]
    into["hi"] += other["hi"] + (lo >> CARRY)
    into["lo"] = lo & MASK
    lo = into["per_lo"] + other["per_lo"]
    into["per_hi"] += other["per_hi"] + (lo >> CARRY)
    into["per_lo"] = lo & MASK
    into["count"] += other["count"]


@njit(cache=True, nogil=True, inline="always")
def merge(into: Any, other: Any) -> None:
    """Add up two partials."""
    merge_sums(into, other)
    into["fresh"] += other["fresh"]
    into["excused"] += other["excused"]
    into["reporting"] += other["reporting"]
    into["newest"] = max(into["newest"], other["newest"])
