"""Read the recent horizon back from TimescaleDB as batches: a restart takes the same path as live data."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from devices.contract import Kind, Stream
from ingest.batch import Batch
from ingest.refusals import is_refusal, refusals
from ingest.registry import Devices
from processing.method import STALE_AFTER_INTERVALS
from processing.reading_rows import good, instant, read_rows
from processing.roster import stale_after

SPAN_AT_LEAST = 600
"""seconds: all readings of this span are read, and of the whole window where an indicator has a longer one"""
KEYS_PER_QUERY = 50_000
MOST_PROBES = 1_000_000
"""how often, for a stream, silent devices are looked up in the chunks of the past: a few µs each. Whoever was not found
then counts as never heard, which tells on the age of what is stale anyway, and on whether a device is expected that was
registered later"""
SMALLEST_ROW = 48
"""bytes: no stored reading takes less"""
SECOND = 1_000_000
_CLOCKS_APART = 300
"""seconds that the clocks of pipeline and database may differ by: as much as a device's may be ahead"""


def read_horizon(
    connection: psycopg.Connection,
    kind: Kind,
    devices: Devices,
    windows: Mapping[str, int],
    now: int,
    until: int | None = None,
    at_least: int = SPAN_AT_LEAST,
) -> Iterator[Batch]:
    """All that the vital signs at ``now`` (µs) still depend on, in no order and some of it twice.

    ``devices``: all there are; ``windows``: seconds each stream is looked back on, at least ``at_least``;
    ``until``: leave out what was observed later (µs). Besides the windows these are the readings of devices that report
    too seldom for the span but are not stale, and the last words of silent ones.
    """
    members = devices.of_kind(kind.id)
    keys, stale = devices.keys[members], devices.by_attributes(partial(stale_after, kind), members)
    heard = np.zeros(int(keys.max(initial=0)) + 1, np.bool_)
    for stream in kind.streams:
        for batch in read_span(connection, stream, _start(stream, windows, now, at_least), until):
            known = batch.device[(batch.time <= now) & (batch.device < len(heard))]
            if not is_refusal(batch.stream):
                heard[known] = True
            yield batch
    for stream in kind.streams:
        start = _start(stream, windows, now, at_least)
        # The window that ends with the newest reading of a device may begin as much earlier as that may be old.
        usual = STALE_AFTER_INTERVALS * kind.reporting_interval * SECOND
        since = now - stale - np.where(stale > usual, windows.get(stream.name, 0) * SECOND, 0)
        seldom = since < start
        yield from _read_since(connection, stream, keys[seldom], since[seldom], start)
        yield from _read_newest(connection, stream, keys[~heard[keys]], start)


def read_span(connection: psycopg.Connection, stream: Stream, start: int, until: int | None = None) -> Iterator[Batch]:
    """Readings of a stream with start < dateObserved ≤ until (µs since 1970), in no order."""
    upper = (
        sql.SQL(" AND date_observed <= {}").format(instant(sql.Literal(until))) if until is not None else sql.SQL("")
    )
    source = sql.SQL("{table} AS r WHERE date_observed > {start}{upper} AND {good}").format(
        table=sql.Identifier(stream.name), start=instant(sql.Literal(start)), upper=upper, good=good(stream)
    )
    yield from read_rows(connection, stream, source)
    if not stream.is_event:
        yield from _read_refusals(connection, stream.kind, start, until)


def _read_refusals(connection: psycopg.Connection, kind: str, start: int, until: int | None) -> Iterator[Batch]:
    """What was refused of devices of a kind, received after ``start``; as ``ingest.refusals.refused`` hands it on.

    What came before the device was registered is left out; the database says when that was, the pipeline when a
    message came, and their clocks may differ."""
    rows = connection.execute(
        "SELECT d.key, (extract(epoch FROM r.received_at) * 1000000)::bigint FROM rejects r JOIN devices d"
        " ON d.id = r.device WHERE d.kind = %s AND r.reason <> 'unknown_device'"
        " AND d.registered_at <= r.received_at + %s * interval '1 second'"
        " AND r.received_at > timestamptz 'epoch' + %s * interval '1 microsecond'"
        " AND (%s::bigint IS NULL OR r.received_at <= timestamptz 'epoch' + %s * interval '1 microsecond')",
        [kind, _CLOCKS_APART, start, until, until or 0],
    ).fetchall()
    if rows:
        keys, received = zip(*rows, strict=True)
        yield refusals(kind, keys, received)


def stored_bytes(connection: psycopg.Connection, windows: Mapping[str, int], now: int) -> int:
    """How much there is to read of windows (seconds by stream) that end at ``now`` (µs): bytes of tables without
    indexes; of a chunk that is looked at in part, that part of it."""
    row = connection.execute(
        "SELECT coalesce(sum(bytes * greatest(0, extract(epoch FROM upto - greatest(since, range_start)))"
        " / greatest(1, extract(epoch FROM upto - range_start))), 0)::bigint FROM ("
        "SELECT pg_relation_size(format('%%I.%%I', chunk_schema, chunk_name)::regclass) AS bytes, range_start,"
        " least(range_end, n.now) AS upto, n.now - w.seconds * interval '1 second' AS since"
        " FROM timescaledb_information.chunks JOIN unnest(%s::text[], %s::integer[]) AS w (stream, seconds)"
        " ON hypertable_name = w.stream CROSS JOIN"
        " (SELECT timestamptz 'epoch' + %s * interval '1 microsecond') AS n (now)"
        " WHERE hypertable_schema = 'public' AND range_start < n.now) AS c",
        [list(windows), list(windows.values()), now],
    ).fetchone()
    assert row is not None
    return int(row[0])


def _start(stream: Stream, windows: Mapping[str, int], now: int, at_least: int) -> int:
    return now - max(at_least, windows.get(stream.name, 0)) * SECOND


def _read_since(
    connection: psycopg.Connection, stream: Stream, keys: NDArray[np.int32], since: NDArray[np.int64], before: int
) -> Iterator[Batch]:
    """Readings of each device from its own instant on, up to ``before``; earlier ones come along where there are few.

    As for the newest, chunks with fewer readings than there are devices are read as they are, several at once.
    """
    chunks = _chunks(connection, stream, before) if len(keys) else []
    while chunks and (wanted := since < chunks[0][1]).any():
        keys, since = keys[wanted], since[wanted]
        few, taken = few_readings([most for _, _, most in chunks], len(keys))
        for start in range(0, len(keys), KEYS_PER_QUERY):
            part = slice(start, start + KEYS_PER_QUERY)
            source = (_FEW if few else _SINCE).format(
                keys=sql.Literal(keys[part].tolist()),
                since=sql.Literal(since[part].tolist()),
                table=sql.Identifier(stream.name),
                instant=instant(sql.SQL("k.since")),
                before=instant(sql.Literal(before)),
                first=instant(sql.Literal(max(chunks[taken - 1][0], int(since[part].min())))),
                end=instant(sql.Literal(chunks[0][1])),
                good=good(stream),
            )
            yield from read_rows(connection, stream, source)
        del chunks[:taken]


_SINCE = sql.SQL(
    "unnest({keys}::integer[], {since}::bigint[]) AS k(key, since) CROSS JOIN LATERAL"
    " (SELECT * FROM {table} AS r WHERE device = k.key AND date_observed BETWEEN {instant} AND {before}"
    " AND date_observed >= {first} AND date_observed < {end} AND {good}) AS r"
)
_FEW = sql.SQL(
    "{table} AS r WHERE device = ANY({keys}::integer[])"
    " AND date_observed >= {first} AND date_observed < {end} AND date_observed <= {before} AND {good}"
)


def _read_newest(
    connection: psycopg.Connection, stream: Stream, keys: NDArray[np.int32], before: int
) -> Iterator[Batch]:
    """The newest reading of each device, at or before ``before``; chunk by chunk into the past.

    One probe of one index for a device and chunk; asking for all chunks at once would have the database set up a scan
    of every chunk for every device. Chunks that hold fewer readings than there are devices to look for, as those of a
    history that was imported do, are read as they are, several at once.
    """
    probes = 0
    chunks = _chunks(connection, stream, before) if len(keys) else []
    while chunks and len(keys):
        few, taken = few_readings([most for _, _, most in chunks], len(keys))
        first, end = chunks[taken - 1][0], chunks[0][1]
        probes += sum(most for _, _, most in chunks[:taken]) if few else len(keys)
        if probes > MOST_PROBES:
            return
        del chunks[:taken]
        found = []
        for start in range(0, len(keys), KEYS_PER_QUERY):
            source = (_NEWEST_OF_FEW if few else _NEWEST).format(
                keys=sql.Literal(keys[start : start + KEYS_PER_QUERY].tolist()),
                table=sql.Identifier(stream.name),
                first=instant(sql.Literal(first)),
                end=instant(sql.Literal(end)),
                before=instant(sql.Literal(before)),
                good=good(stream),
            )
            for batch in read_rows(connection, stream, source):
                found.append(batch.device)
                yield batch
        if found:
            keys = np.setdiff1d(keys, np.concatenate(found), assume_unique=True)


_NEWEST = sql.SQL(
    "unnest({keys}::integer[]) AS k(key) CROSS JOIN LATERAL"
    " (SELECT * FROM {table} AS r WHERE device = k.key AND date_observed >= {first} AND date_observed < {end}"
    " AND date_observed <= {before} AND {good} ORDER BY date_observed DESC, seq DESC LIMIT 1) AS r"
)
_NEWEST_OF_FEW = sql.SQL(
    "(SELECT DISTINCT ON (device) * FROM {table} AS r WHERE device = ANY({keys}::integer[])"
    " AND date_observed >= {first} AND date_observed < {end} AND date_observed <= {before} AND {good}"
    " ORDER BY device, date_observed DESC, seq DESC) AS r"
)


def few_readings(chunks: Sequence[int], devices: int) -> tuple[bool, int]:
    """Whether the first of ``chunks`` (most readings of each) hold no more readings than ``devices``, and how many of
    them do together; at least one is taken."""
    together = 0
    for count, most in enumerate(chunks):
        together += most
        if together > devices:
            return count > 0, max(count, 1)
    return True, len(chunks)


def _chunks(connection: psycopg.Connection, stream: Stream, before: int) -> list[tuple[int, int, int]]:
    """First instant and end (µs, exclusive) of the chunks that begin at or before ``before``, newest first, and how
    many readings there may be in each."""
    return connection.execute(
        "SELECT (extract(epoch FROM range_start) * 1000000)::bigint AS first,"
        " (extract(epoch FROM range_end) * 1000000)::bigint,"
        " pg_relation_size(format('%%I.%%I', chunk_schema, chunk_name)::regclass) / %s"
        " FROM timescaledb_information.chunks"
        " WHERE hypertable_schema = 'public' AND hypertable_name = %s"
        " AND range_start <= timestamptz 'epoch' + %s * interval '1 microsecond' ORDER BY first DESC",
        [SMALLEST_ROW, stream.name, before],
    ).fetchall()
