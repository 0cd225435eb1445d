"""The policies that vital signs were made with, and when each came into force."""

from psycopg.rows import DictRow

from api.database import Database

_NEWEST = (
    "SELECT p.version, p.text, c.at FROM policy_changes c JOIN policies p USING (version) ORDER BY c.at DESC LIMIT 1"
)
_ONE = """
SELECT p.version, p.text, p.first_used_at, (SELECT max(at) FROM policy_changes c WHERE c.version = p.version) AS at
  FROM policies p WHERE p.version = %s
"""
_CHANGES = """
SELECT c.at, c.version, p.text, b.version AS before, b.text AS text_before
  FROM (SELECT at, version, lag(version) OVER (ORDER BY at) AS before FROM policy_changes) AS c
  JOIN policies p USING (version) LEFT JOIN policies b ON b.version = c.before
 WHERE %(before)s::timestamptz IS NULL OR c.at < %(before)s ORDER BY c.at DESC LIMIT %(limit)s
"""


async def newest(database: Database) -> DictRow | None:
    """The policy of the last change: version, text, at."""
    return await database.row(_NEWEST)


async def one(database: Database, version: str) -> DictRow | None:
    """A policy: version, text, and when it last came into force (at; None for one that was only tried)."""
    return await database.row(_ONE, [version])


async def changes(database: Database, before: object, limit: int) -> list[DictRow]:
    """Changes, newest first, each with the text before it."""
    return await database.rows(_CHANGES, {"before": before, "limit": limit})
