"""Routes from stored readings: a window is read and measured once, in a thread beside the event loop, for all."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import psycopg
from psycopg import sql

from api.problems import unavailable
from devices.city import City
from ingest.database import connect
from processing.policy_store import policy_at
from processing.route_book import RouteBook, Window
from processing.route_store import read_book
from processing.routes import RouteTable, measurable, table_of
from processing.settling import LATENESS

log = logging.getLogger(__name__)

DEADLINE_S = 20.0
KEPT = 4
KEPT_FOR_S = 60.0
_AT_A_TIME = 2


@dataclass(frozen=True)
class Reading:
    """What was read of a window, and the tables made of it."""

    book: RouteBook
    method_version: str
    final: bool
    """nothing that comes in time can be missing"""
    tables: dict[str, RouteTable] = field(default_factory=dict)
    """by area"""


class Routes:
    """Tables of routes; the newest few windows are kept for a minute."""

    def __init__(self, database_url: str, city: City) -> None:
        self._database_url, self._city = database_url, city
        self._kept: dict[Window, tuple[float, asyncio.Task[Reading]]] = {}
        self._limit = asyncio.Semaphore(_AT_A_TIME)

    async def table(self, window: Window, area: str, within: Sequence[str]) -> tuple[Reading, RouteTable]:
        """The routes of an area (``within``: codes of it and of all below). Raises a problem when that cannot be."""
        reading = await self._read(window)
        table = reading.tables.get(area)
        if table is None:
            chosen = np.zeros(len(self._city.areas), np.bool_)
            chosen[[self._city.index[code] for code in within]] = True
            table = reading.tables[area] = await asyncio.to_thread(table_of, reading.book, chosen)
        return reading, table

    async def _read(self, window: Window) -> Reading:
        now = time.monotonic()
        for known, (since, task) in list(self._kept.items()):
            broken = task.done() and (task.cancelled() or task.exception() is not None)
            if now - since > KEPT_FOR_S or broken:
                del self._kept[known]
        while len(self._kept) >= KEPT and window not in self._kept:
            del self._kept[next(iter(self._kept))]
        if window not in self._kept:
            self._kept[window] = now, asyncio.create_task(self._work(window))
        try:
            return await asyncio.wait_for(asyncio.shield(self._kept[window][1]), DEADLINE_S)
        except (TimeoutError, psycopg.errors.QueryCanceled) as error:
            detail = f"the routes of this span take more than {DEADLINE_S:g} s; ask for a shorter one (from, to)"
            raise unavailable("query_too_long", detail) from error
        except psycopg.errors.UndefinedTable as error:
            detail = "the database has no schema yet: run cityvitals migrate"
            raise unavailable("database_not_migrated", detail) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise unavailable("database_away", "the database does not answer; try again shortly") from error

    async def _work(self, window: Window) -> Reading:
        async with self._limit:
            return await asyncio.to_thread(self._reading, window)

    def _reading(self, window: Window) -> Reading:
        began = time.time_ns() // 1000
        with connect(self._database_url, application="cityvitals routes") as connection:
            timeout = sql.Literal(round(DEADLINE_S * 1000))
            connection.execute(sql.SQL("SET statement_timeout = {}").format(timeout))
            policy = policy_at(connection, window.at)
            book = read_book(connection, self._city, measurable(policy.indicators), window)
        return Reading(book, policy.version, began >= window.at + LATENESS)
