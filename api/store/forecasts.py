"""Forecasts as they were made, the hours to make one from, and what came in their place."""

from datetime import datetime
from typing import Any

from psycopg.rows import DictRow

from api.database import Connection, Database, fetch

_NEWEST = """
SELECT max(at) + interval '1 hour' AS at FROM vital_hours
 WHERE index = %(index)s AND at <= %(at)s::timestamptz - interval '1 hour'
   AND at > %(at)s::timestamptz - interval '17 weeks'
"""
_STORED = """
SELECT f.step, f.point[p] AS value, f.low80[p] AS low80, f.high80[p] AS high80, f.low95[p] AS low95,
       f.high95[p] AS high95, nullif(f.baseline[p], 'NaN') AS baseline, f.trained_on[p] AS trained_on
  FROM forecasts f JOIN legend_areas a ON a.legend = f.legend AND a.area = %(area)s,
       LATERAL (SELECT a.label + 1) AS l (p)
 WHERE f.index = %(index)s AND f.at = %(at)s AND f.point[p] <> 'NaN' ORDER BY f.step
"""
_HOURS = """
SELECT DISTINCT ON (h.at) h.at, nullif({column}[a.label + 1], 'NaN') AS value
  FROM vital_hours h JOIN legend_areas a ON a.legend = h.legend AND a.area = %(area)s
 WHERE h.index = %(index)s AND h.at >= %(first)s AND h.at < %(at)s ORDER BY h.at, h.version DESC
"""
_SCORES = """
SELECT min(s.at) AS at, coalesce(sum(s.compared[p]), 0)::integer AS compared, sum(s.error[p]) AS error,
       sum(s.naive[p]) AS naive, sum(nullif(s.scale[p], 'NaN') * s.compared[p]) AS scale,
       sum(s.inside80[p])::integer AS inside80, sum(s.inside95[p])::integer AS inside95
  FROM forecast_scores s JOIN legend_areas a ON a.legend = s.legend AND a.area = %(area)s,
       LATERAL (SELECT a.label + 1) AS l (p)
 WHERE s.index = %(index)s AND s.at < %(at)s AND s.at >= %(at)s::timestamptz - interval '28 days' AND s.compared[p] > 0
"""
_HOURS_OF = {column: _HOURS.replace("{column}", f"h.{column}") for column in ("value_mean", "score_mean")}


async def newest(database: Database, index: str, at: datetime) -> datetime | None:
    """The end of the newest hour of an index that was over at ``at``."""
    row = await database.row(_NEWEST, {"index": index, "at": at})
    return None if row is None else row["at"]


async def stored(database: Database, area: str, index: str, at: datetime) -> list[DictRow]:
    """The steps that were foretold at ``at``."""
    return await _rows(database, _STORED, {"area": area, "index": index, "at": at})


async def hours(database: Database, area: str, index: str, column: str, first: datetime, at: datetime) -> list[DictRow]:
    """Hours from ``first`` up to before ``at``; ``column``: value_mean or score_mean."""
    return await _rows(database, _HOURS_OF[column], {"area": area, "index": index, "first": first, "at": at})


async def scores(database: Database, area: str, index: str, at: datetime) -> DictRow | None:
    """Sums over the 28 days before ``at``."""
    rows = await _rows(database, _SCORES, {"area": area, "index": index, "at": at})
    return rows[0] if rows and rows[0]["compared"] else None


async def _rows(database: Database, query: str, parameters: dict[str, Any]) -> list[DictRow]:
    async def ask(connection: Connection) -> list[DictRow]:
        return await fetch(connection, query, parameters)

    return await database.run(ask)
