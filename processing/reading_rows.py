"""The SQL of stored readings for processing: they come by binary COPY, a block of rows at a time, as batches."""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from devices.contract import Stream
from ingest.batch import Batch
from ingest.packing import HEADER, TRAILER
from ingest.reading_store import column_names
from processing.unpacking import unpack

ROWS_PER_BATCH = 65_536
_ENDS = (TRAILER, HEADER + TRAILER)
"""the last message; where there is no row it is the first as well"""


def read_rows(connection: psycopg.Connection, stream: Stream, source: sql.Composable) -> Iterator[Batch]:
    """Readings of ``source``, a FROM clause and what follows it, in which the stream's table is ``r``.

    Those that were marked bad are the caller's to leave out (``good``). The connection is busy until all is read.
    """
    query = sql.SQL("SELECT {} FROM {}").format(selected(stream), source)
    for data, count in copied_out(connection, query):
        yield unpack(stream, data, count)


def copied_out(connection: psycopg.Connection, query: sql.Composable) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole rows of a query's binary COPY output, and how many rows each holds.

    The server sends a message a row. Those that have come already are taken without psycopg's waiting for each, which
    would cost five times as much as everything else.
    """
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        block, rows = bytearray(), 0
        take = connection.pgconn.get_copy_data
        while data := copy.read():
            while data and data not in _ENDS:
                block += data
                rows += 1
                data = take(1)[1]
            if rows >= ROWS_PER_BATCH or (rows and data in _ENDS):
                yield bytes(block), rows
                block, rows = bytearray(), 0


def selected(stream: Stream) -> sql.Composed:
    """The columns that ``unpack`` wants, of a table named ``r``."""
    return sql.SQL(", ").join(sql.Identifier("r", name) for name in column_names(stream))


def good(stream: Stream) -> sql.Composed:
    """The condition that a row of ``r`` was not marked bad."""
    return sql.SQL(
        "NOT EXISTS (SELECT FROM marks m WHERE m.device = r.device AND m.stream = {stream} AND m.unmarked_at IS NULL"
        ' AND r.date_observed BETWEEN m."from" AND m."to")'
    ).format(stream=sql.Literal(stream.name))


def instant(micros: sql.Composable) -> sql.Composed:
    """A timestamp from µs since 1970."""
    return sql.SQL("(timestamptz 'epoch' + {} * interval '1 microsecond')").format(micros)
