"""The protocol against a model broker, a model database and a model spool that fail at will."""

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.batch import Delivery
from ingest.protocol import Ack, Commit, Drain, Effect, Probe, Protocol, ProtocolError, Spool

MOST = 4


def delivery(number: int, *, mid: int = 1, epoch: int = 1, qos: int = 1) -> Delivery:
    return Delivery(topic="t", payload=str(number).encode(), received=number, mid=mid, qos=qos, epoch=epoch)


def test_a_delivery_is_acknowledged_after_its_commit_and_not_before() -> None:
    protocol = Protocol(most=MOST)
    protocol.connection(1)
    message = delivery(1)
    assert protocol.delivered([message], now=0) == [Commit(1, (message,), retried=False)]
    assert protocol.commit_ok(now=0) == [Ack((message,))]


def test_an_ack_never_crosses_into_another_connection() -> None:
    protocol = Protocol(most=MOST)
    protocol.connection(1)
    protocol.delivered([delivery(1)], now=0)
    protocol.connection(0)
    protocol.connection(2)
    assert protocol.commit_ok(now=0) == []


def test_while_the_database_is_away_deliveries_are_acknowledged_from_the_spool() -> None:
    protocol = Protocol(most=MOST)
    protocol.connection(1)
    message = delivery(1)
    protocol.delivered([message], now=0)
    assert protocol.commit_failed(now=0) == [Spool(1, (message,))]
    assert protocol.spooled_ok(now=0) == [Ack((message,))]
    assert protocol.spooled == 1


def test_a_full_spool_stops_acknowledging_until_the_database_is_back() -> None:
    protocol = Protocol(most=MOST)
    protocol.connection(1)
    message = delivery(1)
    protocol.delivered([message], now=0)
    protocol.commit_failed(now=0)
    assert protocol.spool_refused(now=0) == []
    assert protocol.spool_full
    assert protocol.pending == 1
    assert protocol.tick(now=1) == [Probe()]
    assert protocol.probe_ok(now=1) == [Commit(1, (message,), retried=True)]


def test_there_is_room_for_as_many_bytes_as_one_piece_of_work_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.protocol.MOST_BYTES", 30)
    protocol = Protocol(most=MOST)
    large = [Delivery(topic="t", payload=bytes(10), received=number) for number in range(8)]
    protocol.delivered(large[:5], now=0)  # three go to work at once
    assert protocol.waiting == 2
    assert protocol.has_room
    protocol.delivered(large[5:], now=0)
    assert not protocol.has_room
    assert len(protocol.upcoming()) == 3
    assert protocol.has_room
    protocol.commit_ok(now=0)
    assert protocol.waiting == 2


def test_what_comes_next_is_settled_on_once_it_is_a_good_part_of_a_full_take() -> None:
    protocol = Protocol(most=40)
    protocol.delivered([delivery(0)], now=0)
    protocol.delivered([delivery(n) for n in range(1, 10)], now=0)
    assert protocol.upcoming() == ()
    protocol.delivered([delivery(10)], now=0)
    assert [d.received for d in protocol.upcoming()] == list(range(1, 11))
    protocol.delivered([delivery(11)], now=0)
    commit = protocol.commit_ok(now=0)[-1]
    assert isinstance(commit, Commit)
    assert [d.received for d in commit.deliveries] == list(range(1, 11))


def test_the_spool_and_live_traffic_take_turns() -> None:
    protocol = Protocol(most=1, spooled=2)
    protocol.connection(1)
    effects = protocol.delivered([delivery(1), delivery(2), delivery(3)], now=0)
    kinds = []
    while effects:
        work = effects[-1]
        if isinstance(work, Ack):
            break
        kinds.append(type(work))
        if isinstance(work, Commit):
            effects = protocol.commit_ok(now=0)
        elif isinstance(work, Drain):
            effects = protocol.drained(1, now=0)
        else:
            break
    assert kinds == [Commit, Drain, Commit, Drain, Commit]


def test_an_answer_to_work_that_is_not_under_way_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="Commit"):
        Protocol(most=MOST).commit_ok(now=0)


class ModelWorld(RuleBasedStateMachine):
    """A broker with sessions and packet ids, a database that may commit without saying so, a spool with a quota."""

    @initialize()
    def start(self) -> None:
        self.protocol = Protocol(most=MOST)
        self.now = 0.0
        self.numbers = 0
        self.epoch = 0
        self.connected = False
        self.inflight: dict[int, int] = {}  # the broker's unacknowledged messages: packet id -> message
        self.queued: deque[int] = deque()  # the broker's messages not yet sent
        self.unacked_order: deque[int] = deque()
        self.acknowledged: set[int] = set()
        self.lost_with_session: set[int] = set()
        self.table: set[int] = set()
        self.committed_takes: set[int] = set()
        self.spool: deque[tuple[int, int]] = deque()  # (take, message)
        self.quota = 12
        self.database_up = True
        self.next_mid = 0
        self.work: Effect | None = None
        self.connect(session_present=True)

    def connect(self, *, session_present: bool) -> None:
        self.epoch += 1
        self.connected = True
        self.protocol.connection(self.epoch)
        self.unacked_order.clear()
        if not session_present:
            self.lost_with_session |= set(self.inflight.values()) | set(self.queued)
            self.inflight.clear()
            self.queued.clear()
            self.next_mid = 0
        self.send(list(self.inflight))

    def send(self, mids: list[int]) -> None:
        batch = [delivery(self.inflight[mid], mid=mid, epoch=self.epoch) for mid in mids]
        self.unacked_order.extend(mids)
        if batch:
            self.carry_out(self.protocol.delivered(batch, self.now))

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Ack):
                self.acknowledge(effect)
            else:
                assert self.work is None, "two pieces of work at once"
                self.work = effect

    def acknowledge(self, ack: Ack) -> None:
        for message in ack.deliveries:
            number = int(message.payload)
            assert message.epoch == self.epoch, "an ack crossed connections"
            assert self.connected
            assert self.unacked_order.popleft() == message.mid, "acks out of order"
            assert self.inflight.pop(message.mid) == number, "an ack hit another message"
            assert number in self.table or number in {m for _, m in self.spool}, "acknowledged and kept nowhere"
            self.acknowledged.add(number)

    @rule(count=st.integers(1, 6))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.numbers += 1
            self.queued.append(self.numbers)
        self.deliver()

    def deliver(self) -> None:
        mids = []
        while self.connected and self.queued and len(self.inflight) < 10:
            self.next_mid = self.next_mid % 10 + 1
            while self.next_mid in self.inflight:
                self.next_mid = self.next_mid % 10 + 1
            self.inflight[self.next_mid] = self.queued.popleft()
            mids.append(self.next_mid)
        self.send(mids)

    @precondition(lambda self: self.connected)
    @rule()
    def cut(self) -> None:
        self.connected = False
        self.protocol.connection(0)

    @precondition(lambda self: not self.connected)
    @rule(session_present=st.booleans())
    def reconnect(self, session_present: bool) -> None:
        self.connect(session_present=session_present)
        self.deliver()

    @rule(up=st.booleans())
    def switch_database(self, up: bool) -> None:
        self.database_up = up

    @rule(seconds=st.floats(0.01, 4))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.carry_out(self.protocol.tick(self.now))

    @precondition(lambda self: self.work is not None)
    @rule(said_so=st.booleans())
    def finish_work(self, said_so: bool) -> None:
        work, self.work = self.work, None
        protocol, now = self.protocol, self.now
        if isinstance(work, Spool):
            self.finish_spooling(work)
        elif not self.database_up:
            self.carry_out(protocol.commit_failed(now))
        elif isinstance(work, Commit):
            self.commit(work)
            self.carry_out(protocol.commit_ok(now) if said_so else protocol.commit_failed(now))
        elif isinstance(work, Drain):
            moved = self.drain()
            self.carry_out(protocol.drained(moved, now) if said_so else protocol.commit_failed(now))
        else:
            self.carry_out(protocol.probe_ok(now))
        self.deliver()

    def commit(self, work: Commit) -> None:
        if work.take in self.committed_takes:
            assert work.retried, "a first try met its own take"
        self.committed_takes.add(work.take)
        self.table |= {int(d.payload) for d in work.deliveries}

    def drain(self) -> int:
        part = [self.spool.popleft() for _ in range(min(MOST, len(self.spool)))]
        self.table |= {message for _, message in part}
        return len(part)

    def finish_spooling(self, work: Spool) -> None:
        if len(self.spool) + len(work.deliveries) > self.quota:
            self.carry_out(self.protocol.spool_refused(self.now))
            return
        self.spool.extend((work.take, int(d.payload)) for d in work.deliveries)
        self.carry_out(self.protocol.spooled_ok(self.now))

    @invariant()
    def what_was_acknowledged_is_kept(self) -> None:
        spooled = {message for _, message in self.spool}
        assert self.acknowledged <= self.table | spooled

    @invariant()
    def nothing_is_forgotten(self) -> None:
        everywhere = self.table | {m for _, m in self.spool} | set(self.inflight.values()) | set(self.queued)
        everywhere |= self.lost_with_session
        assert set(range(1, self.numbers + 1)) <= everywhere

    def teardown(self) -> None:
        """Heal everything: what was published must reach the table, what the broker lost with its session excepted."""
        self.database_up = True
        if not self.connected:
            self.connect(session_present=True)
        for _ in range(20 * (self.numbers + len(self.spool) + 10)):
            if self.work is not None:
                self.finish_work(said_so=True)
            self.time_passes(4)
            self.deliver()
            if not (self.work or self.queued or self.inflight or self.spool or self.protocol.pending):
                break
        assert set(range(1, self.numbers + 1)) - self.lost_with_session <= self.table
        assert self.protocol.pending == 0
        assert self.protocol.spooled == 0


ModelWorld.TestCase.settings = settings(max_examples=300, stateful_step_count=80, deadline=None)
TestModelWorld = ModelWorld.TestCase
