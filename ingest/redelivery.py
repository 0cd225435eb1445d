"""Tell a packet that the broker sends again from a second message, where no reading's identity does it: for rejects.

A crash or a lost connection between a commit and its ack makes the broker send the packet again, marked as redelivered.
Two deliveries are the same message when packet id, topic and payload are the same and at least one of them is marked.
Pure.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from ingest.batch import Batch, Delivery, Rejection

MOST_DIGESTED = 4_096
"""bytes of a payload that are looked at"""
Item = int | None
"""position in a pack, None = the message as a whole"""


_SIGNED = struct.Struct(">q").unpack


class Packet(NamedTuple):
    """What a delivery is recognised by."""

    id: int
    digest: int
    """64 bits of topic, length and beginning of the payload, signed as PostgreSQL's bigint"""


@dataclass
class Refused:
    """What is known to have been refused: items by packet, and whether they were refused as redelivered ones."""

    items: dict[Packet, dict[Item, bool]] = field(default_factory=dict)

    def add(self, packet: Packet, item: Item, *, redelivered: bool) -> None:
        known = self.items.setdefault(packet, {})
        known[item] = known.get(item, False) or redelivered

    def holds(self, packet: Packet | None, item: Item, *, redelivered: bool) -> bool:
        """Whether this item of a delivery was refused before."""
        if packet is None:
            return False
        before = self.items.get(packet, {}).get(item)
        return before is not None and (before or redelivered)


def packet_of(delivery: Delivery) -> Packet | None:
    """None for QoS 0, which is never sent again."""
    if not delivery.mid:
        return None
    payload = delivery.payload
    size = len(payload)
    said = b"%d %b\0%b" % (size, delivery.topic.encode(), payload if size <= MOST_DIGESTED else payload[:MOST_DIGESTED])
    (digest,) = _SIGNED(blake2b(said, digest_size=8).digest())
    return Packet(delivery.mid, digest)


def in_question(deliveries: Sequence[Delivery], *, from_spool: bool) -> list[Packet]:
    """Packets that may have been taken in before: those marked, and spooled ones, overtaken by their copies."""
    candidates = (packet_of(d) for d in deliveries if from_spool or d.redelivered)
    return [packet for packet in candidates if packet is not None]


def without_refused(rejections: Iterable[Rejection], refused: Refused, duplicate: Counter[str]) -> list[Rejection]:
    """The rejections that are new; the others are counted by stream in ``duplicate``.

    ``refused`` learns the new ones, so that a repeat within one take is found as well.
    """
    rejections = list(rejections)
    if not refused.items and not any(rejection.delivery.redelivered for rejection in rejections):
        return rejections
    new = []
    for rejection in rejections:
        delivery = rejection.delivery
        packet = packet_of(delivery) if delivery.reject_id is None else None
        if refused.holds(packet, rejection.item, redelivered=delivery.redelivered):
            duplicate[rejection.stream] += 1
            continue
        if packet is not None:
            refused.add(packet, rejection.item, redelivered=delivery.redelivered)
        new.append(rejection)
    return new


def rows_not_refused(batch: Batch, deliveries: Sequence[Delivery], known: Refused) -> Batch:
    """A batch without readings that were refused when their packet came first: what has changed since must not make
    them count twice."""
    again = {
        source: known.items[packet]
        for source in np.unique(batch.source).tolist()
        if (packet := packet_of(deliveries[source])) in known.items and packet is not None
    }
    if not again:
        return batch
    keep = np.array([not _was_refused(again, deliveries, s, i) for s, i in zip(batch.source, batch.item, strict=True)])
    return batch if keep.all() else batch.take(keep)


def _was_refused(again: Mapping[int, dict[Item, bool]], deliveries: Sequence[Delivery], source: int, item: int) -> bool:
    before = again.get(int(source), {}).get(None if item < 0 else int(item))
    return before is not None and (before or deliveries[int(source)].redelivered)
