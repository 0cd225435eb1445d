"""Devices that ask for the commit watermark: they keep every reading until it is confirmed, and send again.

What the broker loses is no excuse for these: each of their readings must be stored.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from tests.torture.book import Entry, Message
from tests.torture.packets import Published
from tests.torture.small_city import CITY, STREETS

KIND = "parking_bay"
RESEND_AFTER = 3.0
"""seconds that a reading waits for its confirmation"""


@dataclass
class _Kept:
    message: Message
    sent: float


@dataclass
class Asker:
    """Some devices of one publisher; ``clock`` tells passing time, in seconds."""

    name: str
    clock: Callable[[], float]
    devices: int = 3
    resent: int = 0
    confirmed: int = 0
    _next: dict[str, int] = field(default_factory=dict)
    _kept: dict[str, dict[int, _Kept]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for number in range(self.devices):
            self._next[f"{self.name}-{number}"] = 0
            self._kept[f"{self.name}-{number}"] = {}

    @property
    def listen(self) -> str:
        """The topic filter of the answers."""
        return f"cv1/{CITY}/{KIND}/+/ack"

    @property
    def unconfirmed(self) -> int:
        with self._guard:
            return sum(map(len, self._kept.values()))

    def births(self) -> list[Message]:
        body = orjson.dumps({"area": STREETS[1], "attributes": {"watermark": True}})
        return [Message(f"cv1/{CITY}/{KIND}/{device}/meta", body, "birth", retain=True) for device in self._next]

    def supply(self, most: int, now: float) -> list[Message]:
        """What is due again, then new readings; ``now`` in seconds since 1970."""
        with self._guard:
            again = self._overdue()[:most]
            return again + [self._reading(now) for _ in range(most - len(again))]

    def overdue(self) -> list[Message]:
        """What is due again."""
        with self._guard:
            return self._overdue()

    def hear(self, answer: Published) -> None:
        """Drop what is confirmed; what is missing below the highest number is due at once."""
        device = answer.topic.split("/")[3]
        if device not in self._kept or not answer.payload:
            return
        said = orjson.loads(answer.payload)
        with self._guard:
            kept = self._kept[device]
            for seq in [s for s in kept if s <= said["highest"]]:
                if any(first <= seq <= last for first, last in said["gaps"]):
                    kept[seq].sent = min(kept[seq].sent, self.clock() - RESEND_AFTER + 0.5)
                else:
                    del kept[seq]
                    self.confirmed += 1

    def _overdue(self) -> list[Message]:
        now, again = self.clock(), []
        for kept in self._kept.values():
            for waiting in kept.values():
                if now - waiting.sent > RESEND_AFTER:
                    waiting.sent = now
                    again.append(Message(waiting.message.topic, waiting.message.payload, "duplicate"))
        self.resent += len(again)
        return again

    def _reading(self, now: float) -> Message:
        device = min(self._next, key=lambda name: self._next[name])
        seq = self._next[device]
        self._next[device] += 1
        millis = int(now * 1000)
        status = ("free", "occupied")[seq % 2]
        payload = orjson.dumps({"dateObserved": millis, "seq": seq, "status": status})
        entry = Entry(f"{KIND}|{device}|{millis * 1000}|{seq}", "stored", KIND, value=status)
        message = Message(f"cv1/{CITY}/{KIND}/{device}/tele", payload, "watermarked", (entry,))
        self._kept[device][seq] = _Kept(message, self.clock())
        return message
