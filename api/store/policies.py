"""The policies that vital signs were made with, and when each came into force."""

from typing import Any

from psycopg.rows import DictRow

from api.database import Database
from processing.policy import SHIPPED, write

IN_FORCE = "current"
"""stands for the version in force"""

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


async def known(database: Database, version: str) -> dict[str, Any] | None:
    """A policy by its version, or the one IN_FORCE: version, text, and when it last came into force (at; None for one
    that was only tried). None if nobody has ever used it here."""
    if "\x00" in version:
        return None
    row = await (database.row(_NEWEST) if version == IN_FORCE else database.row(_ONE, [version]))
    if row is None and version in (IN_FORCE, SHIPPED.version):  # no pipeline has run yet
        return {"version": SHIPPED.version, "text": write(SHIPPED), "at": None}
    return row


async def changes(database: Database, before: object, limit: int) -> list[DictRow]:
    """Changes, newest first, each with the text before it."""
    return await database.rows(_CHANGES, {"before": before, "limit": limit})
