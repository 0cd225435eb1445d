"""Which sequence numbers a decoded take settles, for the devices that want to be told. Pure.

Whatever is decoded ends as stored, as a duplicate or in the rejects, all in one transaction; so a take settles the
numbers of all its valid readings, and of its rejected ones as far as they can be read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from devices.contract import Flaw
from devices.topics import Address
from devices.units import parse_instant
from ingest.batch import Batch, Decoded, Rejection
from ingest.payload import MAX_PAYLOAD
from ingest.registry import Device, Registry
from ingest.watermark import LARGEST_NUMBER, Asked, Range, merge

_SPACE = b" \t\r\n"
_ALWAYS = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Numbers:
    """Numbers of one device in one stream that a take settles."""

    device: Device
    asked: Asked
    stream: str
    ranges: list[Range]


def settled_numbers(
    decoded: Decoded, registry: Registry, read: Callable[[str], Address | Flaw | None]
) -> list[Numbers]:
    """The numbers that are committed once the take is; ``read`` parses topics."""
    if not registry.askers:
        return []
    found: dict[tuple[int, str], list[Range]] = {}
    for batch in decoded.batches:
        for key, ranges in _of_batch(batch, registry.askers).items():
            found.setdefault((key, batch.stream.name), []).extend(ranges)
    for rejection in decoded.rejections:
        address = read(rejection.delivery.topic)
        if isinstance(address, Address) and address.stream is not None:
            for device, number in _of_rejection(rejection, address, registry):
                found.setdefault((device.key, address.stream.name), []).append((number, number))
    return [Numbers(*registry.askers[key], stream, merge(ranges)) for (key, stream), ranges in found.items()]


def _of_batch(batch: Batch, askers: Mapping[int, tuple[Device, Asked]]) -> dict[int, list[Range]]:
    """Runs of numbers by key of the device."""
    keys = np.array(sorted(askers), np.int32)
    since = np.array([_ALWAYS if (s := askers[key][1].since) is None else s for key in keys.tolist()], np.int64)
    place = np.minimum(np.searchsorted(keys, batch.device), len(keys) - 1)
    wanted = np.flatnonzero((keys[place] == batch.device) & (batch.seq >= 0) & (batch.time >= since[place]))
    if not len(wanted):
        return {}
    device, seq = batch.device[wanted], batch.seq[wanted]
    order = np.lexsort((seq, device))
    device, seq = device[order], seq[order]
    starts = np.flatnonzero(np.r_[True, (device[1:] != device[:-1]) | (seq[1:] > seq[:-1] + 1)])
    ends = np.r_[starts[1:], len(seq)] - 1
    runs: dict[int, list[Range]] = {}
    for key, first, last in zip(device[starts].tolist(), seq[starts].tolist(), seq[ends].tolist(), strict=True):
        runs.setdefault(key, []).append((first, last))
    return runs


def _of_rejection(rejection: Rejection, address: Address, registry: Registry) -> Iterator[tuple[Device, int]]:
    """Devices and numbers of a rejected reading, or of all readings of a message that was rejected as a whole."""
    if len(rejection.payload) > MAX_PAYLOAD or _is_of_another(rejection, registry):
        return
    try:
        value = orjson.loads(rejection.payload)
    except orjson.JSONDecodeError:
        return
    for item in value if isinstance(value, list) else [value]:
        device = _speaker(item, address, registry)
        if device is None or device.key not in registry.askers:
            continue
        number = _number(item.get("seq"))
        since = registry.askers[device.key][1].since
        if number is not None and (since is None or _moment(item, rejection) >= since):
            yield device, number


def _is_of_another(rejection: Rejection, registry: Registry) -> bool:
    """Whether a rejection can be seen to be of no asking device without taking its payload apart."""
    payload = rejection.payload
    if rejection.device is None or b'"device"' in payload or payload.lstrip(_SPACE)[:1] == b"[":
        return False
    known = registry.key_and_kind(rejection.device)
    return known is None or known[0] not in registry.askers


def _speaker(item: Any, address: Address, registry: Registry) -> Device | None:
    """The device a rejected reading is of, if whoever sent it may speak for that device."""
    if not isinstance(item, dict):
        return None
    named = item.get("device")
    device = registry.get(address.device if named is None else named) if isinstance(named, str | None) else None
    if device is None or device.kind != address.kind:
        return None
    return device if address.device in (device.id, device.gateway) else None


def _number(seq: object) -> int | None:
    if isinstance(seq, float) and seq.is_integer():
        seq = int(seq)
    return seq if type(seq) is int and 0 <= seq <= LARGEST_NUMBER else None


def _moment(item: Mapping[str, Any], rejection: Rejection) -> int:
    """When a rejected reading was observed; where the clock is what was wrong with it, when it was received."""
    if rejection.reason != "clock":
        try:
            return parse_instant(item.get("dateObserved"))
        except (ValueError, OverflowError):
            pass
    return rejection.delivery.received
