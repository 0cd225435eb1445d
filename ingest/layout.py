"""What the compiled scanner has to know of a stream, as arrays; pure."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from devices.contract import LARGEST_INTEGER, FieldSpec, FieldType, Stream
from devices.units import EARLIEST_MILLIS, LATEST_MILLIS
from ingest import kernels
from ingest.batch import MISSING, NO_SEQ, Column
from ingest.labels import Codes, Texts

MOST_FIELDS = 60
"""of a stream, since a reading's fields are noted in 64 bits"""
NO_NUL = r"^[^\x00]*$"
"""the one pattern of a label that needs no look: a text without escapes holds no NUL"""
_LARGEST_NUMBER = float(np.finfo(np.float64).max)
_KINDS: dict[FieldType, int] = {
    "number": kernels.NUMBER,
    "integer": kernels.INTEGER,
    "boolean": kernels.BOOLEAN,
    "choice": kernels.CHOICE,
    "label": kernels.LABEL,
    "instant": kernels.INSTANT,
    "point": kernels.POINT,
}
_EMPTY: dict[FieldType, int] = {"integer": MISSING, "instant": MISSING}
"""what stands for a missing value, where that is not -1"""
_IDENTITY = (
    (FieldSpec("dateObserved", "instant"), kernels.TIME, kernels.INSTANT, MISSING),
    (FieldSpec("seq", "integer", lower=0, upper=2**53 - 1), kernels.SEQ, kernels.INTEGER, NO_SEQ),
    (FieldSpec("device", "label"), kernels.NAMED, kernels.DEVICE, -1),
)
_TIME_BIT = 1


@dataclass(frozen=True)
class StreamLayout:
    """Arrays for the scanner, and where it puts what."""

    stream: Stream
    arrays: kernels.Layout
    columns: tuple[int, ...]
    """of each field, among the numbers or the other cells"""
    numbers: int
    cells: int

    def room(self, count: int) -> kernels.Rows:
        """Columns for so many rows, not filled."""
        return kernels.Rows(np.empty((self.cells, count), np.int64), np.empty((self.numbers, count), np.float64))

    def columns_of(self, rows: kernels.Rows, text: bytes, count: int) -> tuple[dict[str, Column], dict[str, Texts]]:
        """The first ``count`` rows as the columns of a batch and their texts; ``text`` is what they were read from."""
        found: dict[str, Column] = {}
        texts: dict[str, Texts] = {}
        for spec, column in zip(self.stream.fields, self.columns, strict=True):
            if spec.type in ("number", "point"):
                for name, numbers in zip(spec.columns, rows.numbers[column:], strict=False):
                    found[name] = numbers[:count]
                continue
            name, cells = spec.columns[0], rows.cells[column, :count]
            match spec.type:
                case "boolean":
                    found[name] = cells.astype(np.int8)
                case "choice":
                    found[name] = cells.astype(np.int16)
                case "label":
                    found[name], texts[name] = texts_at(text, rows.cells[column + 1, :count], cells)
                case _:
                    found[name] = cells.copy()
        return found, texts


@lru_cache(maxsize=256)
def layout_of(stream: Stream) -> StreamLayout | None:
    """The layout of a stream; None where only its model can judge a reading."""
    if not stream.by_column or len(stream.fields) > MOST_FIELDS or not all(map(_is_plain, stream.fields)):
        return None
    words, fields, bounds, columns = bytearray(), [], [], []
    choices: list[tuple[int, int]] = []
    numbers, cells = 0, kernels.OTHERS
    for spec in stream.fields:
        columns.append(numbers if spec.type in ("number", "point") else cells)
        numbers += {"number": 1, "point": 2}.get(spec.type, 0)
        cells += {"number": 0, "point": 0, "label": 2}.get(spec.type, 1)
    own = [
        (s, column, _KINDS[s.type], _EMPTY.get(s.type, -1)) for s, column in zip(stream.fields, columns, strict=True)
    ]
    for spec, column, kind, empty in (*_IDENTITY, *own):
        name = _put(words, spec.name)
        first = len(choices)
        choices += [_put(words, choice) for choice in spec.choices]
        fields.append((*name, kind, column, empty, *_range(spec), first, len(choices)))
        bounds.append(_bounds(spec))
    places = range(len(_IDENTITY), len(fields))
    required = sum(1 << place for place, spec in zip(places, stream.fields, strict=True) if spec.required)
    measured = sum(1 << place for place in places)
    layout = kernels.Layout(
        fields=np.array(fields, np.int64),
        bounds=np.array(bounds, np.float64),
        words=np.frombuffer(bytes(words), np.uint8),
        choices=np.array(choices, np.int64).reshape(-1, 2),
        demands=np.array([required | _TIME_BIT, measured], np.int64),
    )
    return StreamLayout(stream, layout, tuple(columns), numbers, cells)


def _put(words: bytearray, word: str) -> tuple[int, int]:
    """Add a word; returns where it stands."""
    start = len(words)
    words += word.encode()
    return start, len(words)


def texts_at(text: bytes, at: NDArray[np.int64], length: NDArray[np.int64]) -> tuple[Codes, Texts]:
    """Texts of a column, each made once; length < 0 = missing."""
    count = len(at)
    slots = np.full(1 << (2 * count).bit_length(), -1, np.int32)
    codes, first = np.empty(count, np.int32), np.empty(count, np.int32)
    known = kernels.intern(np.frombuffer(text, np.uint8), at, length, _SEED, slots, codes, first)
    chosen = first[:known]
    starts, ends = at[chosen], at[chosen] + length[chosen]
    texts = tuple(text[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
    return codes, texts


_SEED = int.from_bytes(np.random.default_rng().bytes(6), "big")
"""drawn anew by every process"""


def _is_plain(spec: FieldSpec) -> bool:
    """Whether the scanner knows all that a field demands."""
    if spec.type == "integer":
        return all(bound is None or float(bound).is_integer() for bound in (spec.lower, spec.upper))
    return spec.pattern in (None, NO_NUL)


def _bounds(spec: FieldSpec) -> tuple[float, float]:
    """Least and greatest number that is right."""
    lower, upper = -_LARGEST_NUMBER, _LARGEST_NUMBER
    if spec.lower is not None:
        lower = float(np.nextafter(spec.lower, np.inf)) if spec.exclusive_lower else float(spec.lower)
    if spec.upper is not None:
        upper = float(np.nextafter(spec.upper, -np.inf)) if spec.exclusive_upper else float(spec.upper)
    return lower, upper


def _range(spec: FieldSpec) -> tuple[int, int]:
    """Least and greatest integer that is right: itself, the length of a label, or milliseconds."""
    least, most = -LARGEST_INTEGER, LARGEST_INTEGER
    if spec.type == "instant":
        return EARLIEST_MILLIS, LATEST_MILLIS
    if spec.type == "label":
        return spec.min_length, most if spec.max_length is None else spec.max_length
    if spec.type == "integer" and spec.lower is not None:
        least = max(least, int(spec.lower) + spec.exclusive_lower)
    if spec.type == "integer" and spec.upper is not None:
        most = min(most, int(spec.upper) - spec.exclusive_upper)
    return least, most
