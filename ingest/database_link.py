"""Ingest's one database connection: opened when needed, given up when the database fails, cut when it hangs."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from ingest.database import connect, in_one_line
from ingest.patience import PATIENCE, is_at_work, shut_down

log = logging.getLogger(__name__)
T = TypeVar("T")

# SQLSTATE classes: connection, rolled back for another's sake, resources, operator intervention, system
_PASSING = ("08", "40", "53", "57", "58")
APPLICATION = "cityvitals ingest"
MOST_PATIENCE = 60.0
"""seconds that one piece of work may take at all"""


class DatabaseAwayError(Exception):
    """The database cannot be reached, or failed in a way that may pass; trying again later can help."""


class DatabaseLink:
    """Work is done by one thread alone; a second one cuts the connection when work hangs."""

    def __init__(self, url: str, *, patience: float = PATIENCE, application: str = APPLICATION) -> None:
        """``application``: the name under which this link alone is connected, see ``_take_over``."""
        self.errors = 0
        self.away = False
        self._url = url
        self._patience = patience
        self._application = application
        self._connection: psycopg.Connection | None = None
        self._guard = threading.Lock()
        self._busy_since: float | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="database watch", daemon=True).start()

    def do(self, work: Callable[[psycopg.Connection], T]) -> T:
        """The result of ``work``, tried once.

        Raises DatabaseAwayError when trying again may help, psycopg's error when it cannot.
        """
        try:
            connection, is_new = self._connected()
            with self._guard:
                self._busy_since = time.monotonic()
            if is_new:
                _take_over(connection, self._application)
            result = work(connection)
        except psycopg.Error as error:
            if not _may_pass(error):
                raise
            self._failed(error)
            raise DatabaseAwayError(str(error)) from error
        finally:
            with self._guard:
                self._busy_since = None
        if self.away:
            log.info("the database is back")
        self.away = False
        return result

    def close(self) -> None:
        """Close for good."""
        self._closed.set()
        self._drop()

    def _drop(self) -> None:
        with self._guard:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> tuple[psycopg.Connection, bool]:
        """The connection, and whether it has just been opened."""
        if self._connection is not None and not self._connection.closed:
            return self._connection, False
        connection = connect(self._url, application=self._application)
        connection.autocommit = True  # each piece of work opens its own transaction
        with self._guard:
            self._connection = connection
        return connection, True

    def _failed(self, error: psycopg.Error) -> None:
        self.errors += 1
        if not self.away:
            log.error("the database is away: %s", in_one_line(error))
        self.away = True
        self._drop()

    def _watch(self) -> None:
        """Wake work that hangs: shutting its socket down makes the waiting end with an error."""
        while not self._closed.wait(0.5):
            with self._guard:
                since, connection = self._busy_since, self._connection
                if since is None or connection is None or connection.closed:
                    continue
                pid = connection.info.backend_pid  # asked for here, where nobody closes the connection meanwhile
            taken = time.monotonic() - since
            if taken < self._patience or (taken < MOST_PATIENCE and is_at_work(self._url, pid, self._patience)):
                continue
            with self._guard:
                if self._busy_since != since:
                    continue  # it has just come to an end
                self._busy_since = None
                log.error("the database has not answered for %.1f s: the connection is cut", taken)
                shut_down(connection)


def _take_over(connection: psycopg.Connection, application: str) -> None:
    """End what earlier connections of this name to this database left behind, this process's or a killed one's.

    The server may not have noticed that they are gone: their open transactions would hold locks that live work waits
    for, and a COMMIT on its way could still be done behind the back of whoever takes the same deliveries in again.
    """
    connection.execute(
        "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
        " WHERE application_name = %s AND datname = current_database() AND usename = current_user"
        " AND pid <> pg_backend_pid()",
        [application],
    )


def _may_pass(error: psycopg.Error) -> bool:
    """Whether trying again can help: lost connections, conflicts, lack of resources, shutdowns, I/O errors."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate[:2] in _PASSING
