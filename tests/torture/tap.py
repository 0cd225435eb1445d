"""What went over the wire between broker and pipeline: which messages were delivered, which the pipeline acknowledged.

This is the witness against excuses: what the pipeline acknowledged must be in the tables, whatever the broker lost.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.torture import packets
from tests.torture.book import digest


@dataclass
class Seen:
    """What happened to one message (all copies of the same topic and payload together)."""

    delivered: int = 0
    """times the broker sent it to the pipeline, second sendings included"""
    packets: set[tuple[int, int]] = field(default_factory=set)
    """(session, packet id) under which it was sent: so many messages it is for the pipeline"""
    acknowledged: int = 0
    last: float = 0.0
    """seconds since 1970"""


class Tap:
    """Reads both directions of each connection of the broker's proxy."""

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}
        self.session = 0
        """counts up when the broker says that it knows no session"""
        self.connections: Counter[str] = Counter()
        self._splitters: dict[tuple[int, str], packets.Splitter] = {}
        self._under_way: dict[tuple[int, int], int] = {}
        self._guard = threading.Lock()

    def __call__(self, connection: int, way: str, data: bytes) -> None:
        with self._guard:
            if not data:
                self._splitters.pop((connection, way), None)
                return
            splitter = self._splitters.setdefault((connection, way), packets.Splitter())
            for packet in splitter.feed(data):
                self._note(connection, way, packet)

    def look(self, of: int) -> Seen:
        """What is known of the message with this digest."""
        with self._guard:
            return self.seen.get(of, Seen())

    def _note(self, connection: int, way: str, packet: packets.Packet) -> None:
        if way == "down" and packet.type == packets.CONNACK:
            present = bool(packet.body[0] & 1)
            self.connections["present" if present else "absent"] += 1
            self.session += not present
        elif way == "down" and packet.type == packets.PUBLISH:
            message = packets.read_publish(packet)
            self._delivered(connection, message)
        elif way == "up" and packet.type == packets.PUBACK:
            mid, _ = packets.read_puback(packet)
            of = self._under_way.pop((connection, mid), None)
            if of is not None:
                self.seen[of].acknowledged += 1
                self.seen[of].last = time.time()

    def _delivered(self, connection: int, message: packets.Published) -> None:
        of = digest(message.topic, message.payload)
        seen = self.seen.setdefault(of, Seen())
        seen.delivered += 1
        seen.last = time.time()
        if message.mid:
            seen.packets.add((self.session, message.mid))
            self._under_way[connection, message.mid] = of
