"""What the live loop keeps of the readings: the engine of the present, and the one that settles a lateness behind it.

All of it is made from the database at the start, and again beside the ticks when a policy asks for other windows.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from devices.kinds import kinds
from ingest.batch import Batch
from ingest.database import connect
from ingest.device_store import load_devices, load_past
from ingest.intake import Committed
from processing.baseline_store import prepare
from processing.engine import Engine, Snapshot
from processing.marks import Marks
from processing.method import baselines_of
from processing.policy import Policy, same_measures
from processing.registrations import remember
from processing.restore import read_horizon
from processing.settling import LATENESS, Settler, full_minute
from processing.trackers import stream_windows
from processing.visibility import Visibility
from processing.windows import MINUTE, Gate

DAY = 24 * 60 * MINUTE
MakeEngine = Callable[[Policy], Engine]


@dataclass
class LiveState:
    """Engine, settler, and what both must know to take a reading in once."""

    engine: Engine
    gate: Gate
    settler: Settler
    marks: Marks
    seen: Visibility
    outgoing: Settler | None = None
    """settles the minutes of the policy before, where that had other windows"""
    readings: int = 0
    """that were restored"""

    @classmethod
    def empty(cls, make: MakeEngine, policy: Policy, now: int) -> "LiveState":
        """Nothing was heard yet at ``now`` (µs)."""
        state = cls(make(policy), Gate(), Settler(make(policy), full_minute(now)), Marks(), Visibility())
        state.settler.engine.follow(state.engine)
        return state

    def absorb(self, committed: Committed, due: int) -> None:
        """Take in what was committed, for the tick at ``due`` (µs); what was restored is not counted twice."""
        new, changed = self.engine.register(committed.devices)
        for settler in self._settlers if new or changed else ():
            settler.register(new, changed)
        if committed.transaction and self.seen.shows(committed.transaction):
            return
        for batch in map(self.marks.good, committed.batches):
            if len(batch):
                self.fold(batch, due)
                for settler in self._settlers:
                    settler.admit(batch)

    def fold(self, batch: Batch, due: int) -> None:
        """Fold what is due by ``due`` (µs) into the engine of the present; the rest waits."""
        ready = self.gate.admit(batch, due)
        if ready is not None:
            self.engine.fold(ready)

    def release(self, due: int) -> None:
        """Fold what has waited for ``due`` (µs)."""
        for batch in self.gate.release(due):
            self.engine.fold(batch)

    def minute_due(self, now: int) -> int | None:
        """The next minute to settle, if its time has come at ``now`` (µs)."""
        return (self.outgoing or self.settler).due(now)

    def settle(self, minute: int, policy: Policy) -> Snapshot:
        """The final vital signs of a minute (µs), which must be due, by the policy that was in force."""
        if self.outgoing is not None and not same_measures(self.settler.engine.indicators, policy.indicators):
            if self.settler.settled < minute:  # it goes along, for the minutes after the change
                self.settler.settle(minute)
            return _settled(self.outgoing, minute, policy)
        self.outgoing = None
        return _settled(self.settler, minute, policy)

    def succeed(self, before: "LiveState") -> None:
        """Go on where another state stands; it still settles the minutes of its own policy."""
        while self.settler.settled < before.settler.settled:
            self.settler.settle(self.settler.settled + MINUTE)
        self.settler.late += before.settler.late
        self.settler.late_by_stream += before.settler.late_by_stream
        self.outgoing = before.settler

    @property
    def _settlers(self) -> list[Settler]:
        return [self.settler] if self.outgoing is None else [self.settler, self.outgoing]


def _settled(settler: Settler, minute: int, policy: Policy) -> Snapshot:
    if settler.engine.method_version != policy.version and same_measures(settler.engine.indicators, policy.indicators):
        settler.engine.adopt(policy.indicators, policy.domains)
    return settler.settle(minute)


def restored_state(
    connection: psycopg.Connection, make: MakeEngine, policy: Policy, before: Policy, now: int
) -> LiveState:
    """The state at ``now`` (µs) under ``policy``, from the database; ``before`` is the policy of the next minute to
    settle. Raises psycopg's errors.
    """
    settled = full_minute(now - LATENESS)
    connection.autocommit = True  # no transaction is open, so that the one below sees one moment
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        devices = load_devices(connection)
        state = LiveState(
            engine=make(policy),
            gate=Gate(),
            settler=Settler(make(policy), settled),
            marks=Marks.load(connection),
            seen=Visibility.parse(row[0]),
        )
        if not same_measures(before.indicators, policy.indicators):
            state.outgoing = Settler(make(before), settled)
        engines = [state.engine, *(settler.engine for settler in state._settlers)]
        windows = stream_windows([indicator for engine in engines for indicator in engine.indicators])
        state.engine.register(devices)
        past = load_past(connection, settled - 2 * max(windows.values(), default=0) * 1_000_000)
        remember(state.engine, devices, past, now)
        for settler in state._settlers:
            settler.follow(state.engine, devices, past)
        for kind in kinds().values():
            members = [device for device in devices if device.kind == kind.id]
            # what the settler looks back on, the present looks back on as well: one reading serves them all
            for batch in read_horizon(connection, kind, members, windows, settled):
                state.fold(batch, now)
                for settler in state._settlers:
                    settler.restore(batch)
                state.readings += len(batch)
    for engine in engines:  # not above: what is fixed here must be there for others at once
        prepare(connection, engine.usual, baselines_of(engine.indicators), settled, now + DAY)
    return state


class Successor:
    """A state under another policy, made in a thread of its own while the ticks go on."""

    def __init__(self, database_url: str, make: MakeEngine, policy: Policy, now: int) -> None:
        self.policy = policy
        self.failure: Exception | None = None
        """why there will be no state"""
        self._database_url = database_url
        self._make = make
        self._now = now
        self._state: LiveState | None = None
        self._missed: list[Committed] = []
        self._thread = threading.Thread(target=self._run, name="successor", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether the state, or the failure, is there."""
        return not self._thread.is_alive()

    def note(self, committed: Committed) -> None:
        """Keep what is committed meanwhile."""
        self._missed.append(committed)

    def take(self, due: int) -> LiveState | None:
        """The state with all that came meanwhile, for the tick at ``due`` (µs); None after a failure."""
        if self._state is not None:
            for committed in self._missed:
                self._state.absorb(committed, due)
            self._state.release(due)
        return self._state

    def _run(self) -> None:
        try:
            with connect(self._database_url, application="cityvitals restore") as connection:
                self._state = restored_state(connection, self._make, self.policy, self.policy, self._now)
        except psycopg.Error as error:
            self.failure = error
