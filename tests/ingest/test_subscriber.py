"""The pipeline's connection to a real broker: nothing is acknowledged that was not meant to be, nothing is lost."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from mqtt_client import PATIENCE, eventually, mqtt_client
from ports import free_port

from deploy.embedded import broker
from deploy.embedded.server import running
from ingest import subscriber as module
from ingest.batch import Delivery
from ingest.subscriber import Subscriber

_numbers = count(1)


@pytest.fixture
def room() -> str:
    """A topic and client id of the test's own."""
    return f"subscriber-{next(_numbers)}"


@contextmanager
def subscribed(url: str, room: str, window: int = 10_000) -> Iterator[Subscriber]:
    subscriber = Subscriber(url, client_id=room, subscription=f"{room}/#", window=window)
    subscriber.start()
    try:
        assert subscriber.wait_subscribed(PATIENCE)
        yield subscriber
    finally:
        subscriber.stop()


def take(subscriber: Subscriber, wanted: int) -> list[Delivery]:
    """Exactly so many deliveries, and none after them."""
    taken: list[Delivery] = []

    def enough() -> bool:
        taken.extend(subscriber.take(1000, timeout=0.2))
        return len(taken) >= wanted

    eventually(enough, f"{wanted} deliveries")
    return taken + subscriber.take(1000, timeout=0.3)


def payloads(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.payload for delivery in deliveries]


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last)]


def test_deliveries_come_in_order_and_carry_what_an_answer_needs(broker_url: str, room: str) -> None:
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        for number in range(20):
            device.publish(f"{room}/a", number, response_topic="replies", correlation=b"c%d" % number)
        deliveries = take(subscriber, 20)
    assert payloads(deliveries) == numbered(0, 20)
    first = deliveries[0]
    assert (first.topic, first.qos, first.epoch, first.retain) == (f"{room}/a", 1, 1, False)
    assert (first.response_topic, first.correlation) == ("replies", b"c0")


def test_what_was_not_acknowledged_comes_again_and_the_rest_does_not(broker_url: str, room: str) -> None:
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        for number in range(10):
            device.publish(f"{room}/a", number)
        subscriber.ack(take(subscriber, 10)[:4])
    with subscribed(broker_url, room) as subscriber:
        again = take(subscriber, 6)
        assert payloads(again) == numbered(4, 10)
        subscriber.ack(again)
    with subscribed(broker_url, room) as subscriber:
        assert subscriber.take(1000, timeout=0.5) == []
        assert subscriber.state.sessions_lost == 0


def test_what_is_published_meanwhile_waits_with_the_broker(broker_url: str, room: str) -> None:
    with subscribed(broker_url, room):
        pass
    with mqtt_client(broker_url) as device:
        for number in range(300):
            device.send(f"{room}/a", number)
        device.publish(f"{room}/a", 300)
    with subscribed(broker_url, room, window=50) as subscriber:
        got: list[Delivery] = []
        while len(got) < 301:
            taken = take(subscriber, 1)
            assert len(taken) <= 50
            subscriber.ack(taken)
            got += taken
    assert payloads(got) == numbered(0, 301)


def cut(url: str, room: str, subscriber: Subscriber) -> None:
    """Break the subscriber's connection: somebody else takes over its session for a moment."""
    state, links = subscriber.state, subscriber.state.connections
    with mqtt_client(url, client_id=room, session=True):
        eventually(lambda: not state.connected or state.connections > links, "the connection is lost")


def test_acks_never_cross_into_another_connection(broker_url: str, room: str) -> None:
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        for number in range(5):
            device.publish(f"{room}/a", number)
        first = take(subscriber, 5)
        cut(broker_url, room, subscriber)
        subscriber.ack(first)  # between two connections
        eventually(lambda: subscriber.state.connections == 2, "connected again")
        subscriber.ack(first)  # on the next one
        second = take(subscriber, 5)
        assert payloads(second) == payloads(first)
        assert {delivery.epoch for delivery in second} == {2}
        subscriber.ack(first)
    with subscribed(broker_url, room) as subscriber:
        assert payloads(take(subscriber, 5)) == numbered(0, 5)


def test_the_pipeline_does_not_hear_itself(broker_url: str, room: str) -> None:
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        subscriber.publish(f"{room}/out", b"mine", qos=1)
        device.publish(f"{room}/a", "theirs")
        assert payloads(take(subscriber, 1)) == [b'"theirs"']


def test_only_what_the_broker_had_retained_is_marked_so(broker_url: str, room: str) -> None:
    with mqtt_client(broker_url) as device:
        device.publish(f"{room}/a", "before", retain=True)
        with subscribed(broker_url, room) as subscriber:
            device.publish(f"{room}/b", "live", retain=True)
            deliveries = take(subscriber, 2)
            assert [(d.payload, d.retain) for d in deliveries] == [(b'"before"', True), (b'"live"', False)]
            subscriber.ack(deliveries)
        with subscribed(broker_url, room) as subscriber:  # the session is known: nothing retained comes again
            assert subscriber.take(10, timeout=0.5) == []


def test_an_answer_carries_the_correlation_data(broker_url: str, room: str) -> None:
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        device.subscribe(f"replies/{room}")
        subscriber.publish(f"replies/{room}", b"{}", qos=1, correlation=b"\x00\xff7")
        eventually(lambda: bool(device.received), "the answer")
        assert device.received[0].properties.CorrelationData == b"\x00\xff7"


def test_a_take_is_bounded_in_messages_and_bytes(broker_url: str, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES_TAKEN", 2_500)
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        for _ in range(9):
            device.publish(f"{room}/a", b"x" * 1000)
        eventually(lambda: subscriber.waiting == 9, "all received")
        assert [len(subscriber.take(4, 1)) for _ in range(3)] == [3, 3, 3]
        for _ in range(9):
            device.publish(f"{room}/a", b"x")
        eventually(lambda: subscriber.waiting == 9, "all received")
        assert [len(subscriber.take(4, 1)) for _ in range(3)] == [4, 4, 1]


def test_stopping_does_not_wait_for_a_reader_that_is_gone(
    broker_url: str, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES_WAITING", 5_000)
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        for _ in range(20):
            device.publish(f"{room}/a", b"x" * 1000)
        eventually(lambda: subscriber.waiting > 5, "the queue is full")
        assert subscriber.waiting < 20


def test_while_it_can_take_no_more_it_still_sends_and_keeps_its_connection(
    broker_url: str, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES_WAITING", 5_000)
    monkeypatch.setattr(module, "KEEPALIVE", 4)  # a shorter one leaves no room between a ping and the broker's limit
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        device.subscribe(f"vitals/{room}")
        for number in range(20):
            device.publish(f"{room}/a", b"%d" % number + b" " * 900)
        eventually(lambda: subscriber.waiting > 5, "the queue is full")
        subscriber.publish_retained([(f"vitals/{room}", b"{}")])
        eventually(lambda: bool(device.received), "what is published meanwhile")
        time.sleep(8)  # the broker waits one keep-alive and a half
        assert subscriber.waiting < 20
        assert [int(payload) for payload in payloads(take(subscriber, 20))] == list(range(20))
        assert subscriber.state.connections == 1


def test_it_connects_when_the_broker_comes_and_again_after_its_restart(
    tmp_path: Path, servers: Path, room: str
) -> None:
    server = broker.prepare(tmp_path / "broker", free_port(), servers)
    subscriber = Subscriber(server.url, client_id=room, subscription=f"{room}/#")
    subscriber.start()
    try:
        with running(server, tmp_path / "log"):
            assert subscriber.wait_subscribed(PATIENCE)
            with mqtt_client(server.url) as device:
                for number in range(3):
                    device.publish(f"{room}/a", number)
            first = take(subscriber, 3)
        eventually(lambda: not subscriber.state.connected, "the connection is lost")
        with running(server, tmp_path / "log"):
            assert payloads(take(subscriber, 3)) == payloads(first)
            assert (subscriber.state.connections, subscriber.state.sessions_lost) == (2, 0)
    finally:
        subscriber.stop()


def test_a_session_the_broker_lost_is_noticed(tmp_path: Path, servers: Path, room: str) -> None:
    port = free_port()
    before, after = (broker.prepare(tmp_path / name, port, servers) for name in ("before", "after"))
    subscriber = Subscriber(before.url, client_id=room, subscription=f"{room}/#")
    subscriber.start()
    try:
        with running(before, tmp_path / "log"):
            assert subscriber.wait_subscribed(PATIENCE)
        eventually(lambda: not subscriber.state.connected, "the connection is lost")
        with running(after, tmp_path / "log"):
            eventually(lambda: subscriber.state.sessions_lost == 1, "the lost session is noticed")
            assert subscriber.wait_subscribed(PATIENCE)
            subscriber.stop()
    finally:
        subscriber.stop()


def test_a_session_lost_while_the_pipeline_was_away_is_noticed_by_the_next_process(
    broker_url: str, room: str, tmp_path: Path
) -> None:
    def started() -> Subscriber:
        subscriber = Subscriber(broker_url, client_id=room, subscription=f"{room}/#", memory=tmp_path / "session")
        subscriber.start()
        assert subscriber.wait_subscribed(PATIENCE)
        subscriber.stop()
        return subscriber

    assert [started().state.sessions_lost for _ in range(2)] == [0, 0]
    with mqtt_client(broker_url, client_id=room):  # a clean start under that name wipes the session
        pass
    assert [started().state.sessions_lost for _ in range(2)] == [1, 0]


def test_what_the_broker_sends_a_second_time_is_marked_so(broker_url: str, room: str) -> None:
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as device:
        device.publish(f"{room}/a", 1)
        (first,) = take(subscriber, 1)
    with subscribed(broker_url, room) as subscriber:
        (second,) = take(subscriber, 1)
    assert (first.redelivered, second.redelivered) == (False, True)
    assert first.mid == second.mid


def test_messages_that_the_broker_dropped_are_known(tmp_path: Path, servers: Path, room: str) -> None:
    server = broker.prepare(tmp_path / "broker", free_port(), servers)
    configuration = tmp_path / "broker" / "mosquitto.conf"
    text, changed = re.subn(r"(?m)^max_queued_messages \d+", "max_queued_messages 5", configuration.read_text())
    assert changed == 1
    configuration.write_text(re.sub(r"(?m)^sys_interval \d+", "sys_interval 1", text))
    with running(server, tmp_path / "log"), subscribed(server.url, room, window=5) as subscriber:
        with mqtt_client(server.url) as device:
            for number in range(100):
                device.publish(f"{room}/a", number)
        eventually(lambda: subscriber.state.broker_dropped >= 80, "the broker's own figure")
        assert all(delivery.topic == f"{room}/a" for delivery in take(subscriber, 5))


def test_what_is_published_retained_is_there_for_who_comes_later(broker_url: str, room: str) -> None:
    sent = {f"{room}/out/{number}": b"%d " % number * 20_000 for number in range(40)}
    with subscribed(broker_url, room) as subscriber, mqtt_client(broker_url) as early, mqtt_client(broker_url) as late:
        early.subscribe(f"{room}/out/+")
        subscriber.publish_retained(list(sent.items()))
        eventually(lambda: len(early.received) == len(sent), "all of them")
        assert [(m.topic, m.payload) for m in early.received] == list(sent.items())
        late.subscribe(f"{room}/out/+")
        eventually(lambda: len(late.received) == len(sent), "all of them once more")
        assert {m.topic: m.payload for m in late.received} == sent
        assert subscriber.take(1, timeout=0.2) == []
