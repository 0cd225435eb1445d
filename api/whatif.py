"""Runs what-ifs in threads beside the event loop: few at a time, with a deadline, ended when nobody waits any more."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

import psycopg
from fastapi import Request

from api.problems import Problem, unavailable
from devices.city import City
from ingest.database import connect
from ingest.retention import Retention
from processing.policy import PolicyError
from processing.whatif import (
    Answer,
    NothingFinalError,
    Question,
    ReadingsGoneError,
    SpanTooLongError,
    what_if,
)

_LOOK_S = 0.2
RETRY_AFTER_S = 5


class Runs:
    """The what-ifs under way; each has a thread and a database connection of its own."""

    def __init__(self, database_url: str, city: City, retention: Retention, most: int, deadline: float) -> None:
        self._database_url, self._city, self._retention = database_url, city, retention
        self._most, self._deadline = most, deadline
        self._running = 0

    async def answer(self, request: Request, question: Question) -> Answer | None:
        """The answer; None if the caller has gone. Raises a problem for everything that hinders it."""
        if self._running >= self._most:
            detail = f"{self._most} what-ifs are being computed, no more are taken at a time; try again shortly"
            raise Problem(429, "busy", detail, headers={"Retry-After": str(RETRY_AFTER_S)})
        run = _Run(self._database_url, self._city, self._retention, question)
        self._running += 1
        task = asyncio.create_task(asyncio.to_thread(run.work))
        task.add_done_callback(self._ended)
        try:
            return await self._watched(request, task)
        finally:
            if not task.done():
                asyncio.get_running_loop().run_in_executor(None, run.stop)

    async def _watched(self, request: Request, task: "asyncio.Task[Answer]") -> Answer | None:
        end = asyncio.get_running_loop().time() + self._deadline
        while not task.done():
            if await request.is_disconnected():
                return None
            if asyncio.get_running_loop().time() > end:
                detail = (
                    f"this what-if needs more than {self._deadline:g} s; "
                    "ask for a shorter span (from, to) or a longer step"
                )
                raise unavailable("query_too_long", detail)
            await asyncio.wait({task}, timeout=_LOOK_S)
        try:
            return task.result()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise unavailable("database_away", "the database does not answer; try again shortly") from error

    def _ended(self, task: "asyncio.Task[Answer]") -> None:
        self._running -= 1
        if not task.cancelled():
            task.exception()  # looked at, so that one nobody waited for is not complained of


class _Run:
    """One what-if in a thread."""

    def __init__(self, url: str, city: City, retention: Retention, question: Question) -> None:
        self._url, self._city, self._retention, self._question = url, city, retention, question
        self._stopped = threading.Event()
        self._connection: psycopg.Connection | None = None

    def work(self) -> Answer:
        with connect(self._url, application="cityvitals what-if") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection = connection
            try:
                return what_if(connection, self._city, self._question, self._stopped.is_set, self._kept)
            finally:
                self._connection = None

    def _kept(self, reach: int) -> int | None:
        return self._retention.whole_from(time.time_ns() // 1000, reach)

    def stop(self) -> None:
        """Have the thread end soon, also out of a query that is under way."""
        self._stopped.set()
        if (connection := self._connection) is not None:
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=2)


Shown = Callable[[int], str]


def refusal(error: Exception, shown: Shown) -> list[dict[str, str]]:
    """What is wrong with a question, as entries of a 422; ``shown`` writes an instant (µs)."""
    if isinstance(error, PolicyError):
        return [{"in": "body", "field": "policy", "detail": line} for line in str(error).splitlines()]
    if isinstance(error, ReadingsGoneError):
        detail = f"from lies before {shown(error.whole_from)}, readings of earlier times are no longer kept"
        return [{"in": "body", "field": "from", "detail": detail}]
    if isinstance(error, SpanTooLongError):
        detail = "from and to are more than a day apart; with a filter of devices, another window or another "
        return [{"in": "body", "field": "from", "detail": detail + "minimum coverage a day is the most"}]
    detail = "from and to hold no minute with final vital signs; a minute is final one minute after its end"
    return [{"in": "body", "field": "to", "detail": detail}]


REFUSALS = (PolicyError, NothingFinalError, SpanTooLongError, ReadingsGoneError)
