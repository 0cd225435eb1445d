"""Numbers for texts, the same in every process."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processing.kernels.exact import Ints

Numbers = NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ over the golden ratio (Knuth, TAOCP 3, 6.4): its small multiples lie far from each other"""
_HALF = np.uint64(32)


@njit(cache=True, nogil=True)
def number_texts(points: NDArray[np.uint32], length: Ints, number: Numbers) -> None:
    """Take one more text into the number of each row; 64 bits, so that no two rows of a city meet by chance.

    points: uint32[Σ length], the code points of all texts in a row; length: int64[n], -1 = no text; number: uint64[n],
    updated, 0 before the first text. Rows of equal texts get equal numbers, and nothing else counts.
    """
    k = 0
    for i in range(len(length)):
        mixed = _mixed(number[i], np.uint64(length[i] + 1))
        for _ in range(length[i]):
            mixed = _mixed(mixed, np.uint64(points[k]))
            k += 1
        number[i] = mixed


@njit(cache=True, nogil=True, inline="always")
def _mixed(number: np.uint64, point: np.uint64) -> np.uint64:
    """A step that loses nothing: two numbers, or two points, never become one."""
    product = (number ^ point) * _GOLDEN
    return product ^ (product >> _HALF)
