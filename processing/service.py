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
from ingest.database import connect
from ingest.intake import Committed
from ingest.retention import Retention
from processing.alarms import AlarmBook
from processing.contributions import Worst
from processing.documents import Documents, iso
from processing.engine import Engine
from processing.forecaster import Forecaster
from processing.history import HistoryWriter
from processing.live_state import LiveState, first_state, restored_state
from processing.policy import SHIPPED, Policy, differences, same_measures
from processing.policy_keeper import PolicyKeeper
from processing.policy_store import Recorded, load_changes
from processing.recompute import longest_window
from processing.recomputer import Recomputer
from processing.settling import LATENESS, full_minute, touched_minutes
from processing.store import newest_final_minute
from processing.successor import Successor
from processing.timeline import Timeline
from processing.trackers import stream_windows
from processing.usual import Usual
from processing.windows import MINUTE, TICK, first_tick, next_tick, too_early

WORST_EVERY = 5
REOPEN_EVERY = 20
DAY = 24 * 60 * MINUTE
_QUEUE = 256
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``state`` gives the pipeline's own counters for the tick message; ``retention``: how long readings are kept;
        ``policy_file``: the city's own policy, looked at all the time; ``clock`` seconds since 1970."""
        self._city = city
        self._keeper = PolicyKeeper(database_url, policy_file)
        self._policy = self._keeper.wanted or SHIPPED
        self._timeline = Timeline([(0, self._policy)])
        self._recorded: str | None = None
        self._successor: Successor | None = None
        self._missing: tuple[int, int] | None = None
        self.windows = stream_windows(self._policy.indicators)
        """how far back, in seconds, each stream is looked at; kept up to date"""
        self.restored = threading.Event()
        """set once the engine holds what the database had before; nothing may be handed on earlier"""
        self.late_by = 0.0
        self._zone = city.timezone
        self._topics = topics
        self._database_url = database_url
        self._publish = publish
        self._state = state
        self._clock = clock
        self._retention = retention or Retention()
        self._queue: queue.Queue[Committed] = queue.Queue(_QUEUE)
        self._stop = threading.Event()
        self._usual = Usual([area.code for area in city.areas], city.timezone)
        self._live = LiveState.empty(self._new_engine, self._policy, self._now())
        self._documents = Documents(city, self.engine)
        self._history = HistoryWriter(database_url)
        self._recomputer = Recomputer(database_url, self._new_engine, self._documents, self._timeline.spans)
        self._forecaster = Forecaster(database_url, self._usual, lambda: self._policy.indicators)
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

        Where that is much, only the last minutes, and the rest beside the ticks. Raises psycopg's errors; it can then
        be called again and starts anew.
        """
        self._give_up_successor()
        now = self._now()
        settled = full_minute(now - LATENESS)
        with connect(self._database_url, application="cityvitals restore") as connection:
            connection.autocommit = True
            if self._recorded is None:
                self._remember(load_changes(connection), now)
            newest_final = newest_final_minute(connection)
            before = self._timeline.at(settled + MINUTE)
            live = first_state(connection, self._new_engine, self._policy, now)
            if live is None:
                live = restored_state(connection, self._new_engine, self._policy, before, now)
        self._go_on(live)
        self._missing = None
        if newest_final is not None and newest_final < settled:
            self._missing = max(newest_final, settled - DAY) + MINUTE, settled
        if live.partial:
            self._successor = Successor(self._database_url, self._new_engine, self._policy, now, before)
        self._make_up()
        self.restored.set()
        return live.readings

    def _complete_anew(self) -> None:
        """Begin again to read what a partial state lacks; minutes that have passed meanwhile are made up."""
        now = self._now()
        settled = full_minute(now - LATENESS)
        first = self._missing[0] if self._missing is not None else self._live.settler.settled + MINUTE
        self._missing = (first, settled) if first <= settled else None
        before = self._timeline.at(settled + MINUTE)
        self._successor = Successor(self._database_url, self._new_engine, self._policy, now, before)

    def _make_up(self) -> None:
        """Have the minutes made that were not settled before the start, once their readings need not be read twice."""
        if self._missing is not None and not self._live.partial:
            self._recomputer.request(*self._missing)
            self._missing = None

    def _give_up_successor(self) -> None:
        if self._successor is not None:
            self._successor.abandon()
            self._successor = None

    def run(self) -> None:
        """Restore, unless that is done, and tick until ``stop``."""
        self._restore_when_possible()
        self._history.start()
        self._recomputer.start()
        self._keeper.start()
        self._forecaster.start()
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
        self._keeper.stop()
        self._forecaster.stop()

    def tick(self, at: int) -> None:
        """Evaluate, publish, and at a full minute hand over history."""
        tick = at // TICK
        self._follow_policy(at)
        snapshot = self.engine.evaluate(at)
        if tick % WORST_EVERY == 0 or not self._worst:
            self._worst = self.engine.worst(at)
        written = self._documents.write(snapshot, tick, self._worst)
        messages = [(self._topics.vitals(area), document) for area, document in written]
        own: dict[str, Any] = {
            "tickLateBy": round(self.late_by, 3),
            "held": len(self._live.gate),
            "historyWaiting": self._history.waiting,
        }
        own |= {
            "late": self._live.settler.late,
            "lateByStream": dict(self._live.settler.late_by_stream),
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
        minute = self._live.minute_due(at)
        if minute is not None:
            snapshot = self._live.settle(minute, self._timeline.at(minute))
            self._history.put(self._documents.history(snapshot, "final"))
        if at // TICK % REOPEN_EVERY == 0:
            settler = self._live.settler
            late_from = settler.reopened()
            if late_from is not None:
                self._reopen(late_from, settler.settled)

    def _reopen(self, first: int, last: int) -> None:
        """Have the settled minutes recomputed that depend on what was observed from ``first`` to ``last`` (µs).

        Minutes whose readings are gone by retention keep the values they have.
        """
        reach = longest_window(self.engine)
        whole_from = self._retention.whole_from(self._now(), reach)
        span = touched_minutes(max(first, whole_from or first), last, reach, self._live.settler.settled)
        if span is not None:
            self._recomputer.request(*span)

    @property
    def engine(self) -> Engine:
        """The engine of the present."""
        return self._live.engine

    def _new_engine(self, policy: Policy, restoring: Collection[str] = ()) -> Engine:
        codes = [area.code for area in self._city.areas]
        return Engine(codes, self._city.parents, kinds(), policy.indicators, policy.domains, self._usual, restoring)

    def _remember(self, changes: Sequence[Recorded], now: int) -> None:
        """Take over which policies were in force before this process; the last of them without a good file."""
        known = [(at, policy) for at, _, policy in changes if policy is not None and at <= now]
        if known and self._keeper.wanted is None:  # a file that is wrong changes nothing
            self._policy = known[-1][1]
        if known:
            self._timeline.restart(known)
        self._recorded = changes[-1][1] if changes else ""

    def _follow_policy(self, at: int) -> None:
        """Put the policy that the file asks for in force with the tick at ``at`` (µs), or prepare what it needs."""
        wanted = self._keeper.wanted or self._policy
        if self._successor is not None and self._successor.ready:
            self._succeed(self._successor, at)
        elif wanted.version != self._policy.version and (self._successor is None or self._live.partial):
            if same_measures(wanted.indicators, self._policy.indicators):
                self.engine.adopt(wanted.indicators, wanted.domains)
                self._put_in_force(wanted, at)
            elif self._successor is None and self._live.outgoing is None:
                self._successor = Successor(self._database_url, self._new_engine, wanted, self._now())
        if self._recorded is not None and self._recorded != self._policy.version:
            self._put_in_force(self._policy, at)

    def _succeed(self, successor: Successor, at: int) -> None:
        self._successor = None
        live = successor.take(at)
        if live is None:
            log.warning("policy %s waits for the database: %s", successor.policy.version, successor.failure)
            if self._live.partial:
                self._complete_anew()
            return
        if self._live.partial:
            live.engine.adopt(self._policy.indicators, self._policy.domains)  # it may have changed meanwhile
            self._go_on(live)
            self._make_up()
            log.info("all windows are whole: restored %d readings", live.readings)
            return
        live.succeed(self._live)
        self._go_on(live)
        self._put_in_force(successor.policy, at)

    def _put_in_force(self, policy: Policy, at: int) -> None:
        for change in differences(self._policy, policy):
            log.info("policy %s: %s was %s, is %s", policy.version, change.path, change.old, change.new)
        log.info("policy %s is in force from %s", policy.version, self._iso(at))
        self._policy, self._recorded = policy, policy.version
        self._timeline.change(at, policy)
        self._keeper.record(at, policy)
        self._documents = Documents(self._city, self.engine)
        self.windows.update(stream_windows(policy.indicators))

    def _go_on(self, live: LiveState) -> None:
        self._live = live
        self._documents = Documents(self._city, live.engine)

    def _now(self) -> int:
        return int(self._clock() * 1e6)

    def _fold_until(self, due: int) -> None:
        """Take batches in until it is time for the tick at ``due``, or the clock was set back."""
        self._live.release(due)
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
        self._live.absorb(committed, due)
        if self._successor is not None:
            self._successor.note(committed, due)
        if committed.marked:
            self._give_up_successor()  # what it read has changed
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
