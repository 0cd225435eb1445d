"""Rows that hold numpy arrays, to and from PostgreSQL in its binary format.

An array there is: dimensions (1), whether it has nulls (0), the oid of its elements, their number and lower bound (1),
32 bits each, then every element with its length before it; all big-endian (``array_recv``).
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from ingest.packing import HEADER, POSTGRES_EPOCH, TRAILER

_OIDS = {"f8": 701, "f4": 700, "i2": 21}
_HEAD = 20
"""bytes before the first element"""

Field = int | str | NDArray[np.generic] | None
"""what a row holds: a number or an instant (µs since 1970), a text, an array of float64, float32 or int16, or null"""


def copy_in(
    connection: psycopg.Connection, table: str, types: Mapping[str, str], rows: Iterable[Sequence[Field]]
) -> None:
    """Add rows to a table; ``types``: those of its columns, in the order of the rows' fields."""
    names = sql.SQL(", ").join(map(sql.Identifier, types))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(copy_block(list(types.values()), rows))


def copy_block(types: Sequence[str], rows: Iterable[Sequence[Field]]) -> bytes:
    """A whole binary COPY of rows whose columns have the given types: int2, int4, text, timestamptz or array."""
    count = len(types).to_bytes(2, "big")
    parts = [HEADER]
    for row in rows:
        parts.append(count)
        for kind, value in zip(types, row, strict=True):
            data = None if value is None else _encoded(kind, value)
            parts.append(b"\xff\xff\xff\xff" if data is None else len(data).to_bytes(4, "big") + data)
    return b"".join([*parts, TRAILER])


def _encoded(kind: str, value: int | str | NDArray[np.generic]) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, np.ndarray):
        return array_bytes(value)
    match kind:
        case "int2":
            return value.to_bytes(2, "big", signed=True)
        case "int4":
            return value.to_bytes(4, "big", signed=True)
        case _:
            return (value - POSTGRES_EPOCH).to_bytes(8, "big", signed=True)


def array_bytes(values: NDArray[np.generic]) -> bytes:
    """A 1-D array of float64, float32 or int16."""
    kind = values.dtype.str[1:]
    oid = _OIDS[kind]
    if not len(values):
        return np.array([0, 0, oid], ">i4").tobytes()
    elements = np.empty(len(values), [("width", ">i4"), ("value", f">{kind}")])
    elements["width"], elements["value"] = values.dtype.itemsize, values
    return np.array([1, 0, oid, len(values), 1], ">i4").tobytes() + elements.tobytes()


class _ArrayLoader(Loader):
    """An array without nulls, as numpy holds it."""

    format = Format.BINARY
    kind: str

    def load(self, data: Buffer) -> NDArray[np.generic]:
        if len(data) < _HEAD:
            return np.empty(0, self.kind)
        elements = np.frombuffer(data, [("width", ">i4"), ("value", f">{self.kind}")], offset=_HEAD)
        return elements["value"].astype(self.kind)


class _Doubles(_ArrayLoader):
    kind = "f8"


class _Singles(_ArrayLoader):
    kind = "f4"


class _Shorts(_ArrayLoader):
    kind = "i2"


def array_cursor(connection: psycopg.Connection) -> psycopg.Cursor:
    """A cursor whose rows hold arrays of numbers as numpy arrays."""
    cursor = connection.cursor(binary=True)
    for name, loader in (("float8[]", _Doubles), ("float4[]", _Singles), ("int2[]", _Shorts)):
        cursor.adapters.register_loader(connection.adapters.types.get_oid(name), loader)
    return cursor
