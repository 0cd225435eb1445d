"""Take PostgreSQL's binary COPY output apart into columns; the twin of ``ingest.packing``. Pure.

A row is a 16-bit field count, then for each field a 32-bit length (-1 = null) and the bytes, all big-endian; a header
stands before the first row and the count -1 after the last. One compiled pass finds every value; a second one tells the
texts of a column apart, so that each different text becomes a Python object once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from devices.contract import FieldSpec, Stream
from ingest.batch import MISSING, Batch, Column
from ingest.labels import Codes, Texts
from ingest.packing import HEADER, POSTGRES_EPOCH

Octets = NDArray[np.uint8]
Ints = NDArray[np.int64]

_SIGNATURE = HEADER[:11]
_NAN = int(np.array(np.nan).view(np.int64))
_NO_INSTANT = MISSING - POSTGRES_EPOCH + 2**64  # wraps round to MISSING when the epoch is added
_IDENTITY = 4
"""columns before the fields: device, date_observed, seq, received_at"""


class UnpackingError(ValueError):
    """The bytes are not the COPY output that was asked for."""


@dataclass(frozen=True)
class Layout:
    """What the columns of a COPY hold."""

    nulls: Ints
    """what stands for a null, by column"""
    texts: NDArray[np.bool_]
    """which columns are texts: their value is the offset of the text's length in the data, and -1 for a null"""

    @classmethod
    def of(cls, nulls: Sequence[int | None]) -> "Layout":
        """From what stands for a null in each column; None = the column is a text."""
        texts = np.array([null is None for null in nulls], np.bool_)
        return cls(np.array([-1 if null is None else null for null in nulls], np.int64), texts)


def unpack(stream: Stream, data: bytes, count: int) -> Batch:
    """``count`` rows of a stream (device, date_observed, seq, received_at, then the declared columns) as a batch.

    ``data`` holds whole rows, with or without header and trailer. Raises UnpackingError when it holds other ones.
    """
    layout = Layout.of([*[0] * _IDENTITY, *(_null(spec) for spec in stream.fields for _ in spec.columns)])
    device, time, seq, received, *fields = find_values(data, layout, count)
    octets = np.frombuffer(data, np.uint8)
    columns: dict[str, Column] = {}
    texts: dict[str, Texts] = {}
    for spec in stream.fields:
        for name in spec.columns:
            values = fields.pop(0)
            if spec.type == "label":
                columns[name], texts[name] = texts_of(octets, values)
            else:
                columns[name] = _column(spec, values, octets)
    return Batch(
        stream=stream,
        device=device.astype(np.int32),
        time=time + POSTGRES_EPOCH,
        seq=seq,
        received=received + POSTGRES_EPOCH,
        columns=columns,
        source=np.zeros(count, np.int32),
        item=np.full(count, -1, np.int32),
        texts=texts,
    )


def find_values(data: bytes, layout: Layout, count: int) -> Ints:
    """The values of ``count`` rows, int64 of shape (columns, count); a float8 is there as its bits.

    Raises UnpackingError when ``data`` does not hold that many rows of that many columns.
    """
    values = np.empty((len(layout.nulls), count), np.int64)
    start = len(HEADER) if data.startswith(_SIGNATURE) else 0
    found = scan_rows(np.frombuffer(data, np.uint8), start, layout.nulls, layout.texts, values)
    if found != count:
        raise UnpackingError(f"{len(data)} bytes of COPY hold {found} rows of {len(values)} columns, must be {count}")
    return values


def texts_of(octets: Octets, offsets: Ints) -> tuple[Codes, Texts]:
    """The place of each row's text among the different ones of a column, -1 = null, and these in the order they come.

    ``offsets``: as ``find_values`` gives them; raises UnicodeDecodeError, which UTF-8 from PostgreSQL never does.
    """
    codes = np.empty(len(offsets), np.int32)
    places = np.full(1 << max(int(2 * len(offsets) - 1).bit_length(), 4), -1, np.int64)
    firsts = np.empty(len(offsets), np.int64)
    count = tell_apart(octets, offsets, places, firsts, codes)
    found: list[str] = []
    for first in firsts[:count].tolist():
        length = int.from_bytes(octets[first : first + 4].tobytes(), "big")
        found.append(octets[first + 4 : first + 4 + length].tobytes().decode())
    return codes, tuple(found)


def _null(spec: FieldSpec) -> int | None:
    match spec.type:
        case "number" | "point":
            return _NAN
        case "integer":
            return MISSING
        case "instant":
            return _NO_INSTANT
        case "boolean":
            return -1
        case "choice" | "label":
            return None


def _column(spec: FieldSpec, values: Ints, octets: Octets) -> Column:
    match spec.type:
        case "number" | "point":
            return values.view(np.float64)
        case "integer":
            return values
        case "instant":
            return values + POSTGRES_EPOCH
        case "boolean":
            return values.astype(np.int8)
        case "choice":
            codes, found = texts_of(octets, values)
            code_of = {choice: code for code, choice in enumerate(spec.choices)}
            return np.array([*(code_of.get(text, -1) for text in found), -1], np.int16)[codes]
        case "label":
            raise ValueError(f"{spec.name} is a label, must be unpacked with its texts")


@njit(cache=True, nogil=True)
def scan_rows(octets: Octets, start: int, nulls: Ints, texts: NDArray[np.bool_], values: Ints) -> int:
    """Write the values of the rows that begin at ``start`` into ``values`` (columns, rows); returns how many rows.

    Stops at the trailer, at the end, or when ``values`` is full; returns -1 for a row of another number of columns, a
    value of another width than 1, 2, 4 or 8 bytes and a row that is cut off.
    """
    place, size = start, len(octets)
    columns = values.shape[0]
    room: int = values.shape[1]
    for row in range(room):
        if place + 2 > size:
            return row
        count = (octets[place] << 8) | octets[place + 1]
        if count == 0xFFFF:
            return row
        if count != columns:
            return -1
        place += 2
        for column in range(columns):
            width = 0
            for at in range(place, min(place + 4, size)):
                width = (width << 8) | octets[at]
            place += 4
            if width == 0xFFFFFFFF:
                values[column, row] = nulls[column]
            elif width > size - place:
                return -1
            elif texts[column]:
                values[column, row] = place - 4
                place += width
            else:
                value = np.int64(0)
                if width == 4 or width == 2:  # signed; of one byte there are only booleans
                    value = np.int64(-(octets[place] >> 7))
                elif width != 8 and width != 1:
                    return -1
                for at in range(place, place + width):
                    value = (value << 8) | octets[at]
                values[column, row] = value
                place += width
    return room


@njit(cache=True, nogil=True)
def tell_apart(octets: Octets, offsets: Ints, places: Ints, firsts: Ints, codes: Codes) -> int:
    """Number the different texts in the order they come; returns how many there are.

    ``offsets``: of each row's text, its 32-bit length first; -1 = null, whose code is -1 too.
    ``places``: -1 throughout, a power of two long and more than ``offsets``; ``firsts``: out, the offset of each text.
    """
    count, mask = 0, len(places) - 1
    for row in range(len(offsets)):
        offset = offsets[row]
        if offset < 0:
            codes[row] = -1
            continue
        end = offset + 4
        for at in range(offset, offset + 4):
            end += np.int64(octets[at]) << (8 * (3 - (at - offset)))
        digest = np.uint64(14695981039346656037)  # FNV-1a, over length and bytes
        for at in range(offset, end):
            digest = (digest ^ np.uint64(octets[at])) * np.uint64(1099511628211)
        place = np.int64(digest >> np.uint64(20)) & mask
        while places[place] >= 0 and not _alike(octets, firsts[places[place]], offset, end - offset):
            place = (place + 1) & mask
        if places[place] < 0:
            places[place], firsts[count] = count, offset
            count += 1
        codes[row] = places[place]
    return count


@njit(cache=True, nogil=True)
def _alike(octets: Octets, one: int, other: int, length: int) -> bool:
    step = 0
    while step < length and octets[one + step] == octets[other + step]:
        step += 1
    return step == length
