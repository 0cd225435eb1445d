"""The SQL of rejects: keep them, fetch those to be put through again as deliveries, settle how that went."""

from collections.abc import Iterable, Sequence
from typing import Literal

import psycopg

from devices.units import EPOCH, MICROSECOND, format_instant
from ingest.batch import Delivery, Rejection
from ingest.redelivery import Packet, Refused, packet_of

MOST_BEYOND_REPAIR = 65_536
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_BEYOND_REPAIR = ("syntax", "too_large")
"""no change of the registry or the contract will ever let these pass: only their beginning is kept"""


def insert_rejections(connection: psycopg.Connection, rejections: Iterable[Rejection]) -> None:
    """Keep rejections with reason and payload."""
    lines = list(map(_line, rejections))
    if not lines:
        return
    statement = (
        "COPY rejects (received_at, topic, stream, device, reason, detail, payload, truncated,"
        " packet_id, packet_digest, packet_item, redelivered) FROM STDIN"
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write("".join(lines).encode())


def _line(rejection: Rejection) -> str:
    """A row in COPY's text format, written by hand: flooded with poison, this is where time goes."""
    delivery, payload = rejection.delivery, rejection.payload
    packet = packet_of(delivery)
    if rejection.reason in _BEYOND_REPAIR:
        payload = payload[:MOST_BEYOND_REPAIR]
    values = (
        format_instant(delivery.received),
        _escaped(delivery.topic),
        rejection.stream,
        "\\N" if rejection.device is None else _escaped(rejection.device),
        rejection.reason,
        _escaped(rejection.detail),
        f"\\\\x{payload.hex()}",
        "t" if len(payload) < len(rejection.payload) else "f",
        f"{packet.id}\t{packet.digest}" if packet else "\\N\t\\N",
        "\\N" if rejection.item is None else str(rejection.item),
        "t" if delivery.redelivered else "f",
    )
    return "\t".join(values) + "\n"


def refused_before(connection: psycopg.Connection, packets: Sequence[Packet]) -> Refused:
    """What is kept of these packets."""
    refused = Refused()
    if not packets:
        return refused
    rows = connection.execute(
        "SELECT packet_id, packet_digest, packet_item, redelivered FROM rejects"
        " WHERE (packet_digest, packet_id) IN (SELECT * FROM unnest(%s::bigint[], %s::integer[]))",
        [[packet.digest for packet in packets], [packet.id for packet in packets]],
    )
    for packet_id, digest, item, redelivered in rows:
        refused.add(Packet(packet_id, digest), item, redelivered=bool(redelivered))
    return refused


def fetch_rejects(connection: psycopg.Connection, ids: Sequence[int]) -> list[Delivery]:
    """Unresolved rejects, whole payloads only, as deliveries of their first topic and time of receipt."""
    rows = connection.execute(
        "SELECT id, topic, payload, received_at FROM rejects"
        " WHERE id = ANY(%s) AND resolved_at IS NULL AND NOT truncated ORDER BY id",
        [list(ids)],
    )
    return [
        Delivery(topic, bytes(payload), (received_at - EPOCH) // MICROSECOND, reject_id=reject_id)
        for reject_id, topic, payload, received_at in rows
    ]


def resolve(connection: psycopg.Connection, reject_id: int, resolution: Literal["stored", "duplicate"]) -> str | None:
    """Note that a reject went through; returns its stream, None when it is not there or was resolved before."""
    row = connection.execute(
        "UPDATE rejects SET resolved_at = now(), resolution = %s WHERE id = %s AND resolved_at IS NULL"
        " RETURNING stream",
        [resolution, reject_id],
    ).fetchone()
    return str(row[0]) if row else None


def keep_refused(connection: psycopg.Connection, reject_id: int, rejection: Rejection) -> None:
    """Note why a reject was refused again."""
    connection.execute(
        "UPDATE rejects SET reason = %s, detail = %s WHERE id = %s",
        [rejection.reason, _storable(rejection.detail), reject_id],
    )


def _escaped(text: str) -> str:
    return _storable(text).translate(_ESCAPES)


def _storable(text: str) -> str:
    """PostgreSQL's texts hold no NUL."""
    return text.replace("\x00", "�")
