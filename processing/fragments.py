"""The JSON of one index in every area, kept from tick to tick: what did not change is not written again. Pure.

A VALUE is cut where its freshness stands, the one number that changes with every tick:

    head  …"coverage":1.0,"freshness":      freshness  2.5      tail  ,"state":"provisional", … "contributions":[…]}
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from processing.scoring import REASONS, Values

Flags = NDArray[np.bool_]


class Watched:
    """Numbers by area (columns) that are compared with those of the tick before, bit for bit."""

    def __init__(self) -> None:
        self._before: NDArray[np.int64] | None = None

    def changed(self, *rows: NDArray[Any]) -> Flags:
        """Where a number differs from the last time; everywhere, the first time."""
        now = np.array(rows, np.float64).view(np.int64)
        before, self._before = self._before, now
        if before is None or before.shape != now.shape:
            return np.ones(now.shape[1], np.bool_)
        differs: Flags = (now != before).any(axis=0)
        return differs


class Fragments:
    """Heads and tails of one index, by area label."""

    def __init__(self, areas: int, opening: bytes, closing: bytes, unit: str | None) -> None:
        """``opening``: what stands before the fields, the brace included; ``closing``: what follows them; ``unit``:
        None for an index that has a score alone."""
        self.heads, self.tails = [b""] * areas, [b""] * areas
        self._opening, self._closing, self._unit = opening, closing, unit
        self._watched = Watched()

    def update(self, values: Values, also: Flags, contributions: Callable[[int], list[dict[str, Any]]]) -> list[int]:
        """Write anew what changed, and the areas in ``also``, whose contributions did; returns the labels of both."""
        coverage = np.round(values.coverage, 6)
        changed = also | self._watched.changed(values.value, values.score, coverage, values.reason)
        labels: list[int] = np.flatnonzero(changed).tolist()
        for label in labels:
            head = {
                "value": float(values.value[label]) if self._unit is not None else None,
                "unit": self._unit,
                "score": float(values.score[label]),
                "coverage": float(coverage[label]),
            }
            tail = {
                "state": "provisional",
                "revision": 0,
                "reason": REASONS[values.reason[label]],
                "contributions": contributions(label),
            }
            self.heads[label] = self._opening + fields(head) + b',"freshness":'
            self.tails[label] = b"," + fields(tail) + self._closing
        return labels


def fields(of: Mapping[str, Any]) -> bytes:
    """The members of a JSON object, without its braces; NaN is null."""
    return orjson.dumps(of)[1:-1]


def numbers(column: NDArray[Any]) -> list[bytes]:
    """Each number as JSON; NaN is null."""
    return orjson.dumps(column.tolist())[1:-1].split(b",")
