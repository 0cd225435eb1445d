"""The devices that pull an indicator down most, for every area; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Laggard:
    """A device that pulls an indicator down, with its own value."""

    device: str
    value: float


def worst_by_area(
    lowest: NDArray[np.int64], value: NDArray[np.float64], ids: Sequence[str]
) -> dict[int, list[Laggard]]:
    """The devices of every area that has any; lowest: int64[areas, most], slots, worst first, -1 = none; value, ids: by
    slot."""
    known: dict[int, Laggard] = {}  # a device stands in the lists of its street, its district and the city
    found: dict[int, list[Laggard]] = {}
    for label, slots in enumerate(lowest.tolist()):
        members = []
        for slot in slots:
            if slot >= 0:
                if slot not in known:
                    known[slot] = Laggard(ids[slot], float(value[slot]))
                members.append(known[slot])
        if members:
            found[label] = members
    return found
