"""A connection that does not wait for ever for a server that has forgotten it.

A firewall, a proxy or a network that lost its memory can leave a connection that looks alive and carries nothing: TCP's
own keep-alives are answered on the way. Whoever has waited for a while therefore asks over a second connection whether
the server is at work for the first; if not, the socket is shut down, and the waiting ends with an OperationalError.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

PATIENCE = 3.0
"""seconds after which it is asked over a second connection whether the database is still at the work"""
_LOOKS = 3
_INTERVAL = 0.1
_NOTHING = 0
"""what psycopg tells a generator when nothing came within the interval"""


class PatientConnection(psycopg.Connection):
    """Waits as long as the server is at work."""

    url: str | None = None
    """where to ask; None: waits for ever"""
    patience = PATIENCE

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        """As psycopg's: every exchange with the server goes through here."""
        return super().wait(self._watched(gen) if self.url is not None else gen, interval, timeout)

    def _watched(self, gen: PQGen[RV]) -> Generator[Any, Any, RV]:
        """The same exchange; the socket is shut down when nothing comes and the server is not at work."""
        try:
            wanted = next(gen)
            since = time.monotonic()
            while True:
                ready = yield wanted
                if ready != _NOTHING:
                    since = time.monotonic()
                elif time.monotonic() - since >= self.patience:
                    if not is_at_work(str(self.url), self.info.backend_pid, self.patience):
                        shut_down(self)
                    since = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as done:
            result: RV = done.value
            return result


def is_at_work(url: str, pid: int, patience: float) -> bool:
    """Whether the server's side of a connection is busy: slow, but neither hanging nor forgotten."""
    busy: list[bool] = []
    asking = threading.Thread(target=lambda: busy.append(_is_busy(url, pid)), daemon=True)
    asking.start()
    asking.join(patience)
    return busy == [True]


def shut_down(connection: psycopg.Connection) -> None:
    """Make whoever waits for the connection get an error."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as handle,
    ):
        handle.shutdown(socket.SHUT_RDWR)


def _is_busy(url: str, pid: int) -> bool:
    try:
        with psycopg.connect(url, application_name="cityvitals watch", connect_timeout=2) as connection:
            connection.autocommit = True
            for _ in range(_LOOKS):
                row = connection.execute(
                    "SELECT state = 'active' AND wait_event IS DISTINCT FROM 'ClientRead'"
                    " FROM pg_stat_activity WHERE pid = %s",
                    [pid],
                ).fetchone()
                if row is not None and row[0]:
                    return True
                time.sleep(0.2)  # it may be between two statements, or wait for a moment's packing
    except psycopg.Error:
        return False
    return False
