"""Vital signs of the past: the last known minute of each step."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import DictRow

from api.database import Connection, Database


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


# Of each step the last minute, and of that the newest revision known at ``as_of``.
_POINTS = """
SELECT DISTINCT ON (bucket)
       time_bucket(%(step)s, at, timezone => %(zone)s::text) AS bucket, at, revision, value, score, coverage,
       freshness, state, reason, method_version, computed_at
  FROM vitals
 WHERE area = %(area)s AND index = %(index)s AND at >= %(start)s AND at < %(end)s
   AND (%(as_of)s::timestamptz IS NULL OR computed_at <= %(as_of)s)
 ORDER BY bucket, at DESC, revision DESC
 LIMIT %(limit)s
"""


async def points(database: Database, span: Span, limit: int) -> list[DictRow]:
    """The points of a span, oldest first."""
    parameters = {**span.__dict__, "limit": limit}
    return await database.run(lambda connection: _fetch(connection, parameters))


async def _fetch(connection: Connection, parameters: dict[str, Any]) -> list[DictRow]:
    return await (await connection.execute(_POINTS, parameters)).fetchall()
