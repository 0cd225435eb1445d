"""How old the newest readings of devices are."""

from numba import njit

from processing.kernels.exact import Ints, Labels, Records, add


@njit(cache=True, nogil=True)
def sum_ages(area: Labels, newest: Ints, oldest: Ints, at: int, partials: Records) -> None:
    """Sum the ages, in seconds, of the devices that are fresh: value = age, per = 1.

    area: int32[devices], < 0 = skip; newest: int64[devices], when each was last heard; oldest: int64[devices], one last
    heard before this is stale; at: µs; partials: PARTIAL[areas], added to.
    """
    for i in range(len(area)):
        if area[i] >= 0 and newest[i] >= oldest[i]:
            add(partials[area[i]], (at - newest[i]) / 1e6, 1.0)
