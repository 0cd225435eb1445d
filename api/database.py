"""The API's way to TimescaleDB: a pool whose every use has a deadline; a database away is a 503, never a hang."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from api.problems import unavailable

DEADLINE_S = 2.5
POOL_WAIT_S = 2.0
CONNECT_TIMEOUT_S = 2
RECONNECT_FOR_S = 3.0  # then the next request starts a new attempt
STATEMENT_TIMEOUT_MS = 2300

Connection = AsyncConnection[DictRow]
Query = LiteralString | sql.SQL | sql.Composed
Parameters = Sequence[Any] | Mapping[str, Any]
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Database:
    """Runs queries of routes; rows are dicts, times are aware."""

    def __init__(self, url: str, connections: int) -> None:
        options = f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} -c synchronous_commit=on"
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            open=False,
            min_size=1,
            max_size=connections,
            timeout=POOL_WAIT_S,
            reconnect_timeout=RECONNECT_FOR_S,
            check=AsyncConnectionPool.check_connection,
            max_waiting=64,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                "connect_timeout": CONNECT_TIMEOUT_S,
                "application_name": "cityvitals api",
                "options": options,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
            },
        )
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Start the pool; does not wait for the database."""
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        await self._pool.open(wait=False)

    async def close(self) -> None:
        for task in self._abandoned:
            task.cancel()
        await self._pool.close(timeout=0.5)

    async def run(self, work: Callable[[Connection], Awaitable[Result]], deadline: float = DEADLINE_S) -> Result:
        """Do ``work`` with a connection. Raises a 503 problem when the database does not answer in time.

        A query that hangs is left behind rather than awaited: cancelling it would itself wait for the server.
        """
        task = asyncio.ensure_future(self._with_connection(work))
        done, _ = await asyncio.wait({task}, timeout=deadline)
        if not done:
            self._abandoned.add(task)
            task.add_done_callback(self._forget)
            task.cancel()
            raise unavailable("database_away", f"the database did not answer within {deadline:g} s")
        try:
            return task.result()
        except psycopg.errors.QueryCanceled as error:
            detail = "the database needed too long for this query; ask for a shorter range (from, to) or fewer areas"
            raise unavailable("query_too_long", detail) from error
        except psycopg.errors.UndefinedTable as error:
            raise unavailable(
                "database_not_migrated", "the database has no schema yet: run cityvitals migrate"
            ) from error
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
            log.warning("database away: %s", error)
            raise unavailable("database_away", "the database does not answer; try again shortly") from error

    async def rows(self, query: Query, parameters: Parameters = ()) -> list[DictRow]:
        """All rows of one query."""
        return await self.run(lambda connection: fetch(connection, query, parameters))

    async def row(self, query: Query, parameters: Parameters = ()) -> DictRow | None:
        """The first row of one query, if any."""
        return next(iter(await self.rows(query, parameters)), None)

    async def alive(self) -> bool:
        """Whether a trivial query is answered within a second."""
        try:
            await self.run(lambda connection: fetch(connection, "SELECT 1"), deadline=1.0)
        except Exception as error:
            log.info("database check failed: %s", error)
            return False
        return True

    async def _with_connection(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        async with self._pool.connection() as connection:
            return await work(connection)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()


async def fetch(connection: Connection, query: Query, parameters: Parameters = ()) -> list[DictRow]:
    """All rows of one query on a connection."""
    return await (await connection.execute(query, parameters)).fetchall()


def where(conditions: Sequence[sql.Composable]) -> sql.Composable:
    """``WHERE a AND b``, or nothing for no condition."""
    return sql.SQL("WHERE ") + sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("")
