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
_ROWS = """
SELECT DISTINCT ON (area, index) area, index, revision, value, score, base, coverage, freshness, state, reason,
       method_version, computed_at
  FROM vitals WHERE at = %(at)s AND area = ANY(%(areas)s)
   AND (%(as_of)s::timestamptz IS NULL OR computed_at <= %(as_of)s)
 ORDER BY area, index, revision DESC
"""


@dataclass(frozen=True)
class StoredMinute:
    """Rows of a minute; ``at`` None where there is none, with its neighbours."""

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
        return StoredMinute(at, await fetch(connection, _ROWS, bounds | {"at": at}))

    return await database.run(search)
