"""Lay rejections out as PostgreSQL binary COPY rows: flooded with poison, this is where time would go; pure.

Formats are those described in ``packing``; rejections are few and uneven, so that rows are made one by one.
"""

import struct
from collections.abc import Iterable

from ingest.batch import Rejection
from ingest.packing import HEADER, POSTGRES_EPOCH, TRAILER
from ingest.redelivery import packet_of

COLUMNS = (
    "received_at", "redelivered", "truncated", "packet_id", "packet_digest", "packet_item",
    "topic", "stream", "device", "reason", "detail", "payload",
)  # fmt: skip
"""of the table ``rejects``, in the order they are packed"""
MOST_BEYOND_REPAIR = 16_384
"""bytes kept of a payload that can never be put through again"""
_BEYOND_REPAIR = ("syntax", "too_large")
"""no change of the registry or the contract will ever let these pass: only their beginning is kept"""

_FIXED = struct.Struct(">hiqi?i?")
_PACKET = struct.Struct(">iiiq")
_ITEM = struct.Struct(">ii")
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
_NO_PACKET = _NULL + _NULL


def pack_rejections(rejections: Iterable[Rejection]) -> bytes:
    """A whole binary COPY stream of COLUMNS."""
    parts = [HEADER]
    packed: dict[str | None, bytes] = {None: _NULL}
    for rejection in rejections:
        _add_row(rejection, parts, packed)
    parts.append(TRAILER)
    return b"".join(parts)


def _add_row(rejection: Rejection, parts: list[bytes], packed: dict[str | None, bytes]) -> None:
    """``packed``: texts as they are laid out; most come again and again."""
    delivery, reason, payload = rejection.delivery, rejection.reason, rejection.payload
    size = len(payload)
    if size > MOST_BEYOND_REPAIR and reason in _BEYOND_REPAIR:
        payload = payload[:MOST_BEYOND_REPAIR]
    packet, item = packet_of(delivery), rejection.item
    fixed = _FIXED.pack(
        len(COLUMNS), 8, delivery.received - POSTGRES_EPOCH, 1, delivery.redelivered, 1, len(payload) < size
    )
    parts += (
        fixed,
        _NO_PACKET if packet is None else _PACKET.pack(4, packet.id, 8, packet.digest),
        _NULL if item is None else _ITEM.pack(4, item),
        packed.get(delivery.topic) or _packed(delivery.topic, packed),
        packed.get(rejection.stream) or _packed(rejection.stream, packed),
        packed.get(rejection.device) or _packed(rejection.device, packed),
        packed.get(reason) or _packed(reason, packed),
        packed.get(rejection.detail) or _packed(rejection.detail, packed),
        _LENGTH.pack(len(payload)),
        payload,
    )


def _packed(text: str | None, packed: dict[str | None, bytes]) -> bytes:
    assert text is not None  # which is packed from the beginning
    data = storable(text).encode("utf-8", "replace")
    result = packed[text] = _LENGTH.pack(len(data)) + data
    return result


def storable(text: str) -> str:
    """PostgreSQL's texts hold no NUL."""
    return text.replace("\x00", "�") if "\x00" in text else text
