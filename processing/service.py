"""Processing's loop: take committed readings, fold them, and once a second say how the city is.

A reading counts from the tick at or after its ``dateObserved``; what a clock that runs ahead sends waits until then.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import psycopg

from devices.city import City
from devices.kinds import kinds
from devices.topics import Topics
from ingest.batch import Batch
from ingest.database import connect
from ingest.device_store import load_devices
from ingest.intake import Committed
from ingest.retention import Retention
from processing.alarms import AlarmBook
from processing.documents import Documents, Worst, iso
from processing.engine import Engine
from processing.history import HistoryWriter
from processing.marks import Marks
from processing.recompute import engine_at, longest_window
from processing.recomputer import Recomputer
from processing.restore import read_horizon, read_span
from processing.settling import LATENESS, Settler, full_minute, touched_minutes
from processing.store import newest_final_minute
from processing.trackers import stream_windows
from processing.visibility import Visibility
from processing.windows import MINUTE, TICK, Gate, first_tick, next_tick, too_early

WORST_EVERY = 5
REOPEN_EVERY = 20
DAY = 24 * 60 * MINUTE
_QUEUE = 256
_LONGEST_WAIT = 0.2

_RETRY_AFTER = 1.0

log = logging.getLogger(__name__)

Publish = Callable[[str, bytes], None]


class ProcessingService:
    """Owns the engine; ``hand_on`` is called by ingest's thread, everything else by its own."""

    def __init__(
        self,
        *,
        city: City,
        topics: Topics,
        database_url: str,
        publish: Publish,
        state: Callable[[], dict[str, Any]],
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``state`` gives the pipeline's own counters for the tick message; ``retention``: how long readings are kept;
        ``clock`` seconds since 1970."""
        self._city = city
        self.engine = self._new_engine()
        self.restored = threading.Event()
        """set once the engine holds what the database had before; nothing may be handed on earlier"""
        self.late_by = 0.0
        self._documents = Documents(city, self.engine)
        self._zone = city.timezone
        self._topics = topics
        self._database_url = database_url
        self._publish = publish
        self._state = state
        self._clock = clock
        self._retention = retention or Retention()
        self._gate = Gate()
        self._queue: queue.Queue[Committed] = queue.Queue(_QUEUE)
        self._stop = threading.Event()
        self._settler = Settler(self._new_engine(), full_minute(self._now()))
        self._marks = Marks()
        self._seen = Visibility()
        self._history = HistoryWriter(database_url)
        self._recomputer = Recomputer(database_url, self._new_engine, self._documents)
        self._alarms = AlarmBook()
        self._worst: Worst = {}

    def hand_on(self, committed: Committed) -> None:
        """Take over what ingest has committed; waits while the queue is full."""
        while not self._stop.is_set():
            try:
                self._queue.put(committed, timeout=0.5)
            except queue.Full:
                continue
            return

    def stop(self) -> None:
        """Return from ``run`` soon."""
        self._stop.set()

    def restore(self) -> int:
        """Fold the recent horizon from the database; returns the number of readings.

        Raises psycopg's errors; it can then be called again and starts anew.
        """
        now = self._now()
        settled = full_minute(now - LATENESS)
        engine, gate, count = self._new_engine(), Gate(), 0
        windows = stream_windows(engine.indicators)
        with connect(self._database_url, application="cityvitals restore") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
                assert row is not None
                devices = load_devices(connection)
                marks = Marks.load(connection)
                newest_final = newest_final_minute(connection)
                settler = Settler(engine_at(connection, self._new_engine, settled), settled)
                engine.register(devices)
                for kind in kinds().values():
                    members = [device for device in devices if device.kind == kind.id]
                    for batch in read_horizon(connection, kind, members, windows, now):
                        _fold(engine, gate, batch, now)
                        count += len(batch)
                    for stream in kind.streams:
                        for batch in read_span(connection, stream, settled):
                            settler.admit(batch)
        self.engine, self._gate, self._settler, self._marks = engine, gate, settler, marks
        self._seen = Visibility.parse(row[0])
        if newest_final is not None and newest_final < settled:
            self._recomputer.request(max(newest_final, settled - DAY) + MINUTE, settled)
        self.restored.set()
        return count

    def run(self) -> None:
        """Restore, unless that is done, and tick until ``stop``."""
        self._restore_when_possible()
        self._history.start()
        self._recomputer.start()
        due = first_tick(self._now())
        while not self._stop.is_set():
            self._fold_until(due)
            if self._stop.is_set():
                break
            if too_early(due, self._now()):  # what was let in under a clock ahead is not of this present
                log.warning("the clock was set back: the vital signs start anew from the database")
                self.restored.clear()
                self._restore_when_possible()
            else:
                self.tick(due)
                self.late_by = max(0.0, (self._now() - due) / 1e6)
            due = next_tick(due, self._now())
        self._recomputer.stop()
        self._history.stop()

    def tick(self, at: int) -> None:
        """Evaluate, publish, and at a full minute hand over history."""
        tick = at // TICK
        snapshot = self.engine.evaluate(at)
        if tick % WORST_EVERY == 0 or not self._worst:
            self._worst = self.engine.worst(at)
        for area, document in self._documents.write(snapshot, tick, self._worst):
            self._publish(self._topics.vitals(area), orjson.dumps(document))
        own = {"tickLateBy": round(self.late_by, 3), "held": len(self._gate), "historyWaiting": self._history.waiting}
        own |= {
            "late": self._settler.late,
            "recomputing": self._recomputer.waiting,
            "revised": self._recomputer.revisions,
        }
        state = self._state()
        for alarm in self._alarms.update(state, at):
            self._publish(self._topics.incident(alarm.rule.id), orjson.dumps(alarm.document(self._iso)))
        closing = {
            "tick": tick,
            "at": iso(at, self._zone),
            "methodVersion": snapshot.method_version,
            "pipeline": state | own,
            "alarms": [alarm.document(self._iso) for alarm in self._alarms.active],
        }
        self._publish(self._topics.tick, orjson.dumps(closing))
        if at % MINUTE == 0:
            self._history.put(self._documents.history(snapshot))
        self._settle(at)

    def _iso(self, micros: int) -> str:
        return iso(micros, self._zone)

    def _settle(self, at: int) -> None:
        """Settle a minute whose time has come; have the minutes that late readings touched recomputed."""
        minute = self._settler.due(at)
        if minute is not None:
            self._history.put(self._documents.history(self._settler.settle(minute), "final"))
        if at // TICK % REOPEN_EVERY == 0:
            late_from = self._settler.reopened()
            if late_from is not None:
                self._reopen(late_from, self._settler.settled)

    def _reopen(self, first: int, last: int) -> None:
        """Have the settled minutes recomputed that depend on what was observed from ``first`` to ``last`` (µs).

        Minutes whose readings are gone by retention keep the values they have.
        """
        reach = longest_window(self.engine)
        whole_from = self._retention.whole_from(self._now(), reach)
        span = touched_minutes(max(first, whole_from or first), last, reach, self._settler.settled)
        if span is not None:
            self._recomputer.request(*span)

    def _new_engine(self) -> Engine:
        return Engine([area.code for area in self._city.areas], self._city.parents, kinds())

    def _now(self) -> int:
        return int(self._clock() * 1e6)

    def _fold_until(self, due: int) -> None:
        """Take batches in until it is time for the tick at ``due``, or the clock was set back."""
        for batch in self._gate.release(due):
            self.engine.fold(batch)
        latest = max(due, self._now()) + TICK  # a flood must not keep the city from ticking
        while not self._stop.is_set():
            now = self._now()
            wait = (due - now) / 1e6
            if too_early(due, now) or now > latest:
                return
            try:
                committed = self._queue.get(timeout=min(wait, _LONGEST_WAIT)) if wait > 0 else self._queue.get_nowait()
            except queue.Empty:
                if wait <= 0:
                    return
                continue
            self._absorb(committed, due)

    def _absorb(self, committed: Committed, due: int) -> None:
        self.engine.register(committed.devices)
        self._settler.register(committed.devices)
        if not (committed.transaction and self._seen.shows(committed.transaction)):
            for batch in map(self._marks.good, committed.batches):
                if len(batch):
                    _fold(self.engine, self._gate, batch, due)
                    self._settler.admit(batch)
        if committed.marked:
            self.restored.clear()
            self._restore_when_possible()
            for first, last in committed.marked:
                self._reopen(first, last)

    def _restore_when_possible(self) -> None:
        while not self.restored.is_set() and not self._stop.is_set():
            try:
                log.info("restored %d readings", self.restore())
            except psycopg.OperationalError as error:
                log.warning("waiting for the database: %s", str(error).splitlines()[0])
                self._stop.wait(_RETRY_AFTER)


def _fold(engine: Engine, gate: Gate, batch: Batch, due: int) -> None:
    ready = gate.admit(batch, due)
    if ready is not None:
        engine.fold(ready)
