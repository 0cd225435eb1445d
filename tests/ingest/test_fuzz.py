"""Whatever bytes arrive: nothing is raised, every reading ends in exactly one place, and no input takes long.

A short run is part of ``make test``; ``make fuzz`` takes a million inputs and bounds the slowest of them.
"""

import gc
import os
import time
from dataclasses import dataclass

import orjson
import pytest
from fuzzing import Message, Mutator
from ingest_material import NOW, TOPICS, at, fleet, micros

from devices.contract import Flaw
from devices.topics import Address
from ingest.answers import answer
from ingest.batch import Decoded, Delivery
from ingest.birth import read_birth, read_status
from ingest.decoder import Decoder
from ingest.identity import find_repeats
from ingest.numbering import settled_numbers
from ingest.packing import pack
from ingest.payload import items_of, read_value
from ingest.redelivery import packet_of
from ingest.registry import Device, Registry
from ingest.spool_records import decode, encode

INPUTS = int(os.environ.get("CITYVITALS_FUZZ_INPUTS", "4000"))
LONG = 100_000
"""from so many inputs on the slowest one is bounded"""
BOUND = 0.050
"""seconds of processor time for one input"""
AREAS = frozenset({"310104003"})
REASONS = {"syntax", "schema", "range", "clock", "unknown_kind", "unknown_device", "topic", "too_large"}


def corpus() -> list[Message]:
    """A good message of every stream, births, statuses, packs."""
    bodies: list[tuple[str, object]] = [
        (TOPICS.telemetry("parking_bay", "bay-1"), {"dateObserved": at(0), "seq": 3, "status": "free"}),
        (
            TOPICS.telemetry("parking_bay", "gw-1"),
            [{"device": "bay-9", "dateObserved": at(1), "status": "occupied"}] * 3,
        ),
        (
            TOPICS.telemetry("bus", "bus-1"),
            {
                "dateObserved": micros(NOW) // 1000,
                "position": {"type": "Point", "coordinates": [121.5, 31.2]},
                "speed": 30.5,
                "route": "71",
                "trip": "t",
            },
        ),
        (
            TOPICS.event("bus", "bus-1", "arrival"),
            {"dateObserved": at(0), "route": "r", "trip": "t", "stop": "s", "scheduledAt": at(0), "arrivedAt": at(9)},
        ),
        (
            TOPICS.telemetry("garbage_hut", "garbage_hut-1"),
            {"dateObserved": at(0), "fillingLevelFood": 0.5, "nh3": 1, "seepageDetected": False, "temperature": -3},
        ),
        (
            TOPICS.event("garbage_hut", "garbage_hut-1", "illegal_dumping"),
            {"dateObserved": at(0), "violation": "beside_bin", "confidence": 0.9},
        ),
        (
            TOPICS.telemetry("car_park", "car_park-1"),
            {"dateObserved": at(0), "totalSpotNumber": 5, "occupiedSpotNumber": 7, "seq": 2**53},
        ),
        (
            TOPICS.telemetry("energy_meter", "energy_meter-1"),
            {"dateObserved": at(0), "totalActivePower": 3.5, "totalActiveEnergyImport": 12, "powerFactor": 1},
        ),
        (
            TOPICS.meta("parking_bay", "bay-77"),
            {"area": "310104003", "name": "n", "attributes": {"gateway": "gw", "watermark": {"since": at(0)}}},
        ),
        (TOPICS.status("parking_bay", "bay-1"), "online"),
    ]
    return [(topic, orjson.dumps(body)) for topic, body in bodies]


@dataclass
class Slowest:
    """The input that took longest."""

    seconds: float = 0.0
    topic: str = ""
    payload: bytes = b""

    def __str__(self) -> str:
        shown = f"{self.payload[:60]!r}{'…' if len(self.payload) > 60 else ''}"
        return f"{self.seconds * 1e3:.1f} ms for {len(self.payload)} bytes on {self.topic[:60]!r}: {shown}"


class Victim:
    """All of ingest that touches the bytes of a message before the database does."""

    def __init__(self) -> None:
        asking = {"watermark": True}
        self.registry = Registry(
            Device(d.key, d.id, d.kind, d.area, attributes={**d.attributes, **asking}) for d in fleet()
        )
        self.decoder = Decoder(TOPICS)

    def decode(self, delivery: Delivery) -> Decoded:
        return self.decoder.decode([delivery], self.registry)

    def swallow(self, delivery: Delivery) -> None:
        """Everything that is done with a message; asserts that it ends in one place."""
        decoded = self.decode(delivery)
        self.account(delivery, decoded)
        for batch in decoded.batches:
            assert find_repeats(batch).new.any()
            assert b"".join(pack(batch))
        settled_numbers(decoded, self.registry, self.decoder.address)
        for rejection in decoded.rejections[:20]:
            assert rejection.reason in REASONS
            assert rejection.detail
            answer(rejection, TOPICS)
        assert packet_of(delivery) is not None
        records, damage, _ = decode(encode(0, delivery), 0, 10)
        assert not damage
        assert records[0].delivery.payload == delivery.payload
        address = self.decoder.address(delivery.topic)
        if isinstance(address, Address) and address.channel == "meta":
            read_birth(address, delivery.payload, AREAS)
        if isinstance(address, Address) and address.channel == "status":
            read_status(delivery.payload)

    def account(self, delivery: Delivery, decoded: Decoded) -> None:
        """Each reading of a message is in a batch or in the rejects, or the message as a whole is one reject."""
        address = self.decoder.address(delivery.topic)
        rows = sum(len(batch) for batch in decoded.batches)
        if isinstance(address, Flaw):
            assert (rows, len(decoded.rejections)) == (0, 1)
        elif address is None or address.stream is None:
            assert (rows, len(decoded.rejections)) == (0, 0)
        else:
            value = read_value(delivery.payload)
            readings = 1 if isinstance(value, Flaw) else len(list(items_of(value)))
            whole = rows == 0 and len(decoded.rejections) == 1 and decoded.rejections[0].item is None
            assert whole or rows + len(decoded.rejections) == readings


def seconds(victim: Victim, delivery: Delivery) -> float:
    """Processor time of decoding; measured again where it seems long, for a pause of the machine is no property of the
    input."""
    best = 1e9
    for _ in range(4):
        began = time.thread_time()
        victim.decode(delivery)
        best = min(best, time.thread_time() - began)
        if best < BOUND / 4:
            break
        gc.collect()
    return best


@pytest.mark.timeout(0)
def test_whatever_bytes_arrive_nothing_is_raised_and_nothing_takes_long() -> None:
    victim, mutator, slowest = Victim(), Mutator(corpus(), seed=INPUTS), Slowest()
    for number in range(INPUTS):
        topic, payload = mutator.draw()
        delivery = Delivery(topic, payload, micros(NOW), mid=number % 65_535 + 1, qos=1, epoch=1)
        try:
            took = seconds(victim, delivery)
            victim.swallow(delivery)
        except Exception as error:
            raise AssertionError(f"input {number}: {topic!r} {payload[:500]!r}") from error
        if took > slowest.seconds:
            slowest = Slowest(took, topic, payload)
    print(f"\n{INPUTS} inputs, the slowest took {slowest}")
    assert INPUTS < LONG or slowest.seconds < BOUND, slowest
