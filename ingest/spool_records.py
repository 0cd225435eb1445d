"""One spooled delivery as bytes, and back; pure.

record = magic, length of the body, CRC-32 of the body, body
body   = token of the take in doubt, received (µs), sizes, packet id, flags, topic, payload, response topic, correlation

A record that does not check out is skipped to the next magic that starts a sound one, so that damage costs the records
it touched and no other.
"""

import struct
from dataclasses import dataclass
from zlib import crc32

from ingest.batch import Delivery

MAGIC = b"\xc1tyW"
_HEADER = struct.Struct("<4sII")
_BODY = struct.Struct("<QqHIHHHB")
_ABSENT = 0xFFFF
_RETAINED, _REDELIVERED = 1, 2
LARGEST_BODY = 64 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A delivery, and the token of the take that may have committed it before it was spooled (0 = none)."""

    in_doubt: int
    delivery: Delivery


@dataclass(frozen=True)
class Damage:
    """Bytes that are no record."""

    start: int
    end: int


def encode(in_doubt: int, delivery: Delivery) -> bytes:
    """A delivery as one record; ``in_doubt`` as in Record."""
    topic = delivery.topic.encode()
    response = delivery.response_topic.encode() if delivery.response_topic is not None else b""
    correlation = delivery.correlation or b""
    body = (
        _BODY.pack(
            in_doubt,
            delivery.received,
            len(topic),
            len(delivery.payload),
            len(response) if delivery.response_topic is not None else _ABSENT,
            len(correlation) if delivery.correlation is not None else _ABSENT,
            delivery.mid,
            _RETAINED * delivery.retain | _REDELIVERED * delivery.redelivered,
        )
        + topic
        + delivery.payload
        + response
        + correlation
    )
    return _HEADER.pack(MAGIC, len(body), crc32(body)) + body


def decode(data: bytes, start: int, most: int) -> tuple[list[Record], list[Damage], int]:
    """Up to ``most`` records from position ``start``; returns them, the damage met, and the position behind.

    Incomplete bytes at the end are damage too: whoever reads decides whether a writer may still be at them.
    """
    records: list[Record] = []
    damage: list[Damage] = []
    position = start
    while position < len(data) and len(records) < most:
        end = _sound_record_end(data, position)
        if end is None:
            resumed = _next_record(data, position + 1)
            damage.append(Damage(position, resumed))
            position = resumed
            continue
        records.append(_record(data, position + _HEADER.size))
        position = end
    return records, damage, position


def _sound_record_end(data: bytes, position: int) -> int | None:
    if position + _HEADER.size > len(data):
        return None
    magic, length, checksum = _HEADER.unpack_from(data, position)
    end = position + _HEADER.size + length
    if magic != MAGIC or not _BODY.size <= length <= LARGEST_BODY or end > len(data):
        return None
    body = memoryview(data)[position + _HEADER.size : end]
    return end if crc32(body) == checksum and _adds_up(body) else None


def _adds_up(body: memoryview) -> bool:
    topic, payload, *optional = _BODY.unpack_from(body, 0)[2:6]
    sizes = [0 if size == _ABSENT else size for size in optional]
    return bool(_BODY.size + topic + payload + sum(sizes) == len(body))


def _next_record(data: bytes, position: int) -> int:
    while True:
        position = data.find(MAGIC, position)
        if position < 0:
            return len(data)
        if _sound_record_end(data, position) is not None:
            return position
        position += 1


def _record(data: bytes, position: int) -> Record:
    in_doubt, received, *sizes, mid, flags = _BODY.unpack_from(data, position)
    position += _BODY.size
    parts = []
    for size in sizes:
        length = 0 if size == _ABSENT else size
        parts.append(data[position : position + length])
        position += length
    topic, payload, response, correlation = parts
    return Record(
        in_doubt,
        Delivery(
            topic=topic.decode("utf-8", "replace"),
            payload=payload,
            received=received,
            mid=mid,
            retain=bool(flags & _RETAINED),
            redelivered=bool(flags & _REDELIVERED),
            response_topic=None if sizes[2] == _ABSENT else response.decode("utf-8", "replace"),
            correlation=None if sizes[3] == _ABSENT else correlation,
        ),
    )
