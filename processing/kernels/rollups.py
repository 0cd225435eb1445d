"""From the sums of streets to those of districts and the city, and what sums come to."""

import numpy as np
from numba import njit

from processing.kernels.exact import HIGH, LOW, Floats, Ints, Labels, Records, merge


@njit(cache=True, nogil=True)
def roll_up(parent: Labels, partials: Records) -> None:
    """Merge every area into its parent, leaves first.

    parent: int32[areas], label of the parent, always lower than the child's own, -1 at the top;
    partials: PARTIAL[areas], updated.
    """
    for a in range(len(parent) - 1, -1, -1):
        if parent[a] >= 0:
            merge(partials[parent[a]], partials[a])


@njit(cache=True, nogil=True)
def ratios(partials: Records, value: Floats, base: Floats) -> None:
    """What sums come to: base = Σ per, value = Σ value / base, NaN where base is not above 0.

    partials: PARTIAL[areas]; value, base: float64[areas], written.
    """
    for a in range(len(partials)):
        sums = partials[a]
        base[a] = sums["per_hi"] / HIGH + sums["per_lo"] / LOW
        value[a] = np.nan
        if base[a] > 0:
            value[a] = (sums["hi"] / HIGH + sums["lo"] / LOW) / base[a]


@njit(cache=True, nogil=True)
def roll_up_counts(parent: Labels, counts: Ints) -> None:
    """Add every area's count to its parent's; parent: as for ``roll_up``; counts: int64[areas], updated."""
    for a in range(len(parent) - 1, -1, -1):
        if parent[a] >= 0:
            counts[parent[a]] += counts[a]
