"""The receive path under paho: packets cut at any place, of any size, with and without properties."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties

from ingest.broker_client import BrokerClient

Message = tuple[bytes, bytes, int, int, bool, bool, str | None]

TOPICS = st.text(min_size=1, max_size=300).map(lambda text: text.encode("utf-8", "ignore")).filter(bool)
MESSAGES = st.tuples(
    TOPICS,
    st.binary(max_size=20_000),
    st.integers(1, 65_535),
    st.integers(0, 1),
    st.booleans(),
    st.booleans(),
    st.none() | st.text(alphabet="abc/", min_size=1, max_size=200),
)


def packet(message: Message) -> bytes:
    """A PUBLISH packet as MQTT 5 lays it out (section 3.3)."""
    topic, payload, mid, qos, retain, dup, response = message
    properties = b"" if response is None else b"\x08" + len(response).to_bytes(2, "big") + response.encode()
    body = len(topic).to_bytes(2, "big") + topic + (mid.to_bytes(2, "big") if qos else b"")
    body += variable_length(len(properties)) + properties + payload
    return bytes([0x30 | qos << 1 | retain | dup << 3]) + variable_length(len(body)) + body


def variable_length(value: int) -> bytes:
    encoded = b""
    while True:
        value, digit = divmod(value, 128)
        encoded += bytes([digit | 128 if value else digit])
        if not value:
            return encoded


class Wire:
    """A client that reads what the test writes."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.client = BrokerClient(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True, receive=self.receive
        )
        near, self.far = socket.socketpair()
        near.setblocking(False)
        self.client._sock = near

    def receive(
        self, topic: bytes, payload: bytes, mid: int, qos: int, retain: bool, dup: bool, properties: Properties | None
    ) -> None:
        self.received.append((topic, payload, mid, qos, retain, dup, getattr(properties, "ResponseTopic", None)))

    def write(self, data: bytes) -> MQTTErrorCode:
        self.far.sendall(data)
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        while result == MQTTErrorCode.MQTT_ERR_SUCCESS:
            result = self.client._packet_read()
        return result

    def close(self) -> None:
        self.client._sock.close()
        self.far.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGES, min_size=1, max_size=6), data=st.data())
def test_messages_arrive_whole_and_in_order_wherever_the_network_cuts_them(
    messages: list[Message], data: st.DataObject
) -> None:
    wire = Wire()
    try:
        stream = b"".join(map(packet, messages))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            assert wire.write(stream[start:end]) == MQTTErrorCode.MQTT_ERR_AGAIN
        assert wire.received == [(t, p, m if q else 0, q, r, d, response) for t, p, m, q, r, d, response in messages]
    finally:
        wire.close()


def test_a_message_that_cannot_be_taken_does_not_end_the_reading(wire: Wire) -> None:
    def fail(*_: object) -> None:
        wire.client._receive = wire.receive
        raise RuntimeError("no room")

    wire.client._receive = fail
    message: Message = (b"t", b"p", 1, 1, False, False, None)
    assert wire.write(packet(message) * 2) == MQTTErrorCode.MQTT_ERR_AGAIN
    assert wire.received == [message]


@pytest.mark.parametrize(
    "data",
    [b"\x32\xff\xff\xff\xff\x01", b"\x32\x02\x00\x05", b"\x32\x05\x00\x01t\x00\x07"],
    ids=["length", "topic", "id"],
)
def test_what_is_no_packet_ends_the_connection(wire: Wire, data: bytes) -> None:
    assert wire.write(data) == MQTTErrorCode.MQTT_ERR_PROTOCOL
    assert wire.received == []


def test_a_closed_connection_is_said(wire: Wire) -> None:
    wire.far.shutdown(socket.SHUT_WR)
    assert wire.client._packet_read() == MQTTErrorCode.MQTT_ERR_CONN_LOST


def test_acks_go_out_in_one_piece_and_in_order(wire: Wire) -> None:
    wire.client.ack_all([1, 2, 65_535])
    wire.client.loop_write()
    assert wire.far.recv(100) == b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\xff\xff"


@settings(deadline=None, max_examples=60)
@given(messages=st.lists(st.tuples(TOPICS.map(bytes.decode), st.binary(max_size=200_000)), min_size=1, max_size=6))
def test_retained_messages_go_out_whole_and_in_order_however_little_the_network_takes(
    messages: list[tuple[str, bytes]],
) -> None:
    wire = Wire()
    try:
        expected = b"".join(packet((t.encode(), p, 0, 0, True, False, None)) for t, p in messages)
        wire.client.publish_all(messages)
        sent = bytearray()
        while len(sent) < len(expected):
            wire.client.loop_write()
            sent += wire.far.recv(50_000)
        assert bytes(sent) == expected
        assert not wire.client.want_write()
    finally:
        wire.close()


def test_nothing_to_publish_sends_nothing(wire: Wire) -> None:
    wire.client.publish_all([])
    assert not wire.client.want_write()


def test_what_is_published_together_leaves_in_one_piece_and_is_kept_until_the_broker_has_it(wire: Wire) -> None:
    with wire.client.together():
        ids = [wire.client.publish("err", b"%d" % number, qos=1).mid for number in range(3)]
        with pytest.raises(BlockingIOError):
            wire.far.recv(1000, socket.MSG_DONTWAIT)
    messages = [(b"err", b"%d" % number, mid, 1, False, False, None) for number, mid in enumerate(ids)]
    assert wire.far.recv(1000) == b"".join(map(packet, messages))
    assert [*wire.client._out_messages] == ids


@pytest.mark.parametrize("said", [b"", b"\x10", b"\x10\x00"], ids=["", "nobody listens", "without properties"])
def test_a_message_that_the_broker_has_is_no_longer_kept(wire: Wire, said: bytes) -> None:
    first, second = (wire.client.publish("err", b"", qos=1) for _ in range(2))
    ack = bytes([0x40, 2 + len(said)]) + first.mid.to_bytes(2, "big") + said
    for cut in range(1, len(ack)):
        assert wire.write(ack[:cut]) == wire.write(ack[cut:]) == MQTTErrorCode.MQTT_ERR_AGAIN
        assert [*wire.client._out_messages] == [second.mid]
    assert first.is_published()
    assert not second.is_published()
