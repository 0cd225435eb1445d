"""Write history beside the ticks, in a thread of its own: a database that is slow or away delays no vital sign."""

import logging
import threading
from collections import deque

import psycopg

from ingest.database import connect, in_one_line
from processing.minutes import Minute
from processing.rollup_store import make_rollups
from processing.store import write_history

log = logging.getLogger(__name__)

MINUTES_KEPT = 120
"""an hour: each minute comes twice, provisional and final"""
_PAUSE = 2.0
_LAST_WORDS = 5.0


class HistoryWriter:
    """Takes minutes of history and writes them in order; while the database is away the newest hour waits."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._waiting: deque[Minute] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._connection: psycopg.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._lost: tuple[int, int] | None = None

    @property
    def waiting(self) -> int:
        """Minutes not written yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, minute: Minute) -> None:
        """Take a minute; never waits."""
        with self._changed:
            if len(self._waiting) == MINUTES_KEPT:
                self._give_way(self._waiting.popleft())
            self._waiting.append(minute)
            self._changed.notify_all()

    def take_lost(self) -> tuple[int, int] | None:
        """First and last final minute (µs) that gave way to newer ones, to be made again; tells it once."""
        with self._changed:
            lost, self._lost = self._lost, None
        return lost

    def _give_way(self, minute: Minute) -> None:
        """Note a final minute; a provisional one is followed by its final one."""
        if minute.state == "final":
            first = minute.at if self._lost is None else self._lost[0]
            self._lost = first, minute.at

    def stop(self) -> None:
        """Write what waits, if the database can be reached now, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(_LAST_WORDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    break
                minute = self._waiting[0]
            written = self._write(minute)
            with self._changed:
                if written and self._waiting and self._waiting[0] is minute:
                    self._waiting.popleft()
                if not written and not self._stopping:
                    self._changed.wait_for(lambda: self._stopping, _PAUSE)
                elif not written:
                    break
        if self._connection is not None:
            self._connection.close()

    def _write(self, minute: Minute) -> bool:
        try:
            if self._connection is None:
                self._connection = connect(self._database_url, application="cityvitals processing")
                self._connection.autocommit = True
            write_history(self._connection, minute)
            if minute.state == "final":
                make_rollups(self._connection, minute.areas, minute.zone, minute.at, minute.at, minute.at)
        except psycopg.Error as error:
            log.warning("history waits for the database: %s", in_one_line(error))
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return False
        return True
