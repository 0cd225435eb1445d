"""Numbers for texts, the same in every process."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processing.kernels.exact import Ints, Labels

Numbers = NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ over the golden ratio (Knuth, TAOCP 3, 6.4): its small multiples lie far from each other"""
_HALF = np.uint64(32)


@njit(cache=True, nogil=True)
def number_labels(points: NDArray[np.uint32], ends: Ints, codes: Labels, number: Numbers) -> None:
    """Take one more text into the number of each row; 64 bits, so that no two rows of a city meet by chance.

    points: uint32[Σ lengths], the code points of the texts one after the other; ends: int64[texts + 1], where each
    begins and ends; codes: int32[n], which text a row says, -1 = none; number: uint64[n], updated, 0 before the first
    text. Rows of equal texts get equal numbers, and nothing else counts.
    """
    for i in range(len(codes)):
        start, end = (ends[codes[i]], ends[codes[i] + 1]) if codes[i] >= 0 else (0, -1)
        mixed = _mixed(number[i], np.uint64(end - start + 1))
        for k in range(start, end):
            mixed = _mixed(mixed, np.uint64(points[k]))
        number[i] = mixed


@njit(cache=True, nogil=True, inline="always")
def _mixed(number: np.uint64, point: np.uint64) -> np.uint64:
    """A step that loses nothing: two numbers, or two points, never become one."""
    product = (number ^ point) * _GOLDEN
    return product ^ (product >> _HALF)
