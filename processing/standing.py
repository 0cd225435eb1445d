"""What trackers are given and give back: readings with their place, the devices expected, and what was measured."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch

Labels = NDArray[np.int32]
Instants = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Readings of one stream with the slot and the area of their devices."""

    batch: Batch
    slot: Labels
    area: Labels


@dataclass(frozen=True)
class Standing:
    """The devices an indicator expects, at the time of a tick."""

    area: Labels
    """area of each slot, -1 = not expected"""
    oldest: Instants
    """a slot whose newest reading is before this is stale"""
    seen: Instants
    """when the slot was last heard on any stream"""


@dataclass(frozen=True)
class Measured:
    """What an indicator came to in every area."""

    value: Floats
    """NaN where there was nothing to measure"""
    partials: NDArray[np.void]
    """kernels.PARTIAL[areas], rolled up"""
    idle: NDArray[np.bool_]
    """where the devices do report, and what is measured does not occur"""
    base: Floats
    """what the value weighs against its neighbours': the denominator of a ratio of sums (devices, spots, kW, readings),
    1 for a plain sum, NaN where the value is neither"""


def enlarged(array: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    """The array with at least ``size`` places, new ones filled."""
    if len(array) >= size:
        return array
    larger = np.full(size, np.array(fill, array.dtype))
    larger[: len(array)] = array
    return larger


def quotient(value: Floats, by: Floats) -> Floats:
    """value / by, NaN where ``by`` is not above 0."""
    result: Floats = np.divide(value, by, out=np.full(len(value), np.nan), where=by > 0)
    return result


def counted(area: Labels, parents: Labels) -> NDArray[np.int64]:
    """How many devices (or arrivals) each area has, its parts included; ``area``: label of each of them, -1 = none."""
    counts: NDArray[np.int64] = np.bincount(area[area >= 0], minlength=len(parents)).astype(np.int64)
    for label in range(len(parents) - 1, 0, -1):
        counts[parents[label]] += counts[label]
    return counts
