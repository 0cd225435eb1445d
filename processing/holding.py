"""Readings that wait, in little memory: many small batches become few, and each column as narrow as its values allow.

What comes back is bit for bit what went in; only what nobody needs after the commit is left out (the delivery a
reading came in and its place in a pack). Pure.

    integers   least value + differences in 1, 2 or 4 bytes; where neighbours are alike, or one step apart, as in a
               gateway's pack, the steps from one to the next and how often each is made
    decimals   such as 12.34 as integers with the power of ten that gives them back exactly
    labels     as integers; their texts are one
    constant   once
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from devices.contract import Stream
from ingest.batch import Batch, Column, join
from processing.decimals import POWERS, whole

PACKED_FROM = 1_000
"""readings; fewer of a stream wait as they are until others have come"""
_SAMPLE = 64
_LONG_RUN = 16
"""values that are in line, on average, where runs are kept instead of values"""
_END = "\0"
"""of each of the labels that are kept as one text; none holds it"""

_Key = tuple[str, tuple[str, ...]]
_Held = TypeVar("_Held")


class Holding:
    """Batches of any streams, taken out by event time, in no order."""

    def __init__(self) -> None:
        self._loose: dict[_Key, list[Batch]] = {}
        self._counts: dict[_Key, int] = {}
        self._parcels: dict[_Key, list[_Parcel]] = {}

    def __len__(self) -> int:
        """Readings held."""
        return sum(self._counts.values()) + sum(parcel.length for held in self._parcels.values() for parcel in held)

    def put(self, batch: Batch) -> None:
        """Hold a batch."""
        if not len(batch):
            return
        key = batch.stream.name, tuple(batch.columns)
        self._loose.setdefault(key, []).append(batch)
        self._counts[key] = self._counts.get(key, 0) + len(batch)
        if self._counts[key] >= PACKED_FROM:
            del self._counts[key]
            self._parcels.setdefault(key, []).append(_Parcel.of(join(self._loose.pop(key))))

    def take(self, until: int) -> Iterator[Batch]:
        """What was observed at or before ``until`` (µs), one batch after the other: unpacked they take five times the
        memory. Each is held no longer once it is given; nothing may be put in before the last."""
        parcels, loose = self._parcels, self._loose
        self._parcels, self._loose, self._counts = {}, {}, {}
        for key, held in parcels.items():
            for parcel in _emptied(held):
                if parcel.first > until:
                    self._parcels.setdefault(key, []).append(parcel)
                else:
                    yield from self._divide(parcel.unpacked(), until)
        for batches in loose.values():
            for batch in _emptied(batches):
                yield from self._divide(batch, until)

    def _divide(self, batch: Batch, until: int) -> Iterator[Batch]:
        due = batch.time <= until
        if not due.all():
            self.put(batch.take(~due))
            batch = batch.take(due)
        if len(batch):
            yield batch


@dataclass(frozen=True)
class _Parcel:
    """A batch with narrow columns."""

    stream: Stream
    length: int
    first: int
    """µs: nothing was observed before"""
    own: tuple["_Narrow | _Runs", ...]
    """device, time, seq, received"""
    columns: dict[str, "_Narrow | _Runs"]
    texts: dict[str, bytes]
    """of each column of labels, one after the other"""

    @classmethod
    def of(cls, batch: Batch) -> "_Parcel":
        own = narrow(batch.device), narrow(batch.time), narrow(batch.seq), narrow(batch.received)
        columns = {name: narrow(column) for name, column in batch.columns.items()}
        texts = {name: _END.join((*said, "")).encode() for name, said in batch.texts.items()}
        return cls(batch.stream, len(batch), int(batch.time.min()), own, columns, texts)

    def unpacked(self) -> Batch:
        device, time, seq, received = (wide(column, self.length) for column in self.own)
        columns = {name: wide(column, self.length) for name, column in self.columns.items()}
        nowhere, alone = np.zeros(self.length, np.int32), np.full(self.length, -1, np.int32)
        texts = {name: tuple(said.decode().split(_END)[:-1]) for name, said in self.texts.items()}
        return Batch(self.stream, device, time, seq, received, columns, nowhere, alone, texts)


@dataclass(frozen=True)
class _Narrow:
    """A column: ``least`` + ``steps``, over ``power`` unless that is 0. No steps: all alike."""

    dtype: np.dtype[Any]
    least: Any
    steps: NDArray[Any] | None = None
    power: float = 0.0


@dataclass(frozen=True)
class _Runs:
    """Integers by the steps from one to the next, the first from 0, modulo 2⁶⁴: each so many times."""

    dtype: np.dtype[Any]
    steps: NDArray[np.int64]
    times: NDArray[np.uint32]

    @classmethod
    def of(cls, values: NDArray[Any]) -> "_Runs | None":
        """None where it would save little."""
        if len(values) < _LONG_RUN:
            return None
        steps = values.astype(np.int64)
        steps[1:] -= steps[:-1].copy()
        starts = np.concatenate(([0], np.flatnonzero(steps[1:] != steps[:-1]) + 1))
        if _LONG_RUN * len(starts) > len(values):
            return None
        times = np.diff(starts, append=len(values)).astype(np.uint32)
        return cls(values.dtype, steps[starts], times)

    def values(self) -> NDArray[Any]:
        return np.cumsum(np.repeat(self.steps, self.times)).astype(self.dtype)


def _emptied(held: list[_Held]) -> Iterator[_Held]:
    """The members of a list in their order; none is kept by it."""
    held.reverse()
    while held:
        yield held.pop()


def narrow(column: Column) -> _Narrow | _Runs:
    """A column in as few bytes as its values allow; it must not be empty."""
    if column.dtype.kind == "f":
        return _decimals(column)
    narrowed = _integers(column, column.dtype)
    return narrowed if narrowed.steps is None else _Runs.of(column) or narrowed


def wide(column: _Narrow | _Runs, length: int) -> Column:
    """The column as it was."""
    if isinstance(column, _Runs):
        return column.values()
    if column.steps is None:
        return np.full(length, column.least, column.dtype)
    if column.least is None:
        return column.steps
    values = column.least + column.steps.astype(np.int64)
    restored: Column = values / column.power if column.power else values.astype(column.dtype)
    return restored


def _integers(values: NDArray[Any], dtype: np.dtype[Any], power: float = 0.0) -> _Narrow:
    least, span = int(values.min()), int(values.max()) - int(values.min())
    if span == 0 and not power:
        return _Narrow(dtype, least)
    for steps in (np.uint8, np.uint16, np.uint32):
        if span <= np.iinfo(steps).max and np.dtype(steps).itemsize < dtype.itemsize:
            return _Narrow(dtype, least, (values - values.dtype.type(least)).astype(steps), power)
    return _Narrow(dtype, None, values)


def _decimals(values: NDArray[Any]) -> _Narrow:
    """Numbers that are integers over a power of ten, to the bit; else as they are."""
    bits = values.view(np.int64)
    if (bits == bits[0]).all():
        return _Narrow(values.dtype, values[0])
    for power in POWERS:
        sample = values[:_SAMPLE]
        if whole(sample, power) is not None and (steps := whole(values, power)) is not None:
            return _integers(steps, values.dtype, power)
    return _Narrow(values.dtype, None, values)
