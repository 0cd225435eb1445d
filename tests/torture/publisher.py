"""A device's side of the line: publishes at QoS 1 at a rate, and sends again what the broker did not acknowledge."""

import contextlib
import random
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from tests.torture import packets
from tests.torture.book import Book, Message

WINDOW = 300
_CHUNK = 50
_LONGEST_PAUSE = 1.0
_ANSWER_WITHIN = 5.0


class Publisher(threading.Thread):
    """Takes messages from ``supply``, enters them into the book, publishes them; a new connection resends."""

    def __init__(
        self,
        name: str,
        port: int,
        book: Book,
        supply: Callable[[int], Sequence[Message]],
        rate: float,
        *,
        reconnect_every: float = 0.0,
        listen: str | None = None,
        hear: Callable[[packets.Published], None] | None = None,
    ) -> None:
        """``rate``: messages a second; ``reconnect_every``: seconds after which it drops its own connection;
        ``hear`` is called with what comes on the topics of the filter ``listen``."""
        super().__init__(name=name, daemon=True)
        self._port, self._book, self._supply, self._rate = port, book, supply, rate
        self._reconnect_every = reconnect_every
        self._listen, self._hear = listen, hear
        self._due: deque[tuple[int, Message]] = deque()
        self._pending: dict[int, tuple[int, Message]] = {}
        self._mid = 0
        self._ended = threading.Event()
        self._extra: deque[Message] = deque()
        self._ahead: deque[tuple[int, Message]] = deque()
        self.connections = 0
        self.published = 0
        self.acknowledged = 0
        self.failure: BaseException | None = None

    @property
    def waiting(self) -> int:
        """Messages entered into the book and not acknowledged by the broker."""
        return len(self._due) + len(self._pending) + len(self._extra) + len(self._ahead)

    def lay_out(self, messages: Sequence[Message]) -> None:
        """Enter messages into the book that are published later, at the rate, before those of the supply."""
        self._ahead.extend(zip(self._book.enter(messages, time.time()), messages, strict=True))

    def say(self, message: Message) -> None:
        """Publish one message besides those of the supply, whatever the rate."""
        self._extra.append(message)

    def set_rate(self, rate: float) -> None:
        """Messages a second from now on; 0 takes nothing more from the supply."""
        self._rate = rate

    def stop(self) -> None:
        self._ended.set()

    def run(self) -> None:
        pause = 0.05
        try:
            while not self._ended.is_set():
                try:
                    with socket.create_connection(("127.0.0.1", self._port), timeout=_ANSWER_WITHIN) as line:
                        self._serve(line)
                    pause = 0.05
                except (OSError, ValueError):
                    pass
                self._due.extendleft(reversed(self._pending.values()))
                self._pending.clear()
                self._ended.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        except BaseException as error:
            self.failure = error
            raise

    def _serve(self, line: socket.socket) -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        splitter = packets.Splitter()
        line.sendall(packets.connect(f"{self.name}-{random.getrandbits(32):x}", clean=True))
        while not any(p.type == packets.CONNACK for p in splitter.feed(_receive(line))):
            pass
        self.connections += 1
        if self._listen is not None:
            line.sendall(packets.subscribe(self._listen, 1))
        began = heard = spoke = counted = time.monotonic()
        due = 0.0
        while not self._ended.is_set():
            now = time.monotonic()
            if self._reconnect_every and now - began > self._reconnect_every:
                return
            due = min(due + (now - counted) * self._rate, 2.0 * WINDOW)
            counted = now
            due -= self._take(int(due))
            data = b"".join(self._next_packets())
            if not data and now - spoke > _ANSWER_WITHIN / 2:
                data = packets.PINGREQ_PACKET
            if data:
                line.sendall(data)
                spoke = now
            if self._read(line, splitter):
                heard = time.monotonic()
            elif self._pending and time.monotonic() - heard > 2 * _ANSWER_WITHIN:
                raise TimeoutError("the broker does not answer")
            elif not self._pending:
                heard = time.monotonic()
        with contextlib.suppress(OSError):
            line.sendall(packets.DISCONNECT_PACKET)

    def _take(self, wanted: int) -> int:
        """Enter what is due into the book; how many messages of the supply that were."""
        messages: list[Message] = []
        while self._extra:
            messages.append(self._extra.popleft())
        room = WINDOW - len(self._due) - len(self._pending)
        ask = min(wanted, room, _CHUNK) if self._rate else 0
        if ask > 0 and self._ahead:
            ready = min(ask, len(self._ahead))
            self._due.extend(self._ahead.popleft() for _ in range(ready))
            return ready
        supplied = self._supply(ask) if ask > 0 else ()
        messages += supplied
        if messages:
            numbers = self._book.enter(messages, time.time())
            self._due.extend(zip(numbers, messages, strict=True))
        return len(supplied)

    def _next_packets(self) -> list[bytes]:
        out = []
        while self._due and len(self._pending) < WINDOW:
            number, message = self._due.popleft()
            self._mid = self._mid % 65_535 + 1
            self._pending[self._mid] = (number, message)
            self._book.fates[number].attempts += 1
            self.published += 1
            out.append(packets.publish(message.topic, message.payload, self._mid, retain=message.retain))
        return out

    def _read(self, line: socket.socket, splitter: packets.Splitter) -> bool:
        readable, _, _ = select.select([line], [], [], 0.01)
        if not readable:
            return False
        for packet in splitter.feed(_receive(line)):
            if packet.type == packets.DISCONNECT:
                raise ConnectionError("the broker disconnects")
            if packet.type == packets.PUBLISH and self._hear is not None:
                self._hear(packets.read_publish(packet))
            if packet.type == packets.PUBACK:
                mid, reason = packets.read_puback(packet)
                number, _ = self._pending.pop(mid)
                fate = self._book.fates[number]
                fate.acked, fate.reason = time.time(), reason
                self.acknowledged += 1
        return True


def _receive(line: socket.socket) -> bytes:
    data = line.recv(65_536)
    if not data:
        raise ConnectionError("the broker closed the connection")
    return data
