"""Marks: ranges of a device's readings declared bad, and lifted again. Nothing is ever deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import DictRow

from api.database import Connection, Database, fetch, where

_SELECT = sql.SQL(
    'SELECT m.id, d.id AS device, m.stream, m."from", m."to", m.reason, m.marked_by, m.marked_at,'
    " m.unmarked_by, m.unmarked_at FROM marks m JOIN devices d ON d.key = m.device"
)


async def listed(
    database: Database, device: str | None, *, in_force: bool | None, before: int | None, limit: int
) -> list[DictRow]:
    """Marks with ids below ``before``, newest first."""
    conditions: list[sql.Composable] = []
    parameters: list[Any] = []
    if device is not None:
        conditions.append(sql.SQL("d.id = %s"))
        parameters.append(device)
    if in_force is not None:
        conditions.append(sql.SQL("m.unmarked_at IS NULL" if in_force else "m.unmarked_at IS NOT NULL"))
    if before is not None:
        conditions.append(sql.SQL("m.id < %s"))
        parameters.append(before)
    query = sql.SQL("{} {} ORDER BY m.id DESC LIMIT %s").format(_SELECT, where(conditions))
    return await database.rows(query, [*parameters, limit])


async def one(database: Database, mark: int) -> DictRow | None:
    """A mark by its id."""
    return await database.row(sql.SQL("{} WHERE m.id = %s").format(_SELECT), [mark])


async def put(
    database: Database, key: int, streams: Sequence[str], first: datetime, last: datetime, reason: str, by: str
) -> list[int]:
    """Mark what a device (registry key) observed on each stream from ``first`` to ``last``; returns the marks' ids.

    What is to be recomputed is noted with them.
    """

    async def work(connection: Connection) -> list[DictRow]:
        return await fetch(
            connection,
            'WITH marked AS (INSERT INTO marks (device, stream, "from", "to", reason, marked_by)'
            " SELECT %s, stream, %s, %s, %s, %s FROM unnest(%s::text[]) AS stream"
            ' RETURNING id, "from", "to"), noted AS (INSERT INTO reopened (since, until)'
            ' SELECT DISTINCT "from", "to" FROM marked)'
            " SELECT id FROM marked ORDER BY id",
            [key, first, last, reason, by, list(streams)],
        )

    return [int(row["id"]) for row in await database.run(work)]


async def lift(database: Database, mark: int, by: str) -> bool:
    """Lift a mark, and note what is to be recomputed; False when it was not in force."""
    row = await database.row(
        "WITH lifted AS (UPDATE marks SET unmarked_at = now(), unmarked_by = %s"
        ' WHERE id = %s AND unmarked_at IS NULL RETURNING id, "from", "to"),'
        ' noted AS (INSERT INTO reopened (since, until) SELECT "from", "to" FROM lifted)'
        " SELECT id FROM lifted",
        [by, mark],
    )
    return row is not None
