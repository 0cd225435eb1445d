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
    order: NDArray[np.int64],
    area: NDArray[np.int32],
    value: NDArray[np.float64],
    ids: Sequence[str],
    parents: NDArray[np.int32],
    most: int,
) -> dict[int, list[Laggard]]:
    """The first ``most`` devices of ``order`` in every area, those of its parts included.

    order: slots, worst first; area, value: by slot; ids: by slot; parents: label of each area's parent, -1 at the top.
    """
    labels = area[order]
    by_area = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[by_area], labels[by_area])
    chosen = np.sort(by_area[np.arange(len(by_area)) - first < most])  # the first few of every area, worst first
    found: dict[int, list[Laggard]] = {}
    for position in chosen.tolist():
        slot, label = int(order[position]), int(labels[position])
        while label >= 0:
            members = found.setdefault(label, [])
            if len(members) < most:
                members.append(Laggard(ids[slot], float(value[slot])))
            label = int(parents[label])
    return found
