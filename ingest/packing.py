"""Lay a batch out as PostgreSQL binary COPY rows with numpy, without a Python loop over readings.

Rows of one width are a structured array: 16-bit field count, then for each field a 32-bit length and the bytes,
all big-endian; a null is the length -1 with no bytes. Rows are grouped by their null pattern and text lengths, so
that each group has one width. Formats of the values are those of PostgreSQL's ``*_recv`` functions; timestamps are
microseconds since 2000-01-01.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.contract import FieldSpec
from ingest.batch import MISSING, Batch, Column
from ingest.labels import Codes, Texts

POSTGRES_EPOCH = 946_684_800_000_000
"""microseconds from 1970 to 2000"""
HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_NULL = -1


@dataclass(frozen=True)
class _Packed:
    """A column ready to lay out: its bytes in rows of equal or varying width, and each row's width (-1 = null)."""

    name: str
    data: NDArray[np.generic]
    width: NDArray[np.int32]


def pack(batch: Batch) -> Iterator[bytes]:
    """Yield blocks of a binary COPY stream of the batch: device, date_observed, seq, received_at, then the fields."""
    yield HEADER
    for _, block in pack_rows(batch):
        yield block
    yield TRAILER


def pack_rows(batch: Batch) -> Iterator[tuple[NDArray[np.intp] | slice, bytes]]:
    """Yield what lies between header and trailer: rows of one width, and which readings of the batch they are."""
    count = len(batch)
    packed = [
        _fixed("device", batch.device, ">i4"),
        _fixed("date_observed", batch.time - POSTGRES_EPOCH, ">i8"),
        _fixed("seq", batch.seq, ">i8"),
        _fixed("received_at", batch.received - POSTGRES_EPOCH, ">i8"),
    ]
    for spec in batch.stream.fields:
        for name in spec.columns:
            if spec.type == "label":
                packed.append(_labels(name, batch.columns[name], batch.texts[name]))
            else:
                packed.append(_field(spec, name, batch.columns[name]))
    for rows in _groups(packed, count):
        yield rows, _layout(packed, rows)


def _fixed(name: str, values: Column, dtype: str, null: NDArray[np.bool_] | None = None) -> _Packed:
    data = values.astype(dtype)
    width = np.full(len(values), data.itemsize, np.int32)
    if null is not None:
        width[null] = _NULL
    return _Packed(name, data, width)


def _field(spec: FieldSpec, name: str, column: Column) -> _Packed:
    match spec.type:
        case "number" | "point":
            return _fixed(name, column, ">f8", np.isnan(column))
        case "integer":
            return _fixed(name, column, ">i8", column == MISSING)
        case "instant":
            missing = column == MISSING
            return _fixed(name, np.where(missing, 0, column - POSTGRES_EPOCH * ~missing), ">i8", missing)
        case "boolean":
            return _fixed(name, np.maximum(column, 0), "u1", column < 0)
        case "choice":
            return _labels(name, column, spec.choices)
        case "label":
            raise ValueError(f"{name} is a label, must be packed with its texts")


def _labels(name: str, codes: Codes, texts: Texts) -> _Packed:
    if len(texts) > len(codes):  # most of them are said by readings that went elsewhere
        used, place = np.unique(codes, return_inverse=True)
        texts = tuple(texts[code] for code in used[used >= 0].tolist())
        codes = (place - (used[0] < 0)).astype(np.int32)
    encoded = [text.encode() for text in texts]
    lengths = np.array([*map(len, encoded), _NULL], np.int32)
    return _Packed(name, np.array([*encoded, b""])[codes], lengths[codes])


def _groups(packed: list[_Packed], count: int) -> Iterator[NDArray[np.intp] | slice]:
    """Rows of equal layout, as positions; one slice when all are alike."""
    varying = [column.width for column in packed if (column.width != column.width[0]).any()]
    if not varying:
        yield slice(None)
        return
    label = np.zeros(count, np.int64)
    for width in varying:
        label = label * (int(width.max()) + 2) + width + 1
        if label.max() > 2**40:
            label = np.unique(label, return_inverse=True)[1]
    order = np.argsort(label, kind="stable")
    starts = np.flatnonzero(np.diff(label[order])) + 1
    yield from np.split(order, starts)


def _layout(packed: list[_Packed], rows: NDArray[np.intp] | slice) -> bytes:
    fields: list[tuple[str, str]] = [("#fields", ">i2")]
    widths = [int(column.width[rows][0]) for column in packed]
    for column, width in zip(packed, widths, strict=True):
        fields.append((f"{column.name}.width", ">i4"))
        if width > 0:
            is_text = column.data.dtype.kind == "S"
            fields.append((column.name, f"S{width}" if is_text else column.data.dtype.str))
    first = packed[0].width[rows]
    table = np.empty(len(first), np.dtype(fields))
    table["#fields"] = len(packed)
    for column, width in zip(packed, widths, strict=True):
        table[f"{column.name}.width"] = width
        if width > 0:
            table[column.name] = column.data[rows]
    return table.tobytes()
