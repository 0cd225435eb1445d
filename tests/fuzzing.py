"""Makes bad messages out of good ones: bytes, JSON values and topics are changed by a seeded hand. Pure."""

import json
import random
from collections.abc import Callable
from typing import Any

import orjson

Message = tuple[str, bytes]
"""topic, payload"""

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, -1e308, 5e-324, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64,
    10**30, "", " ", "\x00", "\ud7ff", "￾", "𝔘", "a" * 300, "1e5", "NaN", "2026-02-30T00:00:00Z", "2026-11-20T08:00:00",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "2026-11-20T08:00:00.123456789+08:00", "1763625600000",
    [], {}, [[]], [0], {"a": 1}, {"type": "Point", "coordinates": [181, 91]}, {"type": "Point", "coordinates": [1]},
    {"type": "Point", "coordinates": ["1", "2"]}, {"type": "Point"}, 1763625600000, 1763625600, -62135596800000,
)  # fmt: skip
FIELDS = (
    "dateObserved", "seq", "device", "status", "speed", "position", "route", "trip", "totalActivePower", "powerFactor",
    "fillingLevelFood", "nh3", "seepageDetected", "totalSpotNumber", "occupiedSpotNumber", "scheduledAt", "arrivedAt",
    "stop", "violation", "confidence", "area", "attributes", "name", "location", "unknown", "__class__", "",
)  # fmt: skip
_PIECES = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"NaN", b"Infinity", b"1e999",
    b"-", b"0x1",
    b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b" ", b"\n", b"9" * 400, b"[" * 1100, b'{"a":' * 1100,
)  # fmt: skip


class Mutator:
    """Draws messages near ``corpus``; the same seed draws the same ones."""

    def __init__(self, corpus: list[Message], seed: int) -> None:
        self._corpus = corpus
        self._rng = random.Random(seed)
        self._ways: tuple[tuple[Callable[[Message], Message], int], ...] = (
            (self._change_value, 8), (self._change_bytes, 6), (self._change_topic, 3), (self._splice, 3),
            (self._make_pack, 3), (self._noise, 1), (self._enlarge, 0),
        )  # fmt: skip

    def draw(self) -> Message:
        """One message, changed one to three times."""
        message = self._rng.choice(self._corpus)
        ways, weights = zip(*self._ways, strict=True)
        for _ in range(self._rng.choice((1, 1, 2, 3))):
            message = self._rng.choices(ways, weights)[0](message)
        return self._enlarge(message) if self._rng.random() < 0.001 else message

    def _change_value(self, message: Message) -> Message:
        try:
            body = json.loads(message[1])
        except (ValueError, RecursionError):
            return self._change_bytes(message)
        target = self._rng.choice(body) if isinstance(body, list) and body else body
        if not isinstance(target, dict):
            body = self._value()
        elif target and self._rng.random() < 0.2:
            del target[self._rng.choice(list(target))]
        else:
            known = self._rng.choice(list(target)) if target and self._rng.random() < 0.6 else None
            target[self._rng.choice(FIELDS) if known is None else known] = self._value()
        return message[0], json.dumps(body).encode("utf-8", "surrogatepass")

    def _value(self) -> Any:
        return self._rng.choice(NASTY) if self._rng.random() < 0.8 else self._rng.uniform(-1e6, 1e6)

    def _change_bytes(self, message: Message) -> Message:
        data = bytearray(message[1])
        for _ in range(self._rng.choice((1, 1, 2, 8))):
            place = self._rng.randrange(len(data) + 1)
            match self._rng.randrange(4):
                case 0:
                    data[place:place] = self._rng.choice(_PIECES)
                case 1:
                    del data[place : place + self._rng.choice((1, 2, 10, 100))]
                case 2 if data:
                    data[place % len(data)] = self._rng.randrange(256)
                case _:
                    data[place : place + 4] = data[place : place + 4] * self._rng.choice((0, 2, 20))
        return message[0], bytes(data)

    def _change_topic(self, message: Message) -> Message:
        levels = message[0].split("/")
        place = self._rng.randrange(len(levels))
        match self._rng.randrange(4):
            case 0:
                levels[place] = self._rng.choice(
                    ("", " ", "bus", "tele", "event", "arrival", "meta", "\x7f", "é" * 130)
                )
            case 1:
                del levels[place]
            case 2:
                levels.insert(place, levels[place])
            case _:
                levels[place] = self._rng.choice(self._corpus)[0].split("/")[-1]
        return "/".join(levels), message[1]

    def _splice(self, message: Message) -> Message:
        other = self._rng.choice(self._corpus)[1]
        return message[0], message[1][: self._rng.randrange(len(message[1]) + 1)] + other[
            self._rng.randrange(len(other)) :
        ]

    def _make_pack(self, message: Message) -> Message:
        parts = [self._rng.choice(self._corpus)[1] for _ in range(self._rng.choice((0, 1, 2, 30)))]
        return message[0], b"[" + b",".join([message[1], *parts]) + b"]"

    def _noise(self, message: Message) -> Message:
        return message[0], self._rng.randbytes(self._rng.choice((0, 1, 20, 500)))

    def _enlarge(self, message: Message) -> Message:
        """Up to a little more than a message may have, of what costs most for its size."""
        item = self._rng.choice(
            (b"0", b"{}", b'""', b"[[]]", message[1], orjson.dumps({"device": 7}), b"\xff", b"[", b"9")
        )
        count = self._rng.choice((2_000, 200_000, 1_060_000)) // (len(item) + 1)
        joined = b",".join([item] * max(1, count))
        return message[0], joined if self._rng.random() < 0.2 else b"[" + joined + b"]"
