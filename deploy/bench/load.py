"""Publishes as fast as the broker takes it: PUBLISH packets laid out ahead, stamped with numpy, sent in large writes.

Each packet carries its packet id and ``dateObserved`` at a known place. Before a write these places are filled for
all packets of the write at once, so that the sender costs well under a microsecond a message. QoS 1: at most
``WINDOW`` packets are without their PUBACK.
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

WINDOW = 20_000
IN_ONE_WRITE = 256
STAMP = b"2026-01-01T00:00:00.000Z"
_PUBACK_BYTES = 4


@dataclass(frozen=True)
class Load:
    """Packets one after the other, and where their ids and instants stand."""

    packets: NDArray[np.uint8]
    starts: NDArray[np.int64]
    """where each packet starts, and where the last one ends"""
    ids: NDArray[np.int64]
    """where each packet's id stands"""
    stamps: NDArray[np.int64]
    """where an instant stands"""
    stamp_starts: NDArray[np.int64]
    """number of stamps before each packet, and of all"""

    def __len__(self) -> int:
        return len(self.ids)


def prepare(messages: Sequence[tuple[str, bytes]]) -> Load:
    """Lay out messages (topic, payload); every STAMP in a payload becomes the instant it is sent."""
    packets, starts, ids, stamps, before = bytearray(), [0], [], [], [0]
    for topic, payload in messages:
        name = topic.encode()
        packets += b"\x32" + _length(2 + len(name) + 2 + len(payload)) + len(name).to_bytes(2, "big") + name
        ids.append(len(packets))
        packets += b"\x00\x00"
        at = payload.find(STAMP)
        while at >= 0:
            stamps.append(len(packets) + at)
            at = payload.find(STAMP, at + 1)
        packets += payload
        starts.append(len(packets))
        before.append(len(stamps))
    arrays = (np.array(values, np.int64) for values in (starts, ids, stamps, before))
    return Load(np.frombuffer(bytes(packets), np.uint8).copy(), *arrays)


def publish(load: Load, host: str, port: int, *, rate: float | None = None, client: str = "cvbench") -> float:
    """Send everything, ``rate`` messages a second or as fast as possible, until the last PUBACK; returns when it began
    (perf_counter). With a rate, message number i is due i / ``rate`` seconds later, however late it goes out."""
    with socket.create_connection((host, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(connect_packet(client))
        answer = connection.recv(4)
        if answer != b"\x20\x02\x00\x00":
            raise ConnectionError(f"the broker answered CONNECT with {answer.hex()}, must be 20020000")
        return _Sender(load, connection, rate).run()


def connect_packet(client: str) -> bytes:
    """MQTT 3.1.1 CONNECT with a clean session and 60 s keep-alive."""
    name = client.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
    return b"\x10" + _length(len(body)) + body


class _Sender:
    def __init__(self, load: Load, connection: socket.socket, rate: float | None) -> None:
        self._load = load
        self._connection = connection
        self._rate = rate
        self._sent = self._acknowledged = 0
        self._half = 0

    def run(self) -> float:
        started = time.perf_counter()
        view = memoryview(self._load.packets.data)
        while self._sent < len(self._load):
            first, last = self._sent, min(self._sent + self._room(started), len(self._load))
            if last <= first:
                self._wait(started)
                continue
            stamp(self._load, first, last)
            self._connection.sendall(view[self._load.starts[first] : self._load.starts[last]])
            self._sent = last
            self._collect(wait=self._sent - self._acknowledged >= WINDOW)
        while self._acknowledged < self._sent:
            self._collect(wait=True)
        return started

    def _room(self, started: float) -> int:
        room = min(IN_ONE_WRITE, WINDOW - (self._sent - self._acknowledged))
        if self._rate is not None:
            room = min(room, int((time.perf_counter() - started) * self._rate) - self._sent)
        return room

    def _wait(self, started: float) -> None:
        if self._rate is not None and self._sent - self._acknowledged < WINDOW:
            time.sleep(max(0.0005, (self._sent + 1) / self._rate - (time.perf_counter() - started)))
            self._collect(wait=False)
        else:
            self._collect(wait=True)

    def _collect(self, *, wait: bool) -> None:
        try:
            data = self._connection.recv(65_536, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the broker closed the publisher's connection")
        self._half += len(data)
        self._acknowledged += self._half // _PUBACK_BYTES
        self._half %= _PUBACK_BYTES


def stamp(load: Load, first: int, last: int) -> None:
    """Write packet ids and the present instant into packets ``first`` to ``last`` - 1."""
    number = np.arange(first, last) % 65_535 + 1
    at = load.ids[first:last]
    load.packets[at] = number >> 8
    load.packets[at + 1] = number & 255
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
    places = load.stamps[load.stamp_starts[first] : load.stamp_starts[last]]
    load.packets[places[:, None] + np.arange(len(STAMP))] = np.frombuffer(now, np.uint8)


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, low = divmod(size, 128)
        encoded.append(low | 128 if size else low)
        if not size:
            return bytes(encoded)
