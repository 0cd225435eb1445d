"""How old the newest readings of devices are."""

import numpy as np
from numba import njit

from processing.kernels.exact import CARRY, MASK, ONE, Records

_SECOND = np.int64(1_000_000)


@njit(cache=True, nogil=True)
def sum_ages(counts: Records, at: int, partials: Records) -> None:
    """Add the ages, in seconds, of the devices that are fresh: value = age, per = 1.

    counts: COUNT[areas], as of ``at``; at: µs; partials: PARTIAL[areas], added to. An area's sum is n·at − Σ newest, in
    whole µs; that Σ is kept modulo 2⁶⁴ makes no difference, since the ages come to less. It is cut to 2⁻⁶⁰ once.
    """
    for a in range(len(counts)):
        fresh = counts[a]["fresh"]
        micros = fresh * at - counts[a]["times"]
        seconds, rest = micros // _SECOND, micros % _SECOND
        hi, rest = rest * ONE // _SECOND, rest * ONE % _SECOND
        upper, rest = (rest << 25) // _SECOND, (rest << 25) % _SECOND  # 50 bits in two steps: they do not fit at once
        lo = partials[a]["lo"] + (upper << 25) + (rest << 25) // _SECOND
        partials[a]["hi"] += seconds * ONE + hi + (lo >> CARRY)
        partials[a]["lo"] = lo & MASK
        partials[a]["per_hi"] += fresh * ONE
        partials[a]["count"] += fresh
