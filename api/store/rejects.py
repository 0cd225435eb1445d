"""The rejects, newest first, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import DictRow

from api.database import Database, where

MAX_PAYLOAD = 64 * 1024
COLUMNS = sql.SQL(
    "id, received_at, topic, stream, device, reason, detail, resolved_at, resolution,"
    " substring(payload FOR {0}) AS payload, (truncated OR length(payload) > {0}) AS truncated"
).format(sql.Literal(MAX_PAYLOAD))


@dataclass(frozen=True)
class Filter:
    """Which rejects; None means any."""

    reason: str | None = None
    device: str | None = None
    stream: str | None = None
    resolved: bool | None = None

    def conditions(self) -> tuple[list[sql.Composable], list[Any]]:
        named = {"reason": self.reason, "device": self.device, "stream": self.stream}
        given = {column: value for column, value in named.items() if value is not None}
        conditions: list[sql.Composable] = [sql.SQL("{} = %s").format(sql.Identifier(column)) for column in given]
        if self.resolved is not None:
            state = sql.SQL("IS NOT NULL") if self.resolved else sql.SQL("IS NULL")
            conditions.append(sql.SQL("resolved_at ") + state)
        return conditions, list(given.values())


async def listed(database: Database, wanted: Filter, before: int | None, limit: int) -> list[DictRow]:
    """Rejects with ids below ``before``, newest first."""
    conditions, parameters = wanted.conditions()
    if before is not None:
        conditions.append(sql.SQL("id < %s"))
        parameters.append(before)
    query = sql.SQL("SELECT {} FROM rejects {} ORDER BY id DESC LIMIT %s").format(COLUMNS, where(conditions))
    return await database.rows(query, [*parameters, limit])


async def one(database: Database, reject: int) -> DictRow | None:
    """A reject by its id, with the ``version`` of its row, which every write changes."""
    query = sql.SQL("SELECT {}, xmin::text AS version FROM rejects WHERE id = %s").format(COLUMNS)
    return await database.row(query, [reject])


async def open_versions(database: Database, wanted: Filter, limit: int) -> dict[int, str]:
    """Rejects not resolved yet, oldest first: the version of the row by id."""
    conditions, parameters = wanted.conditions()
    conditions.append(sql.SQL("resolved_at IS NULL"))
    query = sql.SQL("SELECT id, xmin::text AS version FROM rejects {} ORDER BY id LIMIT %s").format(where(conditions))
    return {int(row["id"]): row["version"] for row in await database.rows(query, [*parameters, limit])}


_OUTCOMES = """
SELECT count(*) FILTER (WHERE r.resolution = 'stored') AS stored,
       count(*) FILTER (WHERE r.resolution = 'duplicate') AS duplicate,
       count(*) FILTER (WHERE r.resolution IS NULL) AS rejected,
       count(*) FILTER (WHERE r.resolution IS NULL AND r.xmin::text = before.version) AS undecided
  FROM rejects r JOIN unnest(%s::bigint[], %s::text[]) AS before (id, version) USING (id)
"""


async def outcomes(database: Database, before: Mapping[int, str]) -> dict[str, int]:
    """How many of these are ``stored``, ``duplicate``, still ``rejected``, and of the last how many ``undecided``."""
    (row,) = await database.rows(_OUTCOMES, [list(before), list(before.values())])
    return {name: int(count) for name, count in row.items()}
