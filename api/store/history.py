"""Vital signs of the past: minutes, and the roll-ups that are left of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql
from psycopg.rows import DictRow

from api.database import Connection, Database

MINUTE = timedelta(minutes=1)
_TABLES = {
    timedelta(days=1): "vital_days",
    timedelta(hours=1): "vital_hours",
    timedelta(minutes=15): "vital_quarters",
}


@dataclass(frozen=True)
class Span:
    """What of the past is wanted: ``end`` is exclusive; ``zone`` is where days begin."""

    area: str
    index: str
    start: datetime
    end: datetime
    step: timedelta
    as_of: datetime | None
    zone: str

    @property
    def source(self) -> timedelta:
        """The longest step that is kept and fits into this one."""
        return next((kept for kept in _TABLES if self.step % kept == timedelta(0)), MINUTE)


# Of each minute that lies in no finished roll-up the newest version known at ``as_of`` that says something of the area.
# The arrays are only looked into once it is clear which version that is.
_MINUTES = """
WITH spans AS (SELECT * FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS s (start, "end")),
said AS (
    SELECT DISTINCT ON (m.at) m.at, m.version, m.legend,
           coalesce(array_position(m.label, a.label), CASE WHEN m.label IS NULL THEN a.label + 1 END) AS place
      FROM spans
      JOIN vital_minutes m ON m.at >= spans.start AND m.at < spans."end"
      JOIN legend_areas a ON a.legend = m.legend AND a.area = %(area)s
     WHERE m.index = %(index)s AND m.at >= %(start)s AND m.at < %(end)s
       AND (%(as_of)s::timestamptz IS NULL OR m.computed_at <= %(as_of)s)
       AND (m.label IS NULL OR a.label = ANY(m.label))
     ORDER BY m.at, m.version DESC
     LIMIT %(limit)s
)
SELECT time_bucket(%(step)s, m.at, timezone => %(zone)s::text) AS bucket, m.at AS last,
       coalesce(m.revision[s.place], 0) AS revision, m.method_version, m.computed_at,
       nullif(m.value[s.place], 'NaN') AS value_last, nullif(m.score[s.place], 'NaN') AS score_last,
       m.coverage[s.place]::float8 AS coverage, nullif(m.freshness[s.place], 'NaN')::float8 AS freshness,
       l.reasons[m.reason[s.place] + 1] AS reason, 1 AS minutes,
       CASE WHEN m.state = 'final' OR EXISTS (
           SELECT FROM vital_minutes f WHERE f.index = m.index AND f.at = m.at AND f.state = 'final'
              AND (%(as_of)s::timestamptz IS NULL OR f.computed_at <= %(as_of)s)
       ) THEN 'final' ELSE 'provisional' END AS state
  FROM said s
  JOIN vital_minutes m ON m.index = %(index)s AND m.at = s.at AND m.version = s.version
  JOIN legends l ON l.id = m.legend
 WHERE m.at >= %(start)s AND m.at < %(end)s
   AND l.reasons[m.reason[s.place] + 1] IS DISTINCT FROM 'no_devices'
 ORDER BY m.at
"""

_ROLLUPS = """
WITH newest AS (
    SELECT DISTINCT ON (at) at, version FROM {table}
     WHERE index = %(index)s AND at > %(first)s AND at <= %(last)s
       AND (%(as_of)s::timestamptz IS NULL OR computed_at <= %(as_of)s)
     ORDER BY at, version DESC
     LIMIT %(limit)s
)
SELECT time_bucket(%(step)s, m.at, timezone => %(zone)s::text) AS bucket, m.at,
       m.at + %(source)s - interval '1 minute' AS last, m.version AS revision, m.method_version, m.computed_at, m.state,
       nullif(m.value_last[k], 'NaN') AS value_last, nullif(m.value_mean[k], 'NaN') AS value_mean,
       nullif(m.value_min[k], 'NaN') AS value_min, nullif(m.value_max[k], 'NaN') AS value_max,
       nullif(m.score_last[k], 'NaN') AS score_last, nullif(m.score_mean[k], 'NaN') AS score_mean,
       nullif(m.score_min[k], 'NaN') AS score_min, nullif(m.score_max[k], 'NaN') AS score_max,
       m.coverage[k]::float8 AS coverage, m.minutes[k] AS minutes, m.valued[k] AS valued, m.scored[k] AS scored,
       l.reasons[m.reason[k] + 1] AS reason
  FROM newest n
  JOIN {table} m ON m.index = %(index)s AND m.at = n.at AND m.version = n.version
  JOIN legends l ON l.id = m.legend
  JOIN legend_areas a ON a.legend = m.legend AND a.area = %(area)s
 CROSS JOIN LATERAL (SELECT a.label + 1 AS k OFFSET 0) AS place
 WHERE m.at > %(first)s AND m.at <= %(last)s
 ORDER BY m.at
"""


async def parts(database: Database, span: Span, limit: int) -> list[DictRow]:
    """What the steps of a span are made of, oldest first: roll-ups, and minutes where there are none (yet).

    Each is a row with its ``bucket``; there are enough of them for ``limit`` whole steps.
    """
    return await database.run(lambda connection: _fetch(connection, span, limit))


async def _fetch(connection: Connection, span: Span, limit: int) -> list[DictRow]:
    rollups: list[DictRow] = []
    wanted = {**span.__dict__, "source": span.source}
    if span.source > MINUTE:
        # a roll-up counts if its last minute lies in the span: so it does where steps are asked for minute by minute
        bounds = {"first": span.start - span.source, "last": span.end - span.source}
        query = sql.SQL(_ROLLUPS).format(table=sql.Identifier(_TABLES[span.source]))
        enough = {"limit": limit * (span.step // span.source)}
        rollups = await (await connection.execute(query, wanted | bounds | enough)).fetchall()
    starts, ends = _between([row["at"] for row in rollups], span)
    minutes: dict[str, Any] = {"starts": starts, "ends": ends, "limit": limit * (span.step // MINUTE)}
    found = await (await connection.execute(_MINUTES, wanted | minutes)).fetchall() if starts else []
    return sorted([*rollups, *found], key=lambda row: row["last"])


def _between(covered: list[datetime], span: Span) -> tuple[list[datetime], list[datetime]]:
    """Starts and ends of the stretches of the span that no roll-up covers."""
    starts, ends, at = [], [], span.start
    for begin in covered:
        if begin > at:
            starts.append(at)
            ends.append(begin)
        at = max(at, begin + span.source)
    if at < span.end:
        starts.append(at)
        ends.append(span.end)
    return starts, ends
