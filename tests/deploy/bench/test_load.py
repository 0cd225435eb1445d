"""The publisher's packets are what MQTT and the contract say."""

import json
import time

import numpy as np

from deploy.bench.load import STAMP, prepare, stamp
from deploy.bench.readings import PACK, packed_readings, registered, single_readings
from devices.city import load_city
from devices.kinds import kinds
from devices.topics import Topics
from ingest.batch import Delivery
from ingest.decoder import Decoder
from ingest.registry import Device, Registry

TOPICS = Topics(load_city("shanghai").code, kinds())


def _registry(devices: int, *, gateways: bool, only: str | None = None) -> Registry:
    rows = registered(devices, ["310101002"], gateways=gateways, only=only)
    registry = Registry()
    registry.update(
        Device(key + 1, name, kind, area, attributes=json.loads(attributes))
        for key, (name, kind, area, attributes) in enumerate(rows)
    )
    return registry


def _deliveries(messages: list[tuple[str, bytes]], now: int) -> list[Delivery]:
    """The messages as the broker would hand them on, read back from the laid out packets."""
    load = prepare(messages)
    stamp(load, 0, len(load))
    deliveries = []
    for place in range(len(load)):
        packet = load.packets[load.starts[place] : load.starts[place + 1]].tobytes()
        topic = messages[place][0]
        assert packet[0] == 0x32
        deliveries.append(Delivery(topic, packet[-len(messages[place][1]) :], now))
        at = int(load.ids[place] - load.starts[place])
        assert packet[at - len(topic) : at] == topic.encode()
        assert packet[at : at + 2] == (place + 1).to_bytes(2, "big")
    return deliveries


def _now() -> int:
    return time.time_ns() // 1000


def test_every_single_reading_is_taken_and_no_two_are_one() -> None:
    messages = list(single_readings(TOPICS, 10, 100, 0))
    decoded = Decoder(TOPICS).decode(_deliveries(messages, _now()), _registry(10, gateways=False))
    assert not decoded.rejections
    assert sum(map(len, decoded.batches)) == 100
    for batch in decoded.batches:
        assert len({*zip(batch.device.tolist(), batch.seq.tolist(), strict=True)}) == len(batch)


def test_every_packed_reading_is_taken_of_all_kinds_and_of_one() -> None:
    for kind in (None, "parking_bay"):
        devices = PACK * len(kinds()) if kind is None else 2 * PACK
        messages = list(packed_readings(TOPICS, devices, 2 * devices, 0, kind=kind))
        registry = _registry(devices, gateways=True, only=kind)
        decoded = Decoder(TOPICS).decode(_deliveries(messages, _now()), registry)
        assert not decoded.rejections
        assert sum(map(len, decoded.batches)) == 2 * devices
        assert {batch.stream.name for batch in decoded.batches} == ({kind} if kind else set(kinds()))


def test_the_stamps_are_the_instant_of_sending() -> None:
    load = prepare([("t", b'{"dateObserved": "' + STAMP + b'"}')])
    before = np.datetime64(time.time_ns() // 1_000_000, "ms")
    stamp(load, 0, 1)
    text = load.packets[load.stamps[0] : load.stamps[0] + len(STAMP)].tobytes().decode()
    after = np.datetime64(time.time_ns() // 1_000_000, "ms")
    assert before - np.timedelta64(1, "s") <= np.datetime64(text.rstrip("Z")) <= after + np.timedelta64(1, "s")
