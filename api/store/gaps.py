"""What is missing of a device's readings: numbers where it numbers them, else stretches without a reading.

numbers      7 8 · · 11 12 │ 0 1 2      a number that falls by more than OUT_OF_ORDER starts a new count
                 gap 9–10
stretches    | | |         | | |  now   longer than TOLERATED reporting intervals
                 └─ gap ─┘     └ open
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import DictRow

from api.database import Connection, Database, fetch
from devices.contract import Kind, Stream

OUT_OF_ORDER = 100
TOLERATED = 3
MOST_MISSING = 2**53 - 1
"""more are not counted: a device that leaps to the largest number again and again would exceed what SQL can add up"""


@dataclass(frozen=True)
class Span:
    """From ``start`` (included) to ``end`` (not included), which is never later than now."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Wanted:
    """Gaps of one device in one stream; ``interval``: seconds between two readings, None where nothing is expected."""

    device: int
    stream: Stream
    registered: datetime
    interval: float | None
    span: Span
    is_now: bool
    """whether the span ends now, so that a silence at its end goes on"""
    after: tuple[datetime, int] | None
    """the gap that the page before ended with: where it begins, and its first number"""
    limit: int


_BOUNDS = sql.SQL("""
SELECT (SELECT max(date_observed) FROM {0} WHERE device = %(device)s AND date_observed < %(start)s) AS previous,
       min(date_observed) AS first, max(date_observed) AS last, bool_or(seq >= 0) AS numbered
  FROM {0} WHERE device = %(device)s AND date_observed >= %(start)s AND date_observed < %(end)s
""")

_NUMBERS = """
here AS (
    SELECT date_observed AS at, seq, lag(seq) OVER (ORDER BY date_observed, seq) AS before
      FROM {0}
     WHERE device = %(device)s AND seq >= 0 AND date_observed >= %(lower)s AND date_observed < %(end)s),
counted AS (
    SELECT at, seq, count(*) FILTER (WHERE seq < before - %(out_of_order)s) OVER (ORDER BY at, seq) AS run FROM here),
steps AS (
    SELECT at, seq, lead(at) OVER line AS next_at, lead(seq) OVER line AS next_seq
      FROM counted WINDOW line AS (PARTITION BY run ORDER BY seq, at)),
gaps AS (
    SELECT seq + 1 AS first, next_seq - 1 AS last, next_seq - seq - 1 AS missing,
           least(at, next_at) AS start, greatest(at, next_at) AS stop, false AS open
      FROM steps WHERE next_seq > seq + 1)"""

_STRETCHES = """
points AS (
    SELECT date_observed AS at FROM {0}
     WHERE device = %(device)s AND date_observed >= %(lower)s AND date_observed < %(end)s
    UNION ALL SELECT unnest(%(edges)s::timestamptz[])),
steps AS (SELECT at, lead(at) OVER (ORDER BY at) AS next_at FROM points),
gaps AS (
    SELECT NULL::bigint AS first, NULL::bigint AS last,
           greatest(1, round(extract(epoch FROM next_at - at) / %(interval)s)::bigint - 1) AS missing,
           at AS start, next_at AS stop, false AS open
      FROM steps WHERE next_at - at > %(tolerated)s * make_interval(secs => %(interval)s))"""

_PAGE = """
SELECT * FROM (
    SELECT *, coalesce(first, -1) AS place, least(sum(missing) OVER (), %(most)s)::bigint AS total FROM (
        SELECT * FROM gaps
        UNION ALL
        SELECT NULL, NULL, floor(extract(epoch FROM %(end)s - at) / %(interval)s)::bigint, at, %(end)s, true
          FROM unnest(%(open)s::timestamptz[]) AS silent (at)) AS every) AS found
 WHERE %(after)s::timestamptz IS NULL OR (start, place) < (%(after)s, %(place)s)
 ORDER BY start DESC, place DESC LIMIT %(limit)s
"""


async def of_device(database: Database, wanted: Wanted) -> list[DictRow]:
    """Gaps, newest first: first, last, missing, start, stop, open, place, and ``total`` over all pages."""
    table = sql.Identifier("public", wanted.stream.name)

    async def search(connection: Connection) -> list[DictRow]:
        span = {"device": wanted.device, "start": wanted.span.start, "end": wanted.span.end}
        (bounds,) = await fetch(connection, _BOUNDS.format(table), span)
        if wanted.interval is None and not bounds["numbered"]:
            return []
        gaps = sql.SQL(_NUMBERS if bounds["numbered"] else _STRETCHES).format(table)
        query = sql.SQL("WITH {}{}").format(gaps, sql.SQL(_PAGE))
        return await fetch(connection, query, span | _parameters(wanted, bounds))

    return await database.run(search)


def _parameters(wanted: Wanted, bounds: DictRow) -> dict[str, Any]:
    """Where the search begins, and the ends of the span that count as points of a stretch."""
    span, previous = wanted.span, bounds["previous"]
    born = max(span.start, min(wanted.registered, span.end))
    begins = previous is None and (bounds["first"] is None or born < bounds["first"])
    newest = bounds["last"] or previous or born
    silent = (span.end - newest).total_seconds() > TOLERATED * (wanted.interval or float("inf"))
    return {
        "lower": previous or span.start,
        "edges": [born] if begins else [],
        "open": [newest] if silent and wanted.is_now else [],
        "interval": wanted.interval or 1.0,
        "tolerated": TOLERATED,
        "out_of_order": OUT_OF_ORDER,
        "most": MOST_MISSING,
        "after": None if wanted.after is None else wanted.after[0],
        "place": -1 if wanted.after is None else wanted.after[1],
        "limit": wanted.limit,
    }


_OF_KIND = """(
WITH members AS (
    SELECT key, id, area, step, make_interval(secs => step * {tolerated}) AS tolerance,
           greatest(%(start)s, least(registered_at, %(end)s)) AS born
      FROM (SELECT *, CASE WHEN jsonb_typeof(attributes -> 'reportingInterval') = 'number'
                           THEN (attributes ->> 'reportingInterval')::float8 ELSE {interval} END AS step
              FROM devices WHERE kind = {stream} AND area = ANY(%(areas)s)) AS d),
readings AS (
    SELECT device, date_observed AS at, seq, lag(date_observed) OVER line AS earlier, lag(seq) OVER line AS below
      FROM {table}
     WHERE date_observed >= %(start)s AND date_observed < %(end)s AND device IN (SELECT key FROM members)
    WINDOW line AS (PARTITION BY device ORDER BY date_observed, seq)),
counted AS (
    SELECT *, count(*) FILTER (WHERE seq < below - {out_of_order}) OVER (PARTITION BY device ORDER BY at, seq) AS run
      FROM readings),
runs AS (
    SELECT device, min(at) AS first, max(at) AS last, max(seq) >= 0 AS numbered,
           greatest(0, max(seq) - min(seq) FILTER (WHERE seq >= 0) + 1 - count(*) FILTER (WHERE seq >= 0)) AS numbers,
           sum(round(extract(epoch FROM at - earlier) / step) - 1) FILTER (WHERE at - earlier > tolerance) AS pauses
      FROM counted JOIN members ON key = device GROUP BY device, run),
heard AS (
    SELECT device, min(first) AS first, max(last) AS last, bool_or(numbered) AS numbered,
           sum(numbers) AS numbers, coalesce(sum(pauses), 0) AS pauses
      FROM runs GROUP BY device),
judged AS (
    SELECT *, CASE WHEN %(end)s - coalesce(last, born) > tolerance
                   THEN floor(extract(epoch FROM %(end)s - coalesce(last, born)) / step) ELSE 0 END AS silent,
           CASE WHEN first - born > tolerance THEN floor(extract(epoch FROM first - born) / step) ELSE 0 END AS at_first
      FROM members LEFT JOIN heard ON device = key)
SELECT id, area, {stream} AS stream, last, silent > 0 AS open,
       least(silent + CASE WHEN numbered THEN numbers ELSE coalesce(pauses, 0) + at_first END,
             {most})::bigint AS missing
  FROM judged)"""

_WORST_FIRST = """
SELECT * FROM ({}) AS found
 WHERE missing > 0 AND (%(worse)s::bigint IS NULL OR missing < %(worse)s OR (missing = %(worse)s AND id > %(id)s))
 ORDER BY missing DESC, id LIMIT %(limit)s
"""


async def of_areas(
    database: Database,
    kinds: Sequence[Kind],
    areas: Sequence[str],
    span: Span,
    after: tuple[int, str] | None,
    limit: int,
) -> list[DictRow]:
    """Devices with anything missing of their telemetry in the span, worst first: id, area, stream, last, open, missing.

    ``after``: how much was missing of the device that the page before ended with, and its id.
    """
    parts = [
        sql.SQL(_OF_KIND).format(
            stream=sql.Literal(kind.id),
            table=sql.Identifier("public", kind.stream.name),
            interval=sql.Literal(kind.reporting_interval),
            tolerated=sql.Literal(TOLERATED),
            out_of_order=sql.Literal(OUT_OF_ORDER),
            most=sql.Literal(MOST_MISSING),
        )
        for kind in kinds
    ]
    worse, device = after or (None, "")
    parameters = {
        "start": span.start,
        "end": span.end,
        "areas": list(areas),
        "limit": limit,
        "worse": worse,
        "id": device,
    }
    query = sql.SQL(_WORST_FIRST).format(sql.SQL(" UNION ALL ").join(parts))
    return await database.rows(query, parameters)


async def watermarks(database: Database, device: int) -> dict[str, DictRow]:
    """What is committed of a device's numbers, by stream, if it asked to be told."""
    rows = await database.rows("SELECT * FROM watermarks WHERE device = %s", [device])
    return {row["stream"]: row for row in rows}
