"""The SQL of readings: put a batch into its hypertable, and tell what is new from duplicates and conflicts.

A batch goes by binary COPY straight into its table. Only when that meets an identity already stored are those readings
looked for, and compared through a staging table with what is there.
"""

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.errors import SerializationFailure, UniqueViolation

from devices.contract import Stream
from devices.units import format_instant
from ingest.batch import Batch
from ingest.database import IDENTITY_COLUMNS, declared_columns
from ingest.identity import Repeats, find_repeats
from ingest.packing import ROW_COLUMN, pack

_BLOCK = 131_072


def store_new(connection: psycopg.Connection, batch: Batch) -> Repeats:
    """Store a batch none of which the table holds; raises UniqueViolation where it does, which ends the transaction."""
    repeats = find_repeats(batch)
    _copy_new(connection, batch, repeats)
    return repeats


def store_readings(connection: psycopg.Connection, batch: Batch) -> Repeats:
    """Store what is new of a batch, within the present transaction; the first reading of an identity counts."""
    repeats = find_repeats(batch)
    try:
        with connection.transaction():
            _copy_new(connection, batch, repeats)
    except UniqueViolation:
        return _store_beside_known(connection, batch, repeats)
    return repeats


def _copy_new(connection: psycopg.Connection, batch: Batch, repeats: Repeats) -> None:
    _copy(connection, sql.Identifier(batch.stream.name), batch if repeats.new.all() else batch.take(repeats.new))


def column_names(stream: Stream) -> list[str]:
    """The columns of a stream's table in the order they are packed."""
    return [*IDENTITY_COLUMNS, *declared_columns(stream)]


def copy_statement(stream: Stream) -> sql.Composed:
    """The COPY that takes ``pack``'s blocks straight into a stream's table."""
    return _copy_into(sql.Identifier(stream.name), column_names(stream))


def _copy_into(table: sql.Identifier, names: list[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, _listed(names))


def _copy(connection: psycopg.Connection, table: sql.Identifier, batch: Batch, *, numbered: bool = False) -> None:
    names = [*column_names(batch.stream), *([ROW_COLUMN] if numbered else [])]
    with connection.cursor() as cursor, cursor.copy(_copy_into(table, names)) as copy:
        for block in pack(batch, numbered=numbered):
            for start in range(0, len(block), _BLOCK):
                copy.write(block[start : start + _BLOCK])


def _store_beside_known(connection: psycopg.Connection, batch: Batch, repeats: Repeats) -> Repeats:
    """Store a batch of which the table holds a part: that part is compared, the rest goes straight in."""
    known = _known_rows(connection, batch)
    if len(known):
        repeats = _with_known(repeats, known, _compare(connection, batch.take(known)))
    if repeats.new.any():
        try:
            _copy_new(connection, batch, repeats)
        except UniqueViolation as error:
            raise SerializationFailure("another writer stored some of these readings at the same moment") from error
    return repeats


def _known_rows(connection: psycopg.Connection, batch: Batch) -> NDArray[np.intp]:
    """Positions of the readings whose identity the table holds."""
    rows = connection.execute(
        sql.SQL(
            "SELECT place - 1 FROM unnest(%s::integer[], %s::bigint[], %s::bigint[]) WITH ORDINALITY"
            " AS wanted (device, micros, seq, place) JOIN {table} stored ON stored.device = wanted.device"
            " AND stored.date_observed = timestamptz 'epoch' + micros * interval '1 microsecond'"
            " AND stored.seq = wanted.seq WHERE stored.date_observed BETWEEN %s AND %s ORDER BY place"
        ).format(table=sql.Identifier(batch.stream.name)),
        [batch.device.tolist(), batch.time.tolist(), batch.seq.tolist(), *_span(batch)],
    ).fetchall()
    return np.array([row[0] for row in rows], np.intp)


def _compare(connection: psycopg.Connection, batch: Batch) -> NDArray[np.bool_]:
    """For each reading of a batch that the table holds as a whole, whether it says the same there."""
    stage, table = sql.Identifier(f"stage_{batch.stream.name}"), sql.Identifier(batch.stream.name)
    names = {
        "stage": stage,
        "table": table,
        "row": sql.Identifier(ROW_COLUMN),
        "alike": _alike(list(declared_columns(batch.stream))),
    }
    connection.execute(
        sql.SQL(
            "CREATE TEMP TABLE IF NOT EXISTS {stage} (LIKE {table}, {row} integer NOT NULL) ON COMMIT DELETE ROWS"
        ).format(**names)
    )
    connection.execute(sql.SQL("DELETE FROM {stage}").format(**names))
    _copy(connection, stage, batch, numbered=True)
    rows = connection.execute(
        sql.SQL(
            "SELECT {alike} FROM {stage} s JOIN {table} t USING (device, date_observed, seq)"
            " WHERE t.date_observed BETWEEN %s AND %s ORDER BY s.{row}"
        ).format(**names),
        _span(batch),
    ).fetchall()
    return np.array([row[0] for row in rows], np.bool_)


def _span(batch: Batch) -> list[str]:
    return [format_instant(int(batch.time.min())), format_instant(int(batch.time.max()))]


def _with_known(repeats: Repeats, known: NDArray[np.intp], alike: NDArray[np.bool_]) -> Repeats:
    """What is stored already decides over what the batch holds first."""
    duplicate, conflict = repeats.duplicate.copy(), repeats.conflict.copy()
    duplicate[known], conflict[known] = alike, ~alike
    return Repeats(duplicate, conflict)


def _listed(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _alike(columns: list[str]) -> sql.Composed:
    pairs = [sql.SQL("s.{0} IS NOT DISTINCT FROM t.{0}").format(sql.Identifier(column)) for column in columns]
    return sql.SQL(" AND ").join(pairs)


def stored_values(connection: psycopg.Connection, batch: Batch) -> list[tuple[object, ...]]:
    """The declared columns as stored under each reading's identity; every reading of the batch must have one."""
    columns = list(declared_columns(batch.stream))
    return connection.execute(
        sql.SQL(
            "SELECT {columns} FROM unnest(%s::integer[], %s::timestamptz[], %s::bigint[]) WITH ORDINALITY"
            " AS wanted (device, date_observed, seq, place) JOIN {table} stored USING (device, date_observed, seq)"
            " WHERE stored.date_observed BETWEEN %s AND %s ORDER BY place"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier("stored", column) for column in columns),
            table=sql.Identifier(batch.stream.name),
        ),
        [
            batch.device.tolist(),
            _timestamps(batch.time),
            batch.seq.tolist(),
            format_instant(int(batch.time.min())),
            format_instant(int(batch.time.max())),
        ],
    ).fetchall()


def _timestamps(micros: NDArray[np.int64]) -> list[str]:
    return [format_instant(instant) for instant in micros.tolist()]
