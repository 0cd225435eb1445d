"""All that was said of some areas at one minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import DictRow

from api.database import Connection, Database, fetch

_LOOK_BACK = timedelta(minutes=2)
# a minute is written a moment after it is over

_NEWEST = """
SELECT max(at) AS at FROM vital_minutes WHERE index = 'composite' AND at <= %(at)s AND at > %(from)s
   AND (%(as_of)s::timestamptz IS NULL OR computed_at <= %(as_of)s)
"""
_BEFORE = "SELECT max(at) AS at FROM vital_minutes WHERE index = 'composite' AND at <= %s"
_AFTER = "SELECT min(at) AS at FROM vital_minutes WHERE index = 'composite' AND at > %s"
# An array holds an index of all areas; only the places of the areas asked for are looked at.
_ROWS = """
WITH settled AS (
    SELECT DISTINCT index FROM vital_minutes WHERE at = %(at)s AND state = 'final'
       AND (%(as_of)s::timestamptz IS NULL OR computed_at <= %(as_of)s)
)
SELECT a.area, m.index, coalesce(m.revision[p.place], 0)::integer AS revision, nullif(m.value[p.place], 'NaN') AS value,
       nullif(m.score[p.place], 'NaN') AS score, nullif(m.base[p.place], 'NaN') AS base,
       m.coverage[p.place]::double precision AS coverage,
       nullif(m.freshness[p.place], 'NaN')::double precision AS freshness,
       CASE WHEN s.index IS NULL THEN m.state ELSE 'final' END AS state, l.reasons[m.reason[p.place] + 1] AS reason,
       m.method_version
  FROM vital_minutes m
  LEFT JOIN settled s ON s.index = m.index
  JOIN legends l ON l.id = m.legend
  JOIN legend_areas a ON a.legend = m.legend AND a.area = ANY(%(areas)s)
 CROSS JOIN LATERAL (
     SELECT CASE WHEN m.label IS NULL THEN a.label + 1 ELSE array_position(m.label, a.label) END AS place
       ) AS p
 WHERE m.at = %(at)s AND p.place IS NOT NULL
   AND (%(as_of)s::timestamptz IS NULL OR m.computed_at <= %(as_of)s)
 ORDER BY m.version
"""


@dataclass(frozen=True)
class StoredMinute:
    """Rows of a minute, one for each area and index; ``at`` None where there is none, with its neighbours."""

    at: datetime | None
    rows: Sequence[DictRow] = ()
    before: datetime | None = None
    after: datetime | None = None


async def at_minute(database: Database, areas: Sequence[str], moment: datetime, as_of: datetime | None) -> StoredMinute:
    """The newest revisions, known at ``as_of``, of the newest minute up to ``moment``, two minutes old at most."""

    async def search(connection: Connection) -> StoredMinute:
        bounds = {"at": moment, "from": moment - _LOOK_BACK, "as_of": as_of, "areas": list(areas)}
        at = (await fetch(connection, _NEWEST, bounds))[0]["at"]
        if at is None:
            before = (await fetch(connection, _BEFORE, [moment]))[0]["at"]
            after = (await fetch(connection, _AFTER, [moment]))[0]["at"]
            return StoredMinute(None, (), before, after)
        rows = await fetch(connection, _ROWS, bounds | {"at": at})
        newest = {(row["area"], row["index"]): row for row in rows}  # versions come in order: the last one stands
        return StoredMinute(at, [row for row in newest.values() if row["reason"] != "no_devices"])

    return await database.run(search)
