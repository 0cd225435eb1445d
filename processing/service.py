"""Processing's loop: take committed readings, fold them, and once a second say how the city is.

A reading counts from the tick at or after its ``dateObserved``; what a clock that runs ahead sends waits until then.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import orjson
import psycopg

from devices.city import City
from devices.kinds import kinds
from devices.topics import Topics
from ingest.database import in_one_line
from ingest.intake import Committed
from ingest.retention import Retention
from processing.alarms import AlarmBook
from processing.contributions import Worst
from processing.documents import Documents, iso
from processing.engine import Engine
from processing.forecaster import Forecaster
from processing.history import HistoryWriter
from processing.policy import Policy
from processing.policy_keeper import PolicyKeeper
from processing.present import Present
from processing.recompute import longest_window
from processing.recomputer import Recomputer
from processing.settling import touched_minutes
from processing.usual import Usual
from processing.windows import MINUTE, TICK, next_tick, too_early

WORST_EVERY = 5
REOPEN_EVERY = 20
MOST_WAITING = 500_000
"""readings and devices that are handed on ahead of what is folded: some 50 MB"""
_NAP = 0.01
_LONGEST_WAIT = 0.2

_RETRY_AFTER = 1.0

log = logging.getLogger(__name__)

Publish = Callable[[Sequence[tuple[str, bytes]]], None]
"""sends messages (topic, payload) in this order, to be retained"""


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
        policy_file: Path | None = None,
        prepare: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``state`` gives the pipeline's own counters for the tick message; ``retention``: how long readings are kept;
        ``policy_file``: the city's own policy, looked at all the time; ``prepare`` is called once before the first
        tick, while readings may come already; ``clock`` seconds since 1970."""
        self._city = city
        self._keeper = PolicyKeeper(database_url, policy_file)
        self.restored = threading.Event()
        """set once the engine holds what the database had before; nothing may be handed on earlier"""
        self.late_by = 0.0
        self._zone = city.timezone
        self._topics = topics
        self._publish = publish
        self._state = state
        self._prepare = prepare
        self._clock = clock
        self._retention = retention or Retention()
        self._queue: queue.SimpleQueue[Committed] = queue.SimpleQueue()
        self._put = self._taken = 0  # readings and devices; each moved by one thread alone
        self._stop = threading.Event()
        self._usual = Usual([area.code for area in city.areas], city.timezone)
        self._restored_to = self._now()
        self.present = Present(database_url, self._new_engine, self._keeper, self._restored_to, self._renew)
        self._documents = Documents(city, self.engine)
        self._history = HistoryWriter(database_url)
        self._recomputer = Recomputer(
            database_url,
            self._new_engine,
            self._documents,
            self.present.timeline.spans,
            lambda: self._history.waiting,
        )
        self._forecaster = Forecaster(database_url, self._usual, lambda: self.present.policy.indicators)
        self._alarms = AlarmBook()
        self._worst: Worst = {}

    def hand_on(self, committed: Committed) -> None:
        """Take over what ingest has committed; waits while too much of it is not folded yet."""
        while self._put - self._taken > MOST_WAITING and not self._stop.is_set():
            time.sleep(_NAP)
        self._put += committed.size
        self._queue.put(committed)

    def stop(self) -> None:
        """Return from ``run`` soon."""
        self._stop.set()

    def restore(self) -> int:
        """Fold the recent horizon from the database, see ``Present.restore``; returns the number of readings."""
        now = self._now()
        readings = self.present.restore(now)
        self._restored_to = now
        self.restored.set()
        return readings

    def run(self) -> None:
        """Restore, unless that is done, and tick until ``stop``."""
        due = self._begin()
        self._prepare()
        due = next_tick(due - TICK, self._now())  # that may have taken long
        self._history.start()
        self._recomputer.start()
        self._keeper.start()
        self._forecaster.start()
        while not self._stop.is_set():
            self._fold_until(due)
            if self._stop.is_set():
                break
            if too_early(due, self._now()):  # what was let in under a clock ahead is not of this present
                log.warning("the clock was set back: the vital signs start anew from the database")
                self.restored.clear()
            if not self.restored.is_set():
                due = self._begin()
                continue
            self.tick(due)
            self.late_by = max(0.0, (self._now() - due) / 1e6)
            due = next_tick(due, self._now())
        self._recomputer.stop()
        self._history.stop()
        self._keeper.stop()
        self._forecaster.stop()

    def _begin(self) -> int:
        """Restore as soon as the database can be reached; returns the first tick after (µs).

        It follows the instant that was restored, not the clock: that may have been set back meanwhile.
        """
        while not self.restored.is_set() and not self._stop.is_set():
            try:
                log.info("restored %d readings", self.restore())
            except psycopg.OperationalError as error:
                log.warning("waiting for the database: %s", in_one_line(error))
                self._stop.wait(_RETRY_AFTER)
        self._make_up()
        return next_tick(self._restored_to // TICK * TICK, self._now())

    def tick(self, at: int) -> None:
        """Evaluate, publish, and at a full minute hand over history."""
        tick = at // TICK
        self.present.follow(at)
        self._make_up()
        snapshot = self.engine.evaluate(at)
        if tick % WORST_EVERY == 0 or not self._worst:
            self._worst = self.engine.worst(at)
        written = self._documents.write(snapshot, tick, self._worst)
        messages = [(self._topics.vitals(area), document) for area, document in written]
        own: dict[str, Any] = {
            "tickLateBy": round(self.late_by, 3),
            "held": len(self.present.live.gate),
            "historyWaiting": self._history.waiting,
        }
        own |= {
            "late": self.present.live.settler.late,
            "lateByStream": dict(self.present.live.settler.late_by_stream),
            "recomputing": self._recomputer.waiting,
            "restoring": len(self.engine.restoring),
            "revised": self._recomputer.revisions,
        }
        state = self._state() | {"policyRefused": self._keeper.refused}
        changed = self._alarms.update(state, at)
        messages += [(self._topics.incident(a.rule.id), orjson.dumps(a.document(self._iso))) for a in changed]
        closing = {
            "tick": tick,
            "at": iso(at, self._zone),
            "methodVersion": snapshot.method_version,
            "pipeline": state | own,
            "alarms": [alarm.document(self._iso) for alarm in self._alarms.active],
        }
        messages.append((self._topics.tick, orjson.dumps(closing)))
        self._publish(messages)
        if at % MINUTE == 0:
            self._history.put(self._documents.history(snapshot))
        self._settle(at)

    def _iso(self, micros: int) -> str:
        return iso(micros, self._zone)

    def _settle(self, at: int) -> None:
        """Settle a minute whose time has come; have the minutes that late readings touched recomputed."""
        minute = self.present.live.minute_due(at)
        if minute is not None:
            snapshot = self.present.live.settle(minute, self.present.timeline.at(minute))
            self._history.put(self._documents.history(snapshot, "final"))
        if at // TICK % REOPEN_EVERY == 0:
            late_from, notes = self.present.live.reopened()
            if late_from is not None:
                self._reopen(late_from, self.present.live.settler.settled, notes)
            else:  # all of it came in time
                self._recomputer.forget(notes)

    def _reopen(self, first: int, last: int, notes: Sequence[int] = ()) -> None:
        """Have the settled minutes recomputed that depend on what was observed from ``first`` to ``last`` (µs).

        Minutes whose readings are gone by retention keep the values they have. ``notes`` (ids) are done with it.
        """
        reach = longest_window(self.engine)
        whole_from = self._retention.whole_from(self._now(), reach)
        span = touched_minutes(max(first, whole_from or first), last, reach, self.present.live.settler.settled)
        if span is not None:
            self._recomputer.request(*span, notes)
        else:
            self._recomputer.forget(notes)

    def _make_up(self) -> None:
        """Have the minutes made that passed while nobody settled or kept any, and those revised that a restore found
        noted."""
        for note in self.present.live.take_noted():
            if not self._recomputer.carries(note.id):
                self._reopen(note.since, note.until, [note.id])
        for span in (self.present.take_missing(), self._history.take_lost()):
            if span is not None:
                self._recomputer.request(*span)

    @property
    def engine(self) -> Engine:
        """The engine of the present."""
        return self.present.engine

    def _renew(self) -> None:
        self._documents = Documents(self._city, self.engine)

    def _new_engine(self, policy: Policy, restoring: Collection[str] = ()) -> Engine:
        codes = [area.code for area in self._city.areas]
        return Engine(codes, self._city.parents, kinds(), policy.indicators, policy.domains, self._usual, restoring)

    def _now(self) -> int:
        return int(self._clock() * 1e6)

    def _fold_until(self, due: int) -> None:
        """Take batches in until it is time for the tick at ``due``, or all must be restored anew."""
        self.present.live.release(due)
        latest = max(due, self._now()) + TICK  # a flood must not keep the city from ticking
        while self.restored.is_set() and not self._stop.is_set():
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
        self._taken += committed.size
        self.present.absorb(committed, due)
        if committed.marked:  # what was folded has changed; which minutes it touches is noted with the mark
            self.restored.clear()
