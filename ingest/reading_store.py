"""The SQL of readings: put a batch into its hypertable, and tell what is new from duplicates and conflicts.

A batch goes by binary COPY straight into its table. Only readings that may well be stored already are looked for, and
what is there is compared with them; all of a batch where the COPY meets an identity that is stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.errors import SerializationFailure, UniqueViolation

from devices.contract import Stream
from devices.units import format_instant
from ingest.arrays import Instants, Integers
from ingest.batch import Batch
from ingest.conflict import Values, as_stored
from ingest.database import IDENTITY_COLUMNS, declared_columns
from ingest.identity import Repeats, find_repeats
from ingest.laid_out import LaidOut, copy_stream

_BLOCK = 131_072


@dataclass(frozen=True)
class Outcome:
    """How a batch was stored."""

    repeats: Repeats
    known: dict[int, Values] = field(default_factory=dict)
    """what the table held before, by position in the batch"""


def store_trusting(
    connection: psycopg.Connection, batch: Batch, suspects: NDArray[np.intp], laid_out: LaidOut | None = None
) -> Outcome:
    """Store what is new of a batch of which the table holds none but perhaps ``suspects`` (positions); ``laid_out``:
    that batch, where it was laid out ahead of time.

    Raises UniqueViolation where it holds others; that ends the transaction.
    """
    repeats = find_repeats(batch) if laid_out is None else laid_out.repeats
    known: dict[int, Values] = {}
    if len(suspects):
        repeats, known = _compared(connection, batch, repeats, suspects)
    new = repeats.new
    if new.any():
        blocks = copy_stream(batch, repeats) if laid_out is None else laid_out.stream(new)
        _copy(connection, batch.stream, blocks)
    return Outcome(repeats, known)


def store_readings(connection: psycopg.Connection, batch: Batch) -> Outcome:
    """Store what is new of a batch, within the present transaction; the first reading of an identity counts."""
    repeats = find_repeats(batch)
    try:
        with connection.transaction():
            _copy(connection, batch.stream, copy_stream(batch, repeats))
        return Outcome(repeats)
    except UniqueViolation:
        return _store_beside_known(connection, batch, repeats)


def column_names(stream: Stream) -> list[str]:
    """The columns of a stream's table in the order they are packed."""
    return [*IDENTITY_COLUMNS, *declared_columns(stream)]


@cache
def copy_statement(stream: Stream) -> bytes:
    """The COPY that takes ``pack``'s blocks straight into a stream's table."""
    columns = sql.SQL(", ").join(map(sql.Identifier, column_names(stream)))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(stream.name), columns)
    return statement.as_bytes(None)


@cache
def _look_up(stream: Stream) -> bytes:
    """The query of ``known_values``: devices, instants, numbers, first and last instant."""
    statement = sql.SQL(
        "SELECT wanted.place - 1, {columns} FROM unnest(%s, %s, %s) WITH ORDINALITY"
        " AS wanted (device, date_observed, seq, place) JOIN {table} stored USING (device, date_observed, seq)"
        " WHERE stored.date_observed BETWEEN %s AND %s ORDER BY place"
    ).format(
        columns=sql.SQL(", ").join(sql.Identifier("stored", column) for column in declared_columns(stream)),
        table=sql.Identifier(stream.name),
    )
    return statement.as_bytes(None)


def _copy(connection: psycopg.Connection, stream: Stream, blocks: Iterable[bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy(copy_statement(stream)) as copy:
        for block in blocks:
            for start in range(0, len(block), _BLOCK):
                copy.write(block[start : start + _BLOCK])


def _store_beside_known(connection: psycopg.Connection, batch: Batch, repeats: Repeats) -> Outcome:
    """Store a batch of which the table may hold a part: that part is compared, the rest goes straight in."""
    repeats, known = _compared(connection, batch, repeats, np.arange(len(batch)))
    if repeats.new.any():
        try:
            _copy(connection, batch.stream, copy_stream(batch, repeats))
        except UniqueViolation as error:
            raise SerializationFailure("another writer stored some of these readings at the same moment") from error
    return Outcome(repeats, known)


def _compared(
    connection: psycopg.Connection, batch: Batch, repeats: Repeats, looked_for: NDArray[np.intp]
) -> tuple[Repeats, dict[int, Values]]:
    """What is stored already decides over what the batch holds first; with what is stored, by position."""
    part = batch.take(looked_for)
    found = known_values(connection, part)
    if not found:
        return repeats, {}
    among = np.array(list(found), np.intp)
    mine = as_stored(part.take(among))
    alike = np.array([one == other for one, other in zip(mine, found.values(), strict=True)], np.bool_)
    rows = looked_for[among]
    return _with_known(repeats, rows, alike), dict(zip(rows.tolist(), found.values(), strict=True))


def known_values(connection: psycopg.Connection, batch: Batch) -> dict[int, Values]:
    """The declared columns as stored under the identities of a batch, by position; without those not stored."""
    rows = connection.execute(
        _look_up(batch.stream),
        [
            Integers(batch.device),
            Instants(batch.time),
            Integers(batch.seq),
            format_instant(int(batch.time.min())),
            format_instant(int(batch.time.max())),
        ],
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def _with_known(repeats: Repeats, known: NDArray[np.intp], alike: NDArray[np.bool_]) -> Repeats:
    duplicate, conflict = repeats.duplicate.copy(), repeats.conflict.copy()
    duplicate[known], conflict[known] = alike, ~alike
    return Repeats(duplicate, conflict, repeats.first)
