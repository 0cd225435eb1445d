"""Numbers as most devices send them, such as 12.34: integers over a power of ten that give the number back to the bit.
Pure.
"""

import numpy as np
from numpy.typing import NDArray

POWERS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7)
_LARGEST = 2.0**31 - 1


def whole(values: NDArray[np.float64], power: float) -> NDArray[np.int64] | None:
    """Integers of at most 31 bits that are ``values`` when divided by ``power``; None where one is not, or is missing.

    The quotient of two numbers that are exact is rounded once, so it is the decimal number's own float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * power)
    if not (np.abs(scaled) <= _LARGEST).all():
        return None
    integers: NDArray[np.int64] = scaled.astype(np.int64)
    return integers if ((integers / power).view(np.int64) == values.view(np.int64)).all() else None
