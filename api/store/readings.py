"""Readings of a stream, newest first, page by page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql
from psycopg.rows import DictRow

from api.database import Connection, Database, fetch, where
from devices.contract import Stream

# How far back each successive search goes. The newest readings of many devices lie in the newest rows, which the
# table finds by time; only what is not found there is worth looking for further back.
LOOK_BACK = (timedelta(minutes=2), timedelta(minutes=30), timedelta(hours=6), timedelta(days=3))


@dataclass(frozen=True)
class Position:
    """Where a page ended: the key of its last reading."""

    observed: datetime
    device: int
    seq: int


@dataclass(frozen=True)
class Wanted:
    """Which readings: ``end`` is exclusive; ``areas`` None means anywhere."""

    device: int | None
    areas: Sequence[str] | None
    start: datetime | None
    end: datetime | None
    after: Position | None
    limit: int


async def newest(database: Database, stream: Stream, wanted: Wanted, now: datetime) -> list[DictRow]:
    """At most ``wanted.limit`` readings by (dateObserved, device, seq) descending, with ``key`` = devices.key."""

    async def search(connection: Connection) -> list[DictRow]:
        found: list[DictRow] = []
        for start, end in spans(wanted, now):
            query, parameters = _query(stream, wanted, start, end, wanted.limit - len(found))
            found += await fetch(connection, query, parameters)
            if len(found) >= wanted.limit:
                break
        return found

    return await database.run(search)


async def last(database: Database, streams: Sequence[Stream], device: int) -> dict[str, DictRow | None]:
    """The newest reading of a device in each stream."""

    async def search(connection: Connection) -> dict[str, DictRow | None]:
        wanted = Wanted(device, None, None, None, None, 1)
        rows = {}
        for stream in streams:
            query, parameters = _query(stream, wanted, None, None, 1)
            rows[stream.name] = next(iter(await fetch(connection, query, parameters)), None)
        return rows

    return await database.run(search)


def spans(wanted: Wanted, now: datetime) -> Iterator[tuple[datetime | None, datetime | None]]:
    """The spans of time to search in, newest first, that together make up what is wanted.

    start                      newest possible = min(end, page's end, now)
      |----- rest -----|--- 6 h ---|-- 30 min --|- 2 min -|
    """
    if wanted.device is not None:  # the index on (device, time) needs no help
        yield wanted.start, wanted.end
        return
    end = wanted.end
    reached = wanted.after.observed if wanted.after else None
    anchor = min(moment for moment in (now, wanted.end, reached) if moment is not None)
    for back in LOOK_BACK:
        start: datetime | None = anchor - back
        if wanted.start is not None and anchor - back <= wanted.start:
            break
        yield start, end
        end = start
    yield wanted.start, end


def _query(
    stream: Stream, wanted: Wanted, start: datetime | None, end: datetime | None, limit: int
) -> tuple[sql.Composed, list[Any]]:
    conditions: list[sql.Composable] = []
    parameters: list[Any] = []

    def add(condition: sql.Composable, *values: Any) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if wanted.device is not None:
        add(sql.SQL("r.device = %s"), wanted.device)
    if wanted.areas is not None:
        add(sql.SQL("d.area = ANY(%s)"), list(wanted.areas))
    if start is not None:
        add(sql.SQL("r.date_observed >= %s"), start)
    if end is not None:
        add(sql.SQL("r.date_observed < %s"), end)
    if (after := wanted.after) is not None:
        # the plain bound is what lets the table leave out whole chunks
        add(sql.SQL("r.date_observed <= %s"), after.observed)
        add(sql.SQL("(r.date_observed, r.device, r.seq) < (%s, %s, %s)"), after.observed, after.device, after.seq)
    names = [column for field in stream.fields for column in field.columns]
    columns = sql.SQL(", ").join(
        sql.SQL("r.{0} AS {1}").format(sql.Identifier(c), sql.Identifier(f"f_{c}")) for c in names
    )
    query = sql.SQL(
        "SELECT r.device AS key, d.id AS device, r.date_observed, r.received_at, r.seq, {}"
        " FROM {} r JOIN devices d ON d.key = r.device {}"
        " ORDER BY r.date_observed DESC, r.device DESC, r.seq DESC LIMIT %s"
    ).format(columns, sql.Identifier("public", stream.name), where(conditions))
    return query, [*parameters, limit]
