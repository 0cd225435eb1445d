"""Read the recent horizon back from TimescaleDB as batches: a restart takes the same path as live data."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from devices.contract import FieldSpec, Kind, Stream
from ingest.batch import MISSING, Batch, Column
from ingest.database import declared_columns
from ingest.registry import Device
from processing.roster import stale_after

SPAN_AT_LEAST = 600
"""seconds: all readings of this span are read, and of the whole window where an indicator has a longer one"""
ROWS_PER_BATCH = 50_000
KEYS_PER_QUERY = 10_000
SECOND = 1_000_000


def read_horizon(
    connection: psycopg.Connection,
    kind: Kind,
    devices: Sequence[Device],
    windows: Mapping[str, int],
    now: int,
    until: int | None = None,
) -> Iterator[Batch]:
    """All that the vital signs at ``now`` (µs) still depend on, in no order and some of it twice.

    ``devices``: those of the kind; ``windows``: seconds each stream is looked back on; ``until``: leave out what was
    observed later (µs). Besides the windows these are the readings of devices that report too seldom for the span but
    are not stale, and the last words of silent ones.
    """
    heard: set[int] = set()
    for stream in kind.streams:
        for batch in read_span(connection, stream, _start(stream, windows, now), until):
            heard.update(batch.device.tolist())
            yield batch
    for stream in kind.streams:
        start = _start(stream, windows, now)
        seldom = {d.key: now - stale_after(kind, d) for d in devices if now - stale_after(kind, d) < start}
        yield from _read_since(connection, stream, seldom, start)
        silent = [device.key for device in devices if device.key not in heard]
        yield from _read_newest(connection, stream, silent, start)


def read_span(connection: psycopg.Connection, stream: Stream, start: int, until: int | None = None) -> Iterator[Batch]:
    """Readings of a stream with start < dateObserved ≤ until (µs since 1970), in no order."""
    query = sql.SQL("SELECT {columns} FROM {table} AS r WHERE date_observed > {start}{until} AND {good}").format(
        columns=_select(stream),
        table=sql.Identifier(stream.name),
        start=_instant(sql.Literal(start)),
        until=sql.SQL("")
        if until is None
        else sql.SQL(" AND date_observed <= {}").format(_instant(sql.Literal(until))),
        good=_good(stream),
    )
    yield from _read(connection, stream, query)


def _start(stream: Stream, windows: Mapping[str, int], now: int) -> int:
    return now - max(SPAN_AT_LEAST, windows.get(stream.name, 0)) * SECOND


def _read_since(
    connection: psycopg.Connection, stream: Stream, since: Mapping[int, int], before: int
) -> Iterator[Batch]:
    """Readings of each device from its own instant on, up to ``before``."""
    query = sql.SQL(
        "SELECT {columns} FROM unnest({keys}::integer[], {since}::bigint[]) AS k(key, since) CROSS JOIN LATERAL"
        " (SELECT * FROM {table} AS r WHERE device = k.key AND date_observed BETWEEN {instant} AND {before}"
        " AND {good}) AS r"
    )
    for keys in _portions(list(since)):
        yield from _read(
            connection,
            stream,
            query.format(
                columns=_select(stream),
                keys=sql.Literal(keys),
                since=sql.Literal([since[key] for key in keys]),
                table=sql.Identifier(stream.name),
                instant=_instant(sql.SQL("k.since")),
                before=_instant(sql.Literal(before)),
                good=_good(stream),
            ),
        )


def _read_newest(connection: psycopg.Connection, stream: Stream, keys: list[int], before: int) -> Iterator[Batch]:
    """The newest reading of each device, at or before ``before``."""
    query = sql.SQL(
        "SELECT {columns} FROM unnest({keys}::integer[]) AS k(key) CROSS JOIN LATERAL"
        " (SELECT * FROM {table} AS r WHERE device = k.key AND date_observed <= {before} AND {good}"
        " ORDER BY date_observed DESC, seq DESC LIMIT 1) AS r"
    )
    for portion in _portions(keys):
        yield from _read(
            connection,
            stream,
            query.format(
                columns=_select(stream),
                keys=sql.Literal(portion),
                table=sql.Identifier(stream.name),
                before=_instant(sql.Literal(before)),
                good=_good(stream),
            ),
        )


def _good(stream: Stream) -> sql.Composed:
    """What was not marked bad."""
    return sql.SQL(
        "NOT EXISTS (SELECT FROM marks m WHERE m.device = r.device AND m.stream = {stream} AND m.unmarked_at IS NULL"
        ' AND r.date_observed BETWEEN m."from" AND m."to")'
    ).format(stream=sql.Literal(stream.name))


def _portions(keys: list[int]) -> Iterator[list[int]]:
    return (keys[start : start + KEYS_PER_QUERY] for start in range(0, len(keys), KEYS_PER_QUERY))


def _instant(micros: sql.Composable) -> sql.Composed:
    return sql.SQL("(timestamptz 'epoch' + {} * interval '1 microsecond')").format(micros)


def _select(stream: Stream) -> sql.Composed:
    parts: list[sql.Composable] = [sql.SQL("r.device"), _micros("date_observed"), sql.SQL("r.seq")]
    parts.append(_micros("received_at"))
    for column, sql_type in declared_columns(stream).items():
        name = sql.SQL("r.{}").format(sql.Identifier(column))
        parts.append(_micros(column) if sql_type == "timestamptz" else name)
    return sql.SQL(", ").join(parts)


def _micros(column: str) -> sql.Composed:
    return sql.SQL("(extract(epoch FROM r.{}) * 1000000)::bigint").format(sql.Identifier(column))


def _read(connection: psycopg.Connection, stream: Stream, query: sql.Composed) -> Iterator[Batch]:
    with connection.transaction(), connection.cursor(name=f"restore_{stream.name}"[:63]) as cursor:
        cursor.itersize = ROWS_PER_BATCH
        cursor.execute(query)
        while rows := cursor.fetchmany(ROWS_PER_BATCH):
            yield _batch(stream, rows)


def _batch(stream: Stream, rows: list[tuple[Any, ...]]) -> Batch:
    device, time, seq, received, *fields = zip(*rows, strict=True)
    columns: dict[str, Column] = {}
    values = iter(fields)
    for spec in stream.fields:
        for name in spec.columns:
            columns[name] = _column(spec, next(values))
    count = len(rows)
    return Batch(
        stream=stream,
        device=np.array(device, np.int32),
        time=np.array(time, np.int64),
        seq=np.array(seq, np.int64),
        received=np.array(received, np.int64),
        columns=columns,
        source=np.zeros(count, np.int32),
        item=np.full(count, -1, np.int32),
    )


def _column(spec: FieldSpec, values: tuple[Any, ...]) -> Column:
    match spec.type:
        case "number" | "point":
            return np.array(values, np.float64)
        case "integer" | "instant":
            return np.array([MISSING if v is None else v for v in values], np.int64)
        case "boolean":
            return np.array([-1 if v is None else int(v) for v in values], np.int8)
        case "choice":
            codes: dict[str | None, int] = {choice: i for i, choice in enumerate(spec.choices)} | {None: -1}
            return np.array([codes.get(v, -1) for v in values], np.int16)
        case "label":
            column = np.empty(len(values), object)
            column[:] = values
            return column
