"""Drops what is older than its retention, once an hour, over a connection of its own."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

import psycopg
from psycopg import sql

from devices.contract import Kind
from devices.units import format_instant
from ingest.database import connect, in_one_line
from ingest.retention import DAY, Retention

log = logging.getLogger(__name__)

EVERY = 3600.0
RETRY_AFTER = 300.0
STALE_INTERVALS = 3
_LOCK_PATIENCE = "5s"
_REJECTS_AT_ONCE = 5_000


class Pruner:
    """A thread that drops whole chunks of readings and vital signs, and rejects."""

    def __init__(
        self,
        database_url: str,
        retention: Retention,
        kinds: Mapping[str, Kind],
        windows: Mapping[str, int],
        ready: threading.Event,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``windows``: seconds that the indicators look back, by stream; nothing is dropped before ``ready``."""
        self.dropped: dict[str, int] = {}
        """chunks dropped since the start by table, and rejects"""
        self.failures = 0
        self._database_url = database_url
        self._retention = retention
        self._kinds = kinds
        self._windows = windows
        self._ready = ready
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Start the thread, unless everything is kept."""
        if not self._retention.keeps_all:
            self._thread.start()

    def stop(self) -> None:
        """End the thread; what it is dropping is finished or left to the next time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def prune(self) -> dict[str, int]:
        """Drop what is due; returns how much, by table. Raises psycopg's errors."""
        now = round(self._clock() * 1e6)
        dropped: dict[str, int] = {}
        with connect(self._database_url, application="cityvitals retention") as connection:
            connection.autocommit = True
            connection.execute(sql.SQL("SET lock_timeout = {}").format(_LOCK_PATIENCE))
            for table, oldest in self._due(connection, now).items():
                count = _drop_chunks(connection, table, oldest)
                if count:
                    dropped[table] = count
                    log.info("retention: dropped %d chunks of %s from before %s", count, table, format_instant(oldest))
            if (days := self._retention.rejects) != float("inf"):
                oldest = now - round(days * DAY)
                count = self._delete_rejects(connection, oldest)
                if count:
                    dropped["rejects"] = count
                    log.info("retention: deleted %d rejects from before %s", count, format_instant(oldest))
        for table, count in dropped.items():
            self.dropped[table] = self.dropped.get(table, 0) + count
        return dropped

    def _due(self, connection: psycopg.Connection, now: int) -> dict[str, int]:
        """From when on each hypertable is kept."""
        due: dict[str, int] = {}
        slowest = _slowest_intervals(connection)
        for kind in self._kinds.values():
            interval = max(kind.reporting_interval, slowest.get(kind.id, 0.0))
            for stream in kind.streams:
                reach = max(self._windows.get(stream.name, 0), STALE_INTERVALS * interval)
                oldest = self._retention.oldest(stream.name, now, round(reach * 1e6))
                if oldest is not None:
                    due[stream.name] = oldest
        if self._retention.vitals != float("inf"):
            due["vital_minutes"] = now - round(self._retention.vitals * DAY)
        return due

    def _delete_rejects(self, connection: psycopg.Connection, oldest: int) -> int:
        total = 0
        while not self._stop.is_set():
            count = connection.execute(
                "DELETE FROM rejects WHERE id IN (SELECT id FROM rejects WHERE received_at < %s ORDER BY id LIMIT %s)",
                [format_instant(oldest), _REJECTS_AT_ONCE],
            ).rowcount
            total += count
            if count < _REJECTS_AT_ONCE:
                break
        return total

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            if not self._ready.is_set():
                pause = 1.0
                continue
            pause = EVERY
            try:
                self.prune()
            except psycopg.Error as error:
                self.failures += 1
                pause = RETRY_AFTER
                log.warning("retention is tried again later: %s", in_one_line(error))


def _slowest_intervals(connection: psycopg.Connection) -> dict[str, float]:
    """The longest reporting interval (s) of any device, by kind: its newest reading counts for three of them."""
    rows = connection.execute(
        "SELECT kind, max((attributes ->> 'reportingInterval')::float8) FROM devices"
        " WHERE jsonb_typeof(attributes -> 'reportingInterval') = 'number' GROUP BY kind"
    )
    return {kind: float(interval) for kind, interval in rows}


def _drop_chunks(connection: psycopg.Connection, table: str, oldest: int) -> int:
    """Drop the chunks that hold nothing from ``oldest`` (µs) on; returns how many."""
    row = connection.execute(
        "SELECT count(*) FROM drop_chunks(%s::regclass, older_than => %s::timestamptz)",
        [f'public."{table}"', format_instant(oldest)],
    ).fetchone()
    return int(row[0]) if row else 0
