"""What stands behind each index, as the members of a JSON array by area, kept from tick to tick. Pure.

an index      {"id": part, "weight": w, "score": s, "points": p}    for each part that applies in the area
an indicator  {"device": id, "value": v}                            for the devices that pull it down most
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from processing.fragments import Flags, Watched, as_json, fields
from processing.laggards import Laggard

Worst = Mapping[str, Mapping[int, list[Laggard]]]


@dataclass(frozen=True)
class Part:
    """A part of an index."""

    id: str
    weight: float
    row: int
    """among all indices"""


class Shares:
    """What the parts of one index give to it."""

    def __init__(self, areas: int, parts: Sequence[Part]) -> None:
        self.lists = [b""] * areas
        """by area"""
        self._rows = [part.row for part in parts]
        said = [fields({"id": part.id, "weight": part.weight}).replace(b"%", b"%%") for part in parts]
        self._forms = [b"{%b" % one + b',"score":%b,"points":%b}' for one in said]
        self._texts = [[b""] * len(parts) for _ in range(areas)]
        self._watched = Watched()

    def update(self, scores: NDArray[np.float64], applies: Flags, points: NDArray[np.float64]) -> Flags:
        """Where the contributions changed; scores, applies: of all indices, points: of the parts, each by area."""
        own = np.stack((scores[self._rows], points, applies[self._rows]))
        changed = self._watched.changed(own).any(axis=0)
        places, labels = np.nonzero(changed)
        cells = (places.tolist(), labels.tolist(), own[2, places, labels].tolist())
        numbers = as_json(own[0, places, labels]), as_json(own[1, places, labels])
        for place, label, there, score, share in zip(*cells, *numbers, strict=True):
            self._texts[label][place] = self._forms[place] % (score, share) if there else b""
        anywhere = np.asarray(changed.any(axis=0))
        for label in np.flatnonzero(anywhere).tolist():
            self.lists[label] = b",".join(filter(None, self._texts[label]))
        return anywhere


class Laggards:
    """The devices that pull one indicator down."""

    def __init__(self, areas: int) -> None:
        self.lists = [b""] * areas
        """by area"""
        self._before: Mapping[int, list[Laggard]] = {}

    def update(self, worst: Mapping[int, list[Laggard]]) -> list[int]:
        """The areas whose devices are others than at the tick before; ``worst`` is by area."""
        before, self._before = self._before, worst
        if worst is before:
            return []
        labels = [label for label in worst.keys() | before.keys() if worst.get(label) != before.get(label)]
        for label in labels:
            devices = [{"device": one.device, "value": one.value} for one in worst.get(label, [])]
            self.lists[label] = orjson.dumps(devices)[1:-1]
        return labels
