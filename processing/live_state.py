"""What the live loop keeps of the readings: the engine of the present, and the one that settles a lateness behind it.

All of it is made from the database at the start, and again beside the ticks when a policy asks for other windows. Where
much is stored, a start begins with a state that knows the last minutes only; the whole one is made beside the ticks.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from devices.kinds import kinds
from ingest.batch import Batch
from ingest.device_store import load_devices, load_past
from ingest.intake import Committed
from ingest.reopened import Note
from ingest.reopened_store import load_notes
from processing.baseline_store import prepare
from processing.engine import Engine, Snapshot
from processing.marks import Marks
from processing.method import baselines_of
from processing.policy import Policy, same_measures
from processing.registrations import remember
from processing.restore import read_horizon, stored_bytes
from processing.settling import LATENESS, Settler, full_minute
from processing.trackers import stream_windows
from processing.visibility import Visibility
from processing.windows import MINUTE, Gate

DAY = 24 * 60 * MINUTE
READ_AT_ONCE = 200_000_000
"""bytes of readings within the longest windows: up to about this much is read before the first tick"""
FIRST_SPAN = 180
"""seconds: windows up to this long are whole at the first tick; most devices that live report within it"""
MakeEngine = Callable[[Policy], Engine]
MakePart = Callable[[Policy, Collection[str]], Engine]
"""an engine that does not measure some indicators, by id"""


class AbandonedError(Exception):
    """Nobody wants the state any more."""


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
    partial: bool = False
    """only the last minutes are known: what looks back further is withheld, and nothing is settled"""
    noted: list[Note] = field(default_factory=list)
    """notes that were there at the restore: what they tell of is held, but minutes settled before may lack it"""
    notes: list[int] = field(default_factory=list)
    """ids of notes that came with what was taken in since ``reopened`` was last asked"""

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
        if not self.partial:
            self.notes += committed.notes
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
        return None if self.partial else (self.outgoing or self.settler).due(now)

    def settle(self, minute: int, policy: Policy) -> Snapshot:
        """The final vital signs of a minute (µs), which must be due, by the policy that was in force."""
        if self.outgoing is not None and not same_measures(self.settler.engine.indicators, policy.indicators):
            if self.settler.settled < minute:  # it goes along, for the minutes after the change
                self.settler.settle(minute)
            return _settled(self.outgoing, minute, policy)
        self.outgoing = None
        return _settled(self.settler, minute, policy)

    def take_noted(self) -> list[Note]:
        """The notes that were there at the restore; tells them once."""
        noted, self.noted = self.noted, []
        return noted

    def reopened(self) -> tuple[int | None, list[int]]:
        """The earliest instant (µs) of what came after its minute was settled, None = nothing did; and the notes on all
        that was taken in. Of both, what is new since this was last asked."""
        notes, self.notes = self.notes, []
        return self.settler.reopened(), notes

    def succeed(self, before: "LiveState") -> None:
        """Go on where another state stands; it still settles the minutes of its own policy."""
        while self.settler.settled < before.settler.settled:
            self.settler.settle(self.settler.settled + MINUTE)
        self.settler.late += before.settler.late
        self.settler.late_by_stream += before.settler.late_by_stream
        late_from, self.notes = before.reopened()  # it was told of all that this one was
        if late_from is not None:
            self.settler.reopen(late_from)
        self.noted = before.take_noted()
        self.outgoing = before.settler

    @property
    def _settlers(self) -> list[Settler]:
        if self.partial:
            return []
        return [self.settler] if self.outgoing is None else [self.settler, self.outgoing]


def _settled(settler: Settler, minute: int, policy: Policy) -> Snapshot:
    if settler.engine.method_version != policy.version and same_measures(settler.engine.indicators, policy.indicators):
        settler.engine.adopt(policy.indicators, policy.domains)
    return settler.settle(minute)


def restored_state(
    connection: psycopg.Connection,
    make: MakeEngine,
    policy: Policy,
    before: Policy,
    now: int,
    abandoned: Callable[[], bool] = lambda: False,
) -> LiveState:
    """The state at ``now`` (µs) under ``policy``, from the database; ``before`` is the policy of the next minute to
    settle. Raises psycopg's errors, and AbandonedError soon after ``abandoned`` has become true.
    """
    settled = full_minute(now - LATENESS)
    with _one_moment(connection) as seen:
        devices = load_devices(connection)
        state = LiveState(
            engine=make(policy),
            gate=Gate(),
            settler=Settler(make(policy), settled),
            marks=Marks.load(connection),
            seen=seen,
            noted=load_notes(connection),
        )
        if not same_measures(before.indicators, policy.indicators):
            state.outgoing = Settler(make(before), settled)
        engines = [state.engine, *(settler.engine for settler in state._settlers)]
        windows = stream_windows([indicator for engine in engines for indicator in engine.indicators])
        state.engine.register(devices)
        past = load_past(connection, settled - 2 * max(windows.values(), default=0) * 1_000_000, settled)
        remember(state.engine, devices, past, now)
        for settler in state._settlers:
            settler.follow(state.engine, devices, past)
        for kind in kinds().values():
            # what the settler looks back on, the present looks back on as well: one reading serves them all
            for batch in read_horizon(connection, kind, devices, windows, settled):
                if abandoned():
                    raise AbandonedError
                state.fold(batch, now)
                for settler in state._settlers:
                    settler.restore(batch)
                state.readings += len(batch)
    for engine in engines:  # not above: what is fixed here must be there for others at once
        prepare(connection, engine.usual, baselines_of(engine.indicators), settled, now + DAY)
    return state


def first_state(connection: psycopg.Connection, make: MakePart, policy: Policy, now: int) -> LiveState | None:
    """The state at ``now`` (µs) from the last minutes alone; None where it takes no long to read all there is.

    Raises psycopg's errors.
    """
    windows = stream_windows(policy.indicators)
    if stored_bytes(connection, windows, now) <= READ_AT_ONCE:
        return None
    long = [i.id for i in policy.indicators if max(stream_windows([i]).values()) > FIRST_SPAN]
    settled = full_minute(now - LATENESS)
    with _one_moment(connection) as seen:
        devices = load_devices(connection)
        engine, idle = make(policy, long), make(policy, [indicator.id for indicator in policy.indicators])
        state = LiveState(engine, Gate(), Settler(idle, settled), Marks.load(connection), seen, partial=True)
        engine.register(devices)
        short = stream_windows([indicator for indicator in policy.indicators if indicator.id not in long])
        remember(engine, devices, load_past(connection, settled - FIRST_SPAN * 1_000_000, settled), now)
        for kind in kinds().values():
            for batch in read_horizon(connection, kind, devices, short, settled, at_least=FIRST_SPAN):
                state.fold(batch, now)
                state.readings += len(batch)
    prepare(connection, engine.usual, baselines_of(engine.indicators), settled, now + DAY)
    return state


@contextmanager
def _one_moment(connection: psycopg.Connection) -> Iterator[Visibility]:
    """A transaction in which everything read is of one moment; says what that moment shows."""
    connection.autocommit = True  # no transaction is open, so that the one below sees one moment
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        yield Visibility.parse(row[0])
