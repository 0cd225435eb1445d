"""Refused readings as batches of their own, so that processing can count them where their devices stand."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from devices.contract import Event, Stream
from ingest.batch import NO_SEQ, Batch, Rejection
from ingest.registry import Registry


class Refusal(Event):
    """A reading of a known device was refused."""


def is_refusal(stream: Stream) -> bool:
    """Whether a batch of the stream holds refusals, not readings."""
    return stream.model is Refusal


def refusals(kind: str, devices: Sequence[int], received: Sequence[int]) -> Batch:
    """Refusals of devices (registry keys) of one kind, observed when they were received (µs since 1970)."""
    count, time = len(devices), np.array(received, np.int64)
    return Batch(
        stream=Stream(f"{kind}.refusals", kind, Refusal),
        device=np.array(devices, np.int32),
        time=time,
        seq=np.full(count, NO_SEQ, np.int64),
        received=time,
        columns={},
        source=np.zeros(count, np.int32),
        item=np.full(count, -1, np.int32),
    )


def refused(rejections: Iterable[Rejection], registry: Registry) -> list[Batch]:
    """What of the rejections is of devices that the registry knows, by kind; a reject put through again is no news."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    known = cache(registry.key_and_kind)  # most are of few devices
    for rejection in rejections:
        delivery, device = rejection.delivery, rejection.device
        if device is None or delivery.reject_id is not None or rejection.reason == "unknown_device":
            continue
        if (place := known(device)) is not None:
            key, kind = place
            found[kind].append((key, delivery.received))
    return [refusals(kind, *zip(*rows, strict=True)) for kind, rows in found.items()]
