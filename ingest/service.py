"""Ingest's loop: carries out what the protocol asks for.

Nothing is acknowledged before the database has committed it or the spool has synced it to disk.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devices.topics import Topics
from ingest.answers import Answers
from ingest.backlog import Backlog
from ingest.database_link import DatabaseAwayError, DatabaseLink
from ingest.device_store import load_page
from ingest.intake import Committed, Intake
from ingest.protocol import Ack, Commit, Drain, Effect, Probe, Protocol
from ingest.protocol import Spool as SpoolWork
from ingest.registrar import Registrar
from ingest.registry import Registry
from ingest.spool import DEFAULT_QUOTA, Spool, SpoolFullError
from ingest.subscriber import Subscriber
from ingest.teller import Teller
from ingest.writer import Doubt, Written, accounted

log = logging.getLogger(__name__)

MOST_MESSAGES = 5_000
"""in one transaction; a quarter of the subscriber's window, so that the broker never runs out of room to send"""
_MOST_TAKEN = 5_000


@dataclass
class Counters:
    """Since the start of the process; read by health and metrics."""

    messages: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Stock:
    """The ledger as ingest knows it at one moment. Taken together the figures never sum up to less than before: what
    leaves the one is in the other."""

    ended: int
    """readings that the ledger accounts for"""
    pending: int
    """messages that it has yet to"""


class IngestService:
    """Owns the database connection, the registry and the spool; runs in one thread."""

    def __init__(
        self,
        *,
        subscriber: Subscriber,
        database_url: str,
        topics: Topics,
        areas: frozenset[str],
        registration: Literal["open", "closed"],
        hand_on: Callable[[Committed], None],
        spool_folder: Path,
        spool_quota: int = DEFAULT_QUOTA,
        ready: threading.Event | None = None,
    ) -> None:
        """``ready``: the database is left alone until it is set; meanwhile the spool takes what comes."""
        self.counters = Counters()
        self.stock: Stock | None = None
        """None until the database was reached"""
        self.link = DatabaseLink(database_url)
        self._stop = threading.Event()
        self._ready = ready
        self._subscriber = subscriber
        self._topics = topics
        self._registry = Registry()
        self._registry_loaded, self._registry_loaded_to = False, 0
        registrar = Registrar(self.link, self._registry, areas, registration)
        self._hand_on = hand_on
        self._intake = Intake(self.link, topics, self._registry, registrar, hand_on)
        self.spool = Spool(spool_folder, quota=spool_quota)
        self._backlog = Backlog(self.spool, self.link, self._intake)
        self.protocol = Protocol(most=MOST_MESSAGES, spooled=self._backlog.spooled_before(), database_away=True)
        self._doubts: dict[int, Doubt] = {}
        self._held = 0
        """messages in memory that will end in the ledger"""
        self._ended = 0
        self._answers = Answers(topics)
        self._teller = Teller(subscriber, topics, self._registry, self.link)

    @property
    def pending(self) -> int:
        """Messages received and in no table yet: in memory or in the spool."""
        return self._subscriber.waiting + self.protocol.pending + self.protocol.spooled

    @property
    def watermarks(self) -> int:
        """How many devices and streams are told what is committed."""
        return len(self._teller)

    def stop(self) -> None:
        """Finish the work in hand and return from ``run``."""
        self._stop.set()

    def run(self) -> None:
        """Work until ``stop``. Raises what cannot be retried, such as a schema that does not fit."""
        effects: deque[Effect] = deque()
        try:
            while not self._stop.is_set():
                self._note_connection()
                effects.extend(self._listen(busy=bool(effects)))
                self._take_stock()  # the work at hand may take long
                if effects:
                    effects.extend(self._carry_out(effects.popleft()))
                self._take_stock()
                self._teller.work(database_away=self.protocol.database_away)
                self._send_answers(busy=bool(effects) or self._subscriber.waiting > 0)
        finally:
            self._intake.close()
            self.link.close()
            self.spool.close()

    def _listen(self, *, busy: bool) -> list[Effect]:
        """Take what the broker delivered, so that the next work is known too; does not wait while there is work."""
        effects: list[Effect] = []
        if not self.protocol.has_room and not busy:
            self._stop.wait(0.1)
        while self.protocol.has_room and not self._stop.is_set():
            deliveries = self._subscriber.take(_MOST_TAKEN, timeout=0.0 if busy or effects else 0.1)
            if not deliveries:
                break
            self.counters.messages += len(deliveries)
            self._held += self._intake.count(deliveries)
            effects += self.protocol.delivered(deliveries, time.monotonic())
        return effects or self.protocol.tick(time.monotonic())

    def _carry_out(self, effect: Effect) -> list[Effect]:
        if isinstance(effect, Ack):
            self._subscriber.ack(effect.deliveries)
            return []
        if isinstance(effect, SpoolWork):
            return self._keep(effect)
        try:
            return self._reach_database(effect)
        except DatabaseAwayError:
            if isinstance(effect, Commit) and self._intake.doubt is not None:
                self._doubts[effect.take] = self._intake.doubt
            return self.protocol.commit_failed(time.monotonic())

    def _reach_database(self, work: Commit | Drain | Probe) -> list[Effect]:
        if isinstance(work, Probe):
            self._probe()
            return self.protocol.probe_ok(time.monotonic())
        if isinstance(work, Drain):
            moved, written = self._backlog.move()
            self._account(written)
            return self.protocol.drained(moved, time.monotonic())
        written = self._intake.take_in(
            work.deliveries, doubt=self._doubts.get(work.take), upcoming=self.protocol.upcoming()
        )
        self._doubts.pop(work.take, None)
        self._held -= self._intake.count(work.deliveries)
        self._note_connection()
        effects = self.protocol.commit_ok(time.monotonic())
        acks = [effect for effect in effects if isinstance(effect, Ack)]
        for ack in acks:  # before the answers, which may take a moment
            self._subscriber.ack(ack.deliveries)
        self._account(written)
        return [effect for effect in effects if not isinstance(effect, Ack)]

    def _probe(self) -> None:
        if self._ready is not None and not self._ready.is_set():
            raise DatabaseAwayError("processing has not restored its horizon yet")
        while not self._registry_loaded:  # page by page, so that the database is seen to answer
            page = self.link.do(lambda connection: load_page(connection, self._registry_loaded_to))
            self._registry.load(page)
            self._hand_on(Committed(devices=page))  # some may be newer than what processing has restored
            self._registry_loaded = not page
            self._registry_loaded_to = int(page.keys.max(initial=0))
        self._ended = max(self._ended, self.link.do(accounted))
        self._backlog.register_ahead()

    def _keep(self, work: SpoolWork) -> list[Effect]:
        try:
            self._backlog.keep(work.deliveries, self._doubts.get(work.take))
        except SpoolFullError as error:
            if not self.protocol.spool_full:
                log.error("%s: nothing more is acknowledged until the database is back", error)
            return self.protocol.spool_refused(time.monotonic())
        self._doubts.pop(work.take, None)
        self._held -= self._intake.count(work.deliveries)
        self._note_connection()
        return self.protocol.spooled_ok(time.monotonic())

    def _note_connection(self) -> None:
        """Which connection acks go to; one that came up while work was under way counts too."""
        self.protocol.connection(self._subscriber.epoch)

    def _account(self, written: Written | None) -> None:
        if written is None:
            return
        self.counters.stored += written.stored
        self.counters.duplicate += written.duplicate
        self.counters.rejected += written.rejected
        self._ended = max(self._ended, written.accounted)
        self._answers.put(written.rejections, time.monotonic())
        self._teller.moved(written.watermarks)

    def _take_stock(self) -> None:
        if self._registry_loaded and self._backlog.counted is not None:
            self.stock = Stock(self._ended, self._held + self._backlog.counted)

    def _send_answers(self, *, busy: bool) -> None:
        if not self._subscriber.epoch:
            return  # they wait until the broker is back
        answers = self._answers.due(time.monotonic(), busy=busy)
        if answers:
            with self._subscriber.together():
                for topic, payload, correlation in answers:
                    self._subscriber.publish(topic, payload, qos=1, correlation=correlation)
