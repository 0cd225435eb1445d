"""The few MQTT 5 packets that the accounting test speaks and reads; pure.

It writes its own so that it knows of every packet what was sent and what was answered, and does not share a client
library with the system under test.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 13, 14
PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"
NO_SUBSCRIBERS = 0x10


@dataclass(frozen=True)
class Packet:
    """A control packet: its type, the flags beside it, and what follows the length."""

    type: int
    flags: int
    body: bytes


@dataclass(frozen=True)
class Published:
    """A PUBLISH taken apart; ``mid`` is 0 for QoS 0."""

    topic: str
    payload: bytes
    mid: int
    redelivered: bool


class Splitter:
    """Cuts a byte stream into packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Take bytes in; yields the packets they complete."""
        self._rest += data
        start = 0
        while (found := _length(self._rest, start)) is not None:
            begin, size = found
            if begin + size > len(self._rest):
                break
            first = self._rest[start]
            yield Packet(first >> 4, first & 0x0F, bytes(self._rest[begin : begin + size]))
            start = begin + size
        del self._rest[:start]


def connect(client_id: str, *, clean: bool, expiry: int = 0, keepalive: int = 30) -> bytes:
    """CONNECT; the broker may send 1,000 unacknowledged messages."""
    properties = b"\x11" + struct.pack(">I", expiry) + b"\x21" + struct.pack(">H", 1000)
    flags = 0x02 if clean else 0x00
    body = b"\x00\x04MQTT\x05" + bytes([flags]) + struct.pack(">H", keepalive)
    return _packet(0x10, body + _varint(len(properties)) + properties + _text(client_id))


def publish(topic: str, payload: bytes, mid: int, *, retain: bool = False) -> bytes:
    """PUBLISH at QoS 1."""
    return _packet(0x32 | retain, _text(topic) + struct.pack(">H", mid) + b"\x00" + payload)


def subscribe(topic: str, mid: int, qos: int = 0) -> bytes:
    """SUBSCRIBE to one filter; what the broker has retained comes too."""
    return _packet(0x82, struct.pack(">H", mid) + b"\x00" + _text(topic) + bytes([qos]))


def acknowledge(mid: int) -> bytes:
    """PUBACK."""
    return _packet(0x40, struct.pack(">H", mid))


def read_publish(packet: Packet) -> Published:
    """Take a PUBLISH apart; its properties are passed over."""
    body = packet.body
    size = int.from_bytes(body[:2])
    topic = body[2 : 2 + size].decode("utf-8", "replace")
    place = 2 + size
    mid = 0
    if packet.flags & 0x06:
        mid = int.from_bytes(body[place : place + 2])
        place += 2
    found = _length(body, place - 1)
    assert found is not None, "a PUBLISH without properties"
    begin, properties = found
    return Published(topic, body[begin + properties :], mid, bool(packet.flags & 0x08))


def read_puback(packet: Packet) -> tuple[int, int]:
    """Packet id and reason code of a PUBACK."""
    return int.from_bytes(packet.body[:2]), packet.body[2] if len(packet.body) > 2 else 0


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + _varint(len(body)) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _length(data: bytes | bytearray, start: int) -> tuple[int, int] | None:
    """(where the body begins, its size), from the length behind position ``start``; None = not all of it is there."""
    size = 0
    for index in range(4):
        place = start + 1 + index
        if place >= len(data):
            return None
        size |= (data[place] & 0x7F) << (7 * index)
        if not data[place] & 0x80:
            return place + 1, size
    raise ValueError("the length of a packet has more than four bytes")
