"""Who holds a delivery, and when it may be acknowledged: ingest's protocol as a pure state machine.

                 delivered            commit_ok
    broker ──────────────▶ waiting ──▶ working ─────────▶ table        ack
                              ▲           │ commit_failed
                              └───────────┤
                                          │ database away: spooled
                                          └────────────────▶ spool     ack ──▶ drained later, by commit_ok

Inputs are what happened (``delivered``, ``commit_ok`` …), outputs are effects to carry out. One piece of work is under
way at a time, and deliveries are worked on in the order of their arrival, so acks go out in that order too. A delivery
is acknowledged when the table or the spool holds it, and only on the connection it came on.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from ingest.batch import Delivery

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 3.0
IDLE_PROBE = 2.0
"""seconds without work after which the database is asked whether it is there: before it is needed"""
MOST_BYTES = 12 * 1024 * 1024
"""payload that one piece of work holds, one delivery excepted; as much may wait"""
_MOST_WAITING = 20_000
_WORTH_WHILE = 4
"""part of a full piece of work that is settled on ahead of time"""


@dataclass(frozen=True)
class Commit:
    """Write deliveries to the database; answer with ``commit_ok`` or ``commit_failed``."""

    take: int
    """unique in the life of the process, so that an uncertain outcome can be looked up"""
    deliveries: tuple[Delivery, ...]
    retried: bool
    """an earlier try ended in an error: it may have been committed all the same"""


@dataclass(frozen=True)
class Spool:
    """Append deliveries to the spool and make them durable; answer with ``spooled_ok`` or ``spool_refused``."""

    take: int
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True)
class Drain:
    """Move the oldest part of the spool to the database; answer with ``drained`` or ``commit_failed``."""


@dataclass(frozen=True)
class Probe:
    """Try to reach the database; answer with ``probe_ok`` or ``commit_failed``."""


@dataclass(frozen=True)
class Ack:
    """Acknowledge deliveries, in this order."""

    deliveries: tuple[Delivery, ...]


Work = Commit | Spool | Drain | Probe
Effect = Work | Ack
W = TypeVar("W", Commit, Spool, Drain, Probe)


class Protocol:
    """The state; every input returns the effects it calls for. The clock is an argument."""

    def __init__(self, *, most: int, spooled: int = 0, database_away: bool = False) -> None:
        """``most``: most deliveries in one piece of work; ``spooled``: how many the spool holds from before;
        ``database_away``: start with a probe."""
        self._most = most
        self._takes = count(1)
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._upcoming: tuple[Delivery, ...] = ()
        self._work: Work | None = None
        self._failed: Commit | None = None
        self._epoch = 0
        self._pause = FIRST_PAUSE
        self._next_probe = 0.0
        self._live_turn = True
        self.spooled = spooled
        """deliveries in the spool"""
        self.database_away = database_away
        self.spool_full = False

    @property
    def pending(self) -> int:
        """Deliveries received and neither in a table nor in the spool."""
        held = self._work.deliveries if isinstance(self._work, Commit | Spool) else ()
        failed = self._failed.deliveries if self._failed is not None else ()
        return self.waiting + len(held) + len(failed)

    @property
    def waiting(self) -> int:
        """Deliveries that no work has picked up yet."""
        return len(self._upcoming) + len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether more should be delivered now: what waits here is enough for the work to come, and takes memory."""
        return self.waiting < _MOST_WAITING and self._waiting_bytes < MOST_BYTES

    def upcoming(self) -> tuple[Delivery, ...]:
        """What the next ``Commit`` or ``Spool`` will hold unless an earlier one has to be tried again; nothing where
        little waits, since more will have come by then and one transaction serves all of it."""
        if not self._upcoming and (
            len(self._waiting) * _WORTH_WHILE >= self._most or self._waiting_bytes * _WORTH_WHILE >= MOST_BYTES
        ):
            self._upcoming = self._cut_off()
        return self._upcoming

    def delivered(self, deliveries: Sequence[Delivery], now: float) -> list[Effect]:
        """The broker delivered messages."""
        self._waiting.extend(deliveries)
        self._waiting_bytes += sum(len(delivery.payload) for delivery in deliveries)
        return self._next(now)

    def connection(self, epoch: int) -> None:
        """The number of the connection that is up, 0 = none: acks of all others are void from here on.

        What an ended connection brought stays here all the same: the broker brings it again unless it lost the
        session; then this is the only copy.
        """
        self._epoch = epoch

    def tick(self, now: float) -> list[Effect]:
        """Time passed."""
        return self._next(now)

    def commit_ok(self, now: float) -> list[Effect]:
        """The database committed the present ``Commit``."""
        work = self._finish(Commit)
        self._database_back(now)
        return [*self._acks(work.deliveries), *self._next(now)]

    def drained(self, moved: int, now: float) -> list[Effect]:
        """The present ``Drain`` committed ``moved`` deliveries; 0 = the spool is empty."""
        self._finish(Drain)
        self._database_back(now)
        self.spooled = max(0, self.spooled - moved) if moved else 0
        self.spool_full = False
        return self._next(now)

    def probe_ok(self, now: float) -> list[Effect]:
        """The database answers again."""
        self._finish(Probe)
        self._database_back(now)
        return self._next(now)

    def commit_failed(self, now: float) -> list[Effect]:
        """The database could not be reached, or failed in a way that may pass, during the present work."""
        work = self._work
        if isinstance(work, Commit):
            self._failed = work
        elif not isinstance(work, Drain | Probe):
            raise ProtocolError(f"commit_failed came during {work}, must follow Commit, Drain or Probe")
        self._work = None
        self.database_away = True
        self._next_probe = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return self._next(now)

    def spooled_ok(self, now: float) -> list[Effect]:
        """The spool holds the deliveries of the present ``Spool`` durably."""
        work = self._finish(Spool)
        self.spooled += len(work.deliveries)
        return [*self._acks(work.deliveries), *self._next(now)]

    def spool_refused(self, now: float) -> list[Effect]:
        """The spool took nothing: its quota or the disk is full. Nothing more is acknowledged until there is room."""
        work = self._finish(Spool)
        self._failed = Commit(work.take, work.deliveries, retried=True)
        self.spool_full = True
        return self._next(now)

    def _next(self, now: float) -> list[Effect]:
        """Start the next piece of work, if none is under way."""
        if self._work is not None:
            return []
        self._work = self._away(now) if self.database_away else self._present() or self._idle(now)
        return [self._work] if self._work is not None else []

    def _present(self) -> Work | None:
        """Live deliveries and the spool take turns, so that neither starves the other."""
        live = self._failed is not None or self.waiting > 0
        if self.spooled and (not live or not self._live_turn):
            self._live_turn = True
            return Drain()
        self._live_turn = False
        if self._failed is not None:
            work, self._failed = Commit(self._failed.take, self._failed.deliveries, retried=True), None
            return work
        return Commit(next(self._takes), self._pick(), retried=False) if live else None

    def _idle(self, now: float) -> Work | None:
        return Probe() if now >= self._next_probe else None

    def _away(self, now: float) -> Work | None:
        if now >= self._next_probe:
            return Probe()
        if self.spool_full:
            return None
        if self._failed is not None:
            work, self._failed = Spool(self._failed.take, self._failed.deliveries), None
            return work
        return Spool(next(self._takes), self._pick()) if self.waiting else None

    def _pick(self) -> tuple[Delivery, ...]:
        picked, self._upcoming = self._upcoming or self._cut_off(), ()
        return picked

    def _cut_off(self) -> tuple[Delivery, ...]:
        picked: list[Delivery] = []
        size = 0
        while self._waiting and len(picked) < self._most and size < MOST_BYTES:
            picked.append(self._waiting.popleft())
            size += len(picked[-1].payload)
        self._waiting_bytes -= size
        return tuple(picked)

    def _acks(self, deliveries: tuple[Delivery, ...]) -> list[Effect]:
        current = tuple(d for d in deliveries if d.qos and d.epoch == self._epoch)
        return [Ack(current)] if current else []

    def _database_back(self, now: float) -> None:
        self.database_away = False
        self._pause = FIRST_PAUSE
        self._next_probe = now + IDLE_PROBE

    def _finish(self, expected: type[W]) -> W:
        work = self._work
        if not isinstance(work, expected):
            raise ProtocolError(f"an answer to {expected.__name__} came during {work}")
        self._work = None
        return work


class ProtocolError(Exception):
    """An input came that does not answer the work under way."""
