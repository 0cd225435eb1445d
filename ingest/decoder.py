"""Take deliveries apart into a columnar batch per stream and rejections; pure, all of a take at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.contract import Flaw, Stream, explain, shown
from devices.topics import Address, Topics, device_flaw
from devices.units import format_instant
from ingest.batch import Batch, Delivery, Rejection
from ingest.columns import Columns
from ingest.payload import ALONE, item_text, items_of, read_value
from ingest.registry import Device, Registry

OLDEST_MICROS = 90 * 86_400 * 1_000_000
NEWEST_MICROS = 5 * 60 * 1_000_000
UNKNOWN_STREAM = "unknown"
_CACHED_TOPICS = 200_000
_LONGEST_CACHED_TOPIC = 256
_MOST_NAMED = 10_000
MOST_REFUSED = 500
"""readings of one pack that are refused one by one; a pack with more of them is refused as a whole"""


@dataclass
class Decoded:
    """What a take held."""

    batches: list[Batch] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    unknown_devices: set[str] = field(default_factory=set)
    """ids that were not in the registry: the database may know them by now"""
    unknown_fields: dict[str, int] = field(default_factory=dict)
    """by stream, how many fields the contract does not know"""


@dataclass
class _Rows:
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


@dataclass(slots=True)
class _Speaker:
    """A topic, and the devices that were found to be spoken for on it."""

    address: Address | Flaw | None
    counts: bool
    """whether a message here ends in the ledger, well or badly addressed; births, statuses and commands do not"""
    own: int = -1
    """key of the topic's own device, -1 until it was found"""
    named: dict[str | None, int] | None = None
    """keys by what a reading gives as its device; None = nothing"""


class Decoder:
    """Decodes takes of one city."""

    def __init__(self, topics: Topics, *, oldest: int = OLDEST_MICROS) -> None:
        """``oldest``: how long before their receipt (µs) readings may have been observed."""
        self._topics = topics
        self._oldest = oldest
        self._speakers: dict[str, _Speaker] = {}
        self._registered = (0, -1)

    def address(self, topic: str) -> Address | Flaw | None:
        """``Topics.read`` with a bounded memory."""
        return self._speaker(topic).address

    def count(self, deliveries: Iterable[Delivery]) -> int:
        """How many messages will end in the ledger."""
        speakers = self._speakers
        return sum([(speakers.get(d.topic) or self._speaker(d.topic)).counts for d in deliveries if not d.retain])

    def decode(self, deliveries: Sequence[Delivery], registry: Registry) -> Decoded:
        """Decode telemetry, events and badly addressed messages; births and the like are not looked at."""
        self._follow(registry)
        decoded = Decoded()
        waiting: dict[str, _Rows] = {}
        for source, delivery in enumerate(deliveries):
            speaker = self._speakers.get(delivery.topic) or self._speaker(delivery.topic)
            address = speaker.address
            if isinstance(address, Flaw):
                decoded.rejections.append(refuse(delivery, None, address))
            elif address is not None and address.stream is not None:
                rows = waiting.get(address.stream.name)
                if rows is None:
                    rows = waiting[address.stream.name] = _Rows(address.stream)
                value = read_value(delivery.payload)
                if isinstance(value, Flaw):
                    decoded.rejections.append(refuse(delivery, address, value))
                elif not _take_known(source, value, speaker, rows):
                    _take_apart(source, value, delivery, speaker, registry, rows, decoded)
        for rows in waiting.values():
            if rows.values:
                self._validate(rows, deliveries, decoded)
        return decoded

    def _speaker(self, topic: str) -> _Speaker:
        speaker = self._speakers.get(topic)
        if speaker is None:
            address = self._topics.read(topic)
            counts = isinstance(address, Flaw) or (address is not None and address.stream is not None)
            speaker = _Speaker(address, counts)
            if len(self._speakers) >= _CACHED_TOPICS:
                self._speakers.clear()
            if len(topic) <= _LONGEST_CACHED_TOPIC:
                self._speakers[topic] = speaker
        return speaker

    def _follow(self, registry: Registry) -> None:
        """Forget whom topics speak for, if that may have changed."""
        registered = id(registry), registry.changes
        if registered != self._registered:
            self._registered = registered
            for speaker in list(self._speakers.values()):  # another thread may ask for an address meanwhile
                speaker.own, speaker.named = -1, None

    def _validate(self, rows: _Rows, deliveries: Sequence[Delivery], decoded: Decoded) -> None:
        checked = Columns(rows.stream, rows.values)
        if checked.unknown_fields:
            decoded.unknown_fields[rows.stream.name] = checked.unknown_fields
        source, item = rows.places()
        arrivals = np.array([deliveries[source].received for source in rows.run_source], np.int64)
        received = np.repeat(arrivals, rows.run_length)
        on_time = (checked.time >= received - self._oldest) & (checked.time <= received + NEWEST_MICROS)
        good = checked.valid & on_time
        whole = np.flatnonzero(np.bincount(source[~good]) > MOST_REFUSED)
        told: set[int] = set()
        for row in np.flatnonzero(~good).tolist():
            number = int(source[row])
            if number in told:
                continue
            delivery, value = deliveries[number], rows.values[row]
            address = self.address(delivery.topic)
            assert isinstance(address, Address)
            flaw = None if checked.valid[row] else explain(rows.stream, value)
            flaw = flaw or clock_flaw(int(checked.time[row]), delivery.received)
            if number in whole:
                told.add(number)
                _refuse_whole(delivery, address, flaw, decoded)
                continue
            text = item_text(delivery.payload, int(item[row]), value)
            decoded.rejections.append(refuse(delivery, address, flaw, text, int(item[row]), _named(value, address)))
        if told:
            good &= ~np.isin(source, whole)
        batch = Batch(
            stream=rows.stream,
            device=np.array(rows.devices, np.int32),
            time=checked.time,
            seq=checked.seq,
            received=received,
            columns=checked.columns,
            source=source,
            item=item,
            values=rows.values,
        )
        if good.all():
            decoded.batches.append(batch)
        elif good.any():
            decoded.batches.append(batch.take(good))


def _take_known(source: int, value: Any, speaker: _Speaker, rows: _Rows) -> bool:
    """Add a payload whose devices are all known to be spoken for on its topic; False leaves it to ``_take_apart``."""
    if type(value) is dict:
        if speaker.own < 0 or "device" in value:
            return False
        rows.values.append(value)
        rows.devices.append(speaker.own)
        rows.add_run(source, ALONE, 1)
        return True
    if type(value) is not list or speaker.named is None or set(map(type, value)) != {dict}:
        return False
    try:
        devices = [*map(speaker.named.get, [item.get("device") for item in value])]
    except TypeError:  # a device that is not even a text
        return False
    if None in devices:
        return False
    rows.values += value
    rows.devices += devices  # type: ignore[arg-type] # none of them is None
    rows.add_run(source, 0, len(value))
    return True


def _take_apart(
    source: int,
    payload: Any,
    delivery: Delivery,
    speaker: _Speaker,
    registry: Registry,
    rows: _Rows,
    decoded: Decoded,
) -> None:
    """Add readings one by one to the rows of their stream, or to the rejections; remember who may speak for whom."""
    address = speaker.address
    assert isinstance(address, Address)
    before = len(rows.values), len(rows.run_source)
    refused = 0
    for item, value in items_of(payload):
        device = _spoken_for(value, address, registry)
        if type(device) is Device:
            rows.values.append(value)
            rows.devices.append(device.key)
            rows.add_run(source, item, 1)
            _remember(speaker, item, value.get("device"), device)
            continue
        assert isinstance(device, Flaw)
        refused += 1
        if refused > MOST_REFUSED:
            rows.cut(*before)
            decoded.unknown_devices |= _unregistered(payload[item:], registry)
            _refuse_whole(delivery, address, device, decoded)
            return
        named = _named(value, address)
        if device.reason == "unknown_device":
            decoded.unknown_devices.add(named)
        text = item_text(delivery.payload, item, value)
        decoded.rejections.append(refuse(delivery, address, device, text, item, named))


def _refuse_whole(delivery: Delivery, address: Address, flaw: Flaw, decoded: Decoded) -> None:
    """Make one rejection of a pack in which too much is wrong, in place of those of its readings; it can be replayed
    as a whole."""
    decoded.rejections = [rejection for rejection in decoded.rejections if rejection.delivery is not delivery]
    detail = f"more than {MOST_REFUSED} readings of the pack are refused, one of them because {flaw.detail}"
    decoded.rejections.append(refuse(delivery, address, Flaw(flaw.reason, detail)))


def _unregistered(values: Sequence[Any], registry: Registry) -> set[str]:
    """Devices named in a pack that the registry does not know yet."""
    named = {value["device"] for value in values if type(value) is dict and type(value.get("device")) is str}
    return {name for name in named if registry.get(name) is None and device_flaw(name) is None}


def _remember(speaker: _Speaker, item: int, named: str | None, device: Device) -> None:
    if item == ALONE:
        if named is None:
            speaker.own = device.key
        return
    if speaker.named is None or len(speaker.named) >= _MOST_NAMED:
        speaker.named = {}
    speaker.named[named] = device.key


def refuse(
    delivery: Delivery,
    address: Address | None,
    flaw: Flaw,
    payload: bytes | None = None,
    item: int = ALONE,
    device: str | None = None,
) -> Rejection:
    """Make the rejection of a whole delivery, or of one reading of its pack."""
    stream = UNKNOWN_STREAM
    if address is not None:
        stream = address.stream.name if address.stream is not None else address.channel
    return Rejection(
        delivery=delivery,
        stream=stream,
        device=device or (address.device if address else None),
        reason=flaw.reason,
        detail=flaw.detail,
        payload=delivery.payload if payload is None else payload,
        item=item if item != ALONE else None,
    )


def clock_flaw(observed: int, received: int) -> Flaw:
    """Explain a dateObserved (µs) that is too far from the time of receipt (µs)."""
    return Flaw(
        "clock",
        f"dateObserved is {format_instant(observed)}, must be between 90 days before and 5 minutes after "
        f"the time of receipt, {format_instant(received)}",
    )


def _named(value: Any, address: Address) -> str:
    """The device a refused reading claims to be of: what it names itself if that can be an id, else its topic."""
    named = value.get("device") if isinstance(value, dict) else None
    return named if isinstance(named, str) and device_flaw(named) is None else address.device


def _spoken_for(value: Any, address: Address, registry: Registry) -> Device | Flaw:
    """The registered device a reading is of; a gateway names it in the object."""
    if type(value) is not dict:
        return Flaw("schema", f"a reading is {shown(value)}, must be a JSON object")
    named = value.get("device")
    if named is None:
        named = address.device
    elif type(named) is not str:
        return Flaw("schema", f"device is {shown(named)}, must be the id of a device")
    device = registry.get(named)
    if device is None:
        flaw = device_flaw(named)
        if flaw is not None:
            return Flaw("schema", flaw.detail)
        detail = f"device is {shown(named)}, must be registered: publish its meta or POST /v1/devices"
    elif device.kind != address.kind:
        detail = f"device {shown(named)} is registered as {device.kind}, topic says {address.kind}"
    elif named != address.device and device.gateway != address.device:
        detail = f"device {shown(named)} must have attributes.gateway {shown(address.device)} to be spoken for by it"
    else:
        return device
    return Flaw("unknown_device", detail)
