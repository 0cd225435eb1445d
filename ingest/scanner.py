"""Read payloads of one stream with the compiled scanner; what it does not understand is left to others. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devices.contract import Stream
from devices.topics import Address
from ingest import kernels
from ingest.batch import Batch, Delivery, join
from ingest.layout import StreamLayout, layout_of, texts_at
from ingest.payload import MAX_BRACKETS, MAX_PACK, size_flaw
from ingest.registry import Device, Registry
from ingest.speakers import Speaker, SpokenNames, spoken_for

_SHORTEST = len('{"dateObserved":0,"x":0}')
_PADDING = bytes(8)
"""behind the last payload, since some tokens are looked at some bytes at once"""


@dataclass
class Heard:
    """Payloads of one stream, waiting to be read."""

    stream: Stream
    sources: list[int] = field(default_factory=list)
    """positions of their deliveries"""
    speakers: list[Speaker] = field(default_factory=list)


@dataclass
class Scanned:
    """What the scanner made of them."""

    batch: Batch | None
    left: list[int]
    """positions of the deliveries whose payloads it does not understand"""
    unknown_fields: int = 0


def scan(
    heard: Heard,
    deliveries: Sequence[Delivery],
    registry: Registry,
    spoken: SpokenNames,
    limits: tuple[int, int],
) -> Scanned:
    """``limits``: how long before its receipt, and after it, a reading may have been observed (µs)."""
    layout = layout_of(heard.stream)
    if layout is None:
        return Scanned(None, heard.sources)
    payloads, text = _laid_out(heard, deliveries)
    rows = layout.room(min(kernels.count_braces(payloads.text), len(text) // _SHORTEST + len(heard.sources)))
    known = np.empty((len(heard.sources), 2), np.int64)
    count = kernels.scan(payloads, layout.arrays, spoken.table, kernels.Limits(MAX_PACK, *limits), rows, known)
    found, unknown_fields = known.T
    refused = _find_devices(heard, rows.cells, found, text, registry, spoken)
    left = found == 0
    left[refused] = True
    batch = _batch(layout, rows, text, count)
    if refused:
        batch = batch.take(~np.repeat(left, found))
    return Scanned(
        batch=batch if len(batch) else None,
        left=[heard.sources[place] for place in np.flatnonzero(left).tolist()],
        unknown_fields=int(unknown_fields[~left].sum()),
    )


def prepare(stream: Stream) -> None:
    """Have the scanner compiled, or loaded, by reading a payload that says nothing."""
    heard, nothing, spoken = Heard(stream, [0], [Speaker(0, None, counts=False)]), Delivery("", b"{}", 0), SpokenNames()
    spoken.add([(0, b"nobody", 0)])
    scan(heard, [nothing], Registry(), spoken, (0, 0))
    texts_at(b"", np.empty(0, np.int64), np.empty(0, np.int64))


def _laid_out(heard: Heard, deliveries: Sequence[Delivery]) -> tuple[kernels.Payloads, bytes]:
    """The payloads one after the other; one that is too large is not among them."""
    bodies = [deliveries[source].payload for source in heard.sources]
    lengths = np.array([*map(len, bodies)], np.int64)
    for place in np.flatnonzero(lengths > MAX_BRACKETS).tolist():
        if size_flaw(bodies[place]) is not None:
            bodies[place], lengths[place] = b"", 0
    text = b"\0".join(bodies) + _PADDING
    places = np.empty((len(bodies), kernels.PAYLOAD), np.int64)
    ends = np.cumsum(lengths + 1) - 1
    places[:, 0], places[:, 1] = ends - lengths, ends
    places[:, 2] = heard.sources
    places[:, 3] = [deliveries[source].received for source in heard.sources]
    places[:, 4] = [speaker.number for speaker in heard.speakers]
    places[:, 5] = [speaker.own for speaker in heard.speakers]
    return kernels.Payloads(np.frombuffer(text, np.uint8), places), text


def _find_devices(
    heard: Heard,
    cells: NDArray[np.int64],
    found: NDArray[np.int64],
    text: bytes,
    registry: Registry,
    spoken: SpokenNames,
) -> list[int]:
    """Look up devices that are spoken of for the first time; returns places of payloads with one that must not be.
    ``found``: rows of each payload."""
    ends = np.cumsum(found)
    keys = cells[kernels.KEY, : int(ends[-1])]
    missing = np.flatnonzero(keys < 0)
    if not len(missing):
        return []
    refused: set[int] = set()
    learned: dict[tuple[int, bytes], int] = {}
    places = np.searchsorted(ends, missing, side="right").tolist()
    for row, place in zip(missing.tolist(), places, strict=True):
        if place in refused:
            continue
        speaker, length = heard.speakers[place], int(cells[kernels.NAMED, row])
        start = int(cells[kernels.NAMED_AT, row]) if length >= 0 else 0
        name = text[start : start + max(length, 0)]
        key = speaker.own if length < 0 else learned.get((speaker.number, name), -1)
        if key < 0:
            assert isinstance(speaker.address, Address)
            device = spoken_for(None if length < 0 else name.decode(), speaker.address, registry)
            if not isinstance(device, Device):
                refused.add(place)
                continue
            key = device.key
            if length < 0:
                speaker.own = key
            else:
                learned[speaker.number, name] = key
        keys[row] = key
    spoken.add([(number, name, key) for (number, name), key in learned.items()])
    return sorted(refused)


def _batch(layout: StreamLayout, rows: kernels.Rows, text: bytes, count: int) -> Batch:
    """What it needs of the cells is copied: they take twice its memory, and it may wait to be folded."""
    cells = rows.cells[:, :count]
    columns, texts = layout.columns_of(rows, text, count)
    return Batch(
        stream=layout.stream,
        device=cells[kernels.KEY].astype(np.int32),
        time=cells[kernels.TIME].copy(),
        seq=cells[kernels.SEQ].copy(),
        received=cells[kernels.RECEIVED].copy(),
        columns=columns,
        source=cells[kernels.SOURCE].astype(np.int32),
        item=cells[kernels.ITEM].astype(np.int32),
        texts=texts,
    )


def joined(scanned: Batch, other: Batch) -> Batch:
    """The readings of both in the order of their deliveries."""
    both = join([scanned, other])
    return both.take(np.argsort(both.source, kind="stable"))
