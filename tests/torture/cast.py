"""Who publishes what: devices of every kind, and a stream of good, repeated, poisoned, late and future messages; pure.

The clock and the random generator are arguments. Every reading has an id that is found again in its table (stream,
device, dateObserved, seq); every poisoned one carries its id in its payload.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from tests.torture.book import Entry, Message
from tests.torture.poisons import POISONS, Poison, beyond_the_gate
from tests.torture.small_city import DAY, STREETS, Device, topic_of

SHARES = (("good", 85), ("duplicate", 5), ("poison", 5), ("late", 3), ("future", 2))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Cast:
    """The devices of one publisher and the script they follow."""

    name: str
    rng: random.Random
    plain: bool = False
    """single good readings of now and, by ``poison_share``, poison: for measurements"""
    poison_share: float = 0.0
    devices: list[Device] = field(default_factory=list)
    said: deque[Message] = field(default_factory=lambda: deque(maxlen=400))
    poisons: int = 0

    def __post_init__(self) -> None:
        for kind, count in (("parking_bay", 6), ("energy_meter", 4), ("bus", 3), ("car_park", 2), ("garbage_hut", 3)):
            for number in range(count):
                street = STREETS[(number + len(self.devices)) % len(STREETS)]
                numbered = kind != "energy_meter" or number % 2 == 0
                self.devices.append(Device(f"{self.name}-{kind}-{number}", kind, street, numbered))
        for number in range(4):
            behind = Device(f"{self.name}-behind-{number}", "parking_bay", STREETS[0], True, f"{self.name}-gateway")
            self.devices.append(behind)

    def births(self) -> list[Message]:
        """What the devices are, retained."""
        return [
            Message(
                topic_of(d.kind, d.id, "meta"),
                orjson.dumps({"area": d.street, "attributes": {"gateway": d.gateway} if d.gateway else {}}),
                "birth",
                retain=True,
            )
            for d in self.devices
        ]

    def next(self, now: float) -> Message:
        """The next message, ``now`` in seconds since 1970."""
        if self.plain:
            poisoned = self.poison_share and self.rng.random() < self.poison_share
            return self._poisoned(now) if poisoned else self._good(now, "good")
        sort = self.rng.choices([s for s, _ in SHARES], [w for _, w in SHARES])[0]
        if sort == "duplicate" and self.said:
            said = self.rng.choice(self.said)
            return Message(said.topic, said.payload, "duplicate")
        if sort == "poison":
            return self._poisoned(now)
        if sort == "late":
            return self._good(now - self.rng.choice([120, 1_800, DAY, 3 * DAY]) - self.rng.random() * 1_000, "late")
        if sort == "future" and self.rng.random() < 0.5:
            return self._good(now + 20 + 40 * self.rng.random(), "future")
        if sort == "future":
            return self._poisoned(now, "future", beyond_the_gate)
        return self._good(now, "good")

    def probe(self, now: float) -> Message:
        """A good reading that the harness waits for."""
        return self._good(now, "probe", self.devices[0])

    def _good(self, now: float, sort: str, device: Device | None = None) -> Message:
        device = device or self.rng.choice(self.devices)
        if self.plain:
            made = [self.reading(device, now, named=bool(device.gateway))]
        elif device.gateway:
            members = [d for d in self.devices if d.gateway == device.gateway]
            made = [self.reading(self.rng.choice(members), now, named=True) for _ in range(self.rng.randint(2, 8))]
        elif self.rng.random() < 0.05:
            made = [self.reading(device, now) for _ in range(self.rng.randint(2, 20))]
        else:
            made = [self.reading(device, now)]
        event = len(made) == 1 and not device.gateway and self.rng.random() < 0.3 and self._event(device, now)
        if event:
            channel, body, entry = event
            message = Message(topic_of(device.kind, device.id, channel), orjson.dumps(body), sort, (entry,))
        else:
            bodies = [body for body, _ in made]
            payload = orjson.dumps(bodies[0] if len(bodies) == 1 and not device.gateway else bodies)
            message = Message(topic_of(device.kind, device.speaker, "tele"), payload, sort, tuple(e for _, e in made))
        self.said.append(message)
        return message

    def reading(self, device: Device, now: float, *, named: bool = False) -> tuple[dict[str, Any], Entry]:
        """A good telemetry reading and the entry it is known by."""
        body, micros = self._dated(device, now)
        number = device.seq
        fields: dict[str, Any]
        match device.kind:
            case "parking_bay":
                fields = {"status": ("free", "occupied", "unknown")[number % 3]}
            case "energy_meter":
                fields = {"totalActivePower": number % 4000 / 8, "powerFactor": 0.5 + number % 4 / 8}
            case "bus":
                fields = {"speed": number % 400 / 4, "position": {"type": "Point", "coordinates": [121.4, 31.2]},
                          "route": "71", "trip": f"t{number % 40}"}  # fmt: skip
            case "car_park":
                fields = {"occupiedSpotNumber": number % 500, "totalSpotNumber": 500}
            case _:
                fields = {"cargoWeightResidual": number % 800 / 4, "fillingLevelResidual": number % 9 / 8, "nh3": 0.25}
        value = next(str(v) for v in fields.values())
        if named:
            body["device"] = device.id
        entry = Entry(_id(device.kind, device, micros, body), "stored", device.kind, value=value)
        return body | fields, entry

    def _event(self, device: Device, now: float) -> tuple[str, dict[str, Any], Entry] | None:
        if device.kind not in ("bus", "garbage_hut"):
            return None
        body, micros = self._dated(device, now)
        value = f"v{device.seq}"
        fields: dict[str, Any]
        if device.kind == "bus":
            at = _text(micros)
            fields = {"route": "71", "trip": "t1", "stop": value, "scheduledAt": at, "arrivedAt": at}
            stream, channel = "bus_arrival", "event/arrival"
        else:
            fields = {"violation": value, "confidence": 0.5}
            stream, channel = "garbage_hut_illegal_dumping", "event/illegal_dumping"
        return channel, body | fields, Entry(_id(stream, device, micros, body), "stored", stream, value=value)

    def _dated(self, device: Device, now: float) -> tuple[dict[str, Any], int]:
        """Instant, and seq where the device counts; no device says the same instant twice in ordinary traffic."""
        device.seq += 1
        millis = int(now * 1000)
        micros = millis * 1000
        if not device.numbered:
            micros += device.seq % 1000
        body: dict[str, Any] = {"dateObserved": millis if device.numbered and device.seq % 2 else _text(micros)}
        if device.numbered:
            body["seq"] = device.seq
        return body, micros

    def _poisoned(self, now: float, sort: str = "poison", how: Poison | None = None) -> Message:
        self.poisons += 1
        poison = how or self.rng.choices(list(POISONS), [weight for _, weight in POISONS.items()])[0]
        topic, payload, entries = poison(self, f"poison-{self.name}-{self.poisons}-", now)
        return Message(topic, payload, sort, entries)


def _text(micros: int) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).isoformat()


def _id(stream: str, device: Device, micros: int, body: dict[str, Any]) -> str:
    return f"{stream}|{device.id}|{micros}|{body.get('seq', -1)}"
