"""The SQL of rejects: keep them, fetch those to be put through again as deliveries, settle how that went."""

from collections.abc import Sequence
from typing import Literal

import psycopg
from psycopg import sql

from devices.units import EPOCH, MICROSECOND
from ingest.batch import Delivery, Rejection
from ingest.redelivery import Packet, Refused
from ingest.reject_packing import COLUMNS, pack_rejections, storable

_BLOCK = 131_072
_COPY = (
    sql.SQL("COPY rejects ({}) FROM STDIN (FORMAT binary)")
    .format(sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))
    .as_bytes(None)
)


def insert_rejections(connection: psycopg.Connection, rejections: Sequence[Rejection]) -> None:
    """Keep rejections with reason and payload."""
    if not rejections:
        return
    rows = pack_rejections(rejections)
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for start in range(0, len(rows), _BLOCK):
            copy.write(rows[start : start + _BLOCK])


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
        [rejection.reason, storable(rejection.detail), reject_id],
    )
