"""The documents of all areas in pieces that are kept from tick to tick: what did not change is not written again. Pure.

A VALUE is cut where its freshness stands, the one number that changes with every tick:

    head  …"coverage":1.0,"freshness":      freshness  2.5      tail  ,"state":"provisional", … "contributions":[…]}

Arrays have a row for every index, in the order of the documents, and a column for every area.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from processing.scoring import REASONS

Flags = NDArray[np.bool_]

_REASONS = [orjson.dumps(reason) for reason in REASONS]
_FIRST = 3  # pieces before those of the first index: frame, stamp, devices


class Watched:
    """Numbers that are compared with those of the tick before, bit for bit."""

    def __init__(self) -> None:
        self._before: NDArray[np.int64] | None = None

    def changed(self, numbers: NDArray[Any]) -> Flags:
        """Which of them differ from the last time; all, the first time and when there are others."""
        now = np.ascontiguousarray(numbers, np.float64).view(np.int64)
        before, self._before = self._before, now.copy()
        if before is None or before.shape != now.shape:
            return np.ones(now.shape, np.bool_)
        differs: Flags = now != before
        return differs


@dataclass(frozen=True)
class Place:
    """Where an index stands in a document."""

    opening: bytes
    """what stands before its VALUE's fields, the brace included"""
    closing: bytes
    """what follows them"""
    unit: str | None
    """None for an index that has a score alone"""

    def head(self) -> bytes:
        """The head, to be filled with value, score and coverage."""
        value = b'"value":%b,"unit":' + _literal(orjson.dumps(self.unit))
        return _literal(self.opening) + value + b',"score":%b,"coverage":%b,"freshness":'

    def tail(self) -> bytes:
        """The tail, to be filled with reason and contributions."""
        fixed = fields({"state": "provisional", "revision": 0})
        return b"," + fixed + b',"reason":%b,"contributions":[%b]' + _literal(self.closing)


class Pages:
    """The pieces of every area's document."""

    def __init__(self, frames: Sequence[bytes], places: Sequence[Place], end: bytes) -> None:
        """``frames``: how each area's document begins; ``end``: what follows the last index."""
        self._pages = [[frame, b"", b"", *[b""] * (3 * len(places)), end] for frame in frames]
        self._heads, self._tails = [place.head() for place in places], [place.tail() for place in places]
        self._numbers, self._reasons = Watched(), Watched()

    def say_devices(self, label: int, devices: bytes) -> None:
        """Put in how many devices an area has."""
        self._pages[label][2] = devices

    def say_numbers(self, numbers: NDArray[np.float64]) -> None:
        """Write the heads of what changed; numbers: value, score and coverage of each index, (indices, 3, areas)."""
        rows, labels = np.nonzero(self._numbers.changed(numbers).any(axis=1))
        value, score, coverage = (as_json(numbers[rows, field, labels]) for field in range(3))
        for row, label, *said in zip(rows.tolist(), labels.tolist(), value, score, coverage, strict=True):
            self._pages[label][_FIRST + 3 * row] = self._heads[row] % tuple(said)

    def say_reasons(self, reasons: NDArray[np.int8], also: Flags, lists: Sequence[Sequence[bytes]]) -> None:
        """Write the tails of what changed, and those in ``also``, whose contributions did; lists: these by index and
        area, as the members of a JSON array."""
        rows, labels = np.nonzero(self._reasons.changed(reasons) | also)
        of = reasons[rows, labels].tolist()
        for row, label, reason in zip(rows.tolist(), labels.tolist(), of, strict=True):
            self._pages[label][_FIRST + 3 * row + 2] = self._tails[row] % (_REASONS[reason], lists[row][label])

    def write(self, stamp: bytes, freshness: NDArray[np.float64]) -> Iterator[bytes]:
        """Every area's document; ``stamp``: what this tick says of itself; freshness: (indices, areas), seconds."""
        many, ages = len(freshness), as_json(freshness.T)
        for start, page in zip(range(0, len(ages), many), self._pages, strict=True):
            page[1] = stamp
            page[_FIRST + 1 : -1 : 3] = ages[start : start + many]
            yield b"".join(page)


def fields(of: Mapping[str, Any]) -> bytes:
    """The members of a JSON object, without its braces; NaN is null."""
    return orjson.dumps(of)[1:-1]


def as_json(numbers: NDArray[np.float64]) -> list[bytes]:
    """Each number as JSON, row after row; NaN is null."""
    if not numbers.size:
        return []
    text = orjson.dumps(np.ascontiguousarray(numbers).reshape(-1), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")


def _literal(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")
