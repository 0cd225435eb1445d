"""Readings by way of Python objects: slower than the scanner, but it takes whatever is right and explains what is not.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.contract import Flaw, Stream, shown
from devices.explaining import explain
from devices.topics import Address, device_flaw
from ingest.batch import Batch, Decoded, Delivery
from ingest.columns import Columns
from ingest.payload import ALONE, item_text, items_of
from ingest.refusing import MOST_REFUSED, clock_flaw, refuse, refuse_whole
from ingest.registry import Device, Registry
from ingest.speakers import Speaker, Speakers, spoken_for


@dataclass
class Objects:
    """Readings of one stream that passed the look-up, waiting for validation; a run is what one delivery brought."""

    stream: Stream
    values: list[dict[str, Any]] = field(default_factory=list)
    devices: list[int] = field(default_factory=list)
    """keys"""
    run_source: list[int] = field(default_factory=list)
    run_item: list[int] = field(default_factory=list)
    """position of its first reading in the pack"""
    run_length: list[int] = field(default_factory=list)

    def cut(self, readings: int, runs: int) -> None:
        """Forget what was added after the first so many."""
        del self.values[readings:], self.devices[readings:]
        del self.run_source[runs:], self.run_item[runs:], self.run_length[runs:]

    def add_run(self, source: int, first_item: int, length: int) -> None:
        self.run_source.append(source)
        self.run_item.append(first_item)
        self.run_length.append(length)

    def places(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Delivery, and position in its pack, of every reading."""
        length = np.array(self.run_length, np.int32)
        start = np.cumsum(length) - length
        first = np.array(self.run_item, np.int32)
        item = np.arange(len(self.values), dtype=np.int32) + np.repeat(first - start, length)
        return np.repeat(np.array(self.run_source, np.int32), length), item.astype(np.int32)


def add_known(source: int, value: Any, speaker: Speaker, objects: Objects) -> bool:
    """Add a payload whose devices are all known to be spoken for on its topic; False leaves it to ``add_apart``."""
    if type(value) is dict:
        if speaker.own < 0 or "device" in value:
            return False
        objects.values.append(value)
        objects.devices.append(speaker.own)
        objects.add_run(source, ALONE, 1)
        return True
    if type(value) is not list or speaker.named is None or set(map(type, value)) != {dict}:
        return False
    try:
        devices = [*map(speaker.named.get, [item.get("device") for item in value])]
    except TypeError:  # a device that is not even a text
        return False
    if None in devices:
        return False
    objects.values += value
    objects.devices += devices  # type: ignore[arg-type] # none of them is None
    objects.add_run(source, 0, len(value))
    return True


def add_apart(
    source: int,
    payload: Any,
    delivery: Delivery,
    speaker: Speaker,
    registry: Registry,
    objects: Objects,
    decoded: Decoded,
) -> None:
    """Add readings one by one to those of their stream, or to the rejections; remember who may speak for whom."""
    address = speaker.address
    assert isinstance(address, Address)
    before = len(objects.values), len(objects.run_source)
    bad = 0
    for item, value in items_of(payload):
        device = _device_of(value, address, registry)
        if type(device) is Device:
            objects.values.append(value)
            objects.devices.append(device.key)
            objects.add_run(source, item, 1)
            speaker.remember(alone=item == ALONE, named=value.get("device"), key=device.key)
            continue
        assert isinstance(device, Flaw)
        bad += 1
        if bad > MOST_REFUSED:
            objects.cut(*before)
            decoded.unknown_devices |= _unregistered(payload[item:], registry)
            decoded.rejections = refuse_whole(delivery, address, device, decoded.rejections)
            return
        named = _named(value, address)
        if device.reason == "unknown_device":
            decoded.unknown_devices.add(named)
        text = item_text(delivery.payload, item, value)
        decoded.rejections.append(refuse(delivery, address, device, text, item, named))


def validate(
    objects: Objects,
    deliveries: Sequence[Delivery],
    speakers: Speakers,
    limits: tuple[int, int],
    decoded: Decoded,
) -> Batch | None:
    """The good ones; the others are added to the rejections. ``limits``: how long before its receipt, and after it, a
    reading may have been observed (µs)."""
    checked = Columns(objects.stream, objects.values)
    decoded.count_unknown_fields(objects.stream.name, checked.unknown_fields)
    source, item = objects.places()
    arrivals = np.array([deliveries[source].received for source in objects.run_source], np.int64)
    received = np.repeat(arrivals, objects.run_length)
    on_time = (checked.time >= received - limits[0]) & (checked.time <= received + limits[1])
    good = checked.valid & on_time
    bad = np.flatnonzero(~good)
    whole: set[int] = set()
    if len(bad) > MOST_REFUSED:
        whole = set(np.flatnonzero(np.bincount(source[bad]) > MOST_REFUSED).tolist())
    told: set[int] = set()
    for row, number, place in zip(bad.tolist(), source[bad].tolist(), item[bad].tolist(), strict=True):
        if number in told:
            continue
        delivery, value = deliveries[number], objects.values[row]
        address = speakers.of(delivery.topic).address
        assert isinstance(address, Address)
        flaw = None if checked.valid[row] else explain(objects.stream, value)
        flaw = flaw or clock_flaw(int(checked.time[row]), delivery.received)
        if number in whole:
            told.add(number)
            decoded.rejections = refuse_whole(delivery, address, flaw, decoded.rejections)
            continue
        text = item_text(delivery.payload, place, value)
        decoded.rejections.append(refuse(delivery, address, flaw, text, place, _named(value, address)))
    if told:
        good &= ~np.isin(source, list(whole))
    batch = Batch(
        stream=objects.stream,
        device=np.array(objects.devices, np.int32),
        time=checked.time,
        seq=checked.seq,
        received=received,
        columns=checked.columns,
        source=source,
        item=item,
        texts=checked.texts,
    )
    if good.all():
        return batch
    return batch.take(good) if good.any() else None


def _device_of(value: Any, address: Address, registry: Registry) -> Device | Flaw:
    """The registered device a reading is of; a gateway names it in the object."""
    if type(value) is not dict:
        return Flaw("schema", f"a reading is {shown(value)}, must be a JSON object")
    return spoken_for(value.get("device"), address, registry)


def _named(value: Any, address: Address) -> str:
    """The device a refused reading claims to be of: what it names itself if that can be an id, else its topic."""
    named = value.get("device") if isinstance(value, dict) else None
    return named if isinstance(named, str) and device_flaw(named) is None else address.device


def _unregistered(values: Sequence[Any], registry: Registry) -> set[str]:
    """Devices named in a pack that the registry does not know yet."""
    named = {value["device"] for value in values if type(value) is dict and type(value.get("device")) is str}
    return {name for name in named if registry.get(name) is None and device_flaw(name) is None}
