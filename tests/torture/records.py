"""Read the system's tables and the outside ledger into the values that the audit compares."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import psycopg
from psycopg import sql

from devices.units import EPOCH, MICROSECOND, parse_instant
from tests.torture.audit import Claim, Reject, Row
from tests.torture.book import Book
from tests.torture.small_city import TELLING
from tests.torture.tap import Tap

_POISON = re.compile(rb"poison-[A-Za-z0-9_.]+-\d+-")


def stored_rows(connection: psycopg.Connection) -> list[Row]:
    """Every stored reading of every stream."""
    rows: list[Row] = []
    for stream, column in TELLING.items():
        query = sql.SQL(
            "SELECT d.id, (extract(epoch FROM r.date_observed) * 1000000)::bigint, r.seq, r.{},"
            " extract(epoch FROM r.received_at)::float8 FROM {} r LEFT JOIN devices d ON d.key = r.device"
        ).format(sql.Identifier(column), sql.Identifier(stream))
        rows += [
            Row(f"{stream}|{device}|{micros}|{seq}", str(value), received)
            for device, micros, seq, value, received in connection.execute(query)
        ]
    return rows


def kept_rejects(connection: psycopg.Connection) -> list[Reject]:
    """Every reject under the id found in its payload."""
    rows = connection.execute("SELECT stream, device, payload, reason, received_at FROM rejects ORDER BY id")
    return [
        Reject(_id_of(stream, device, bytes(payload)), reason, (received - EPOCH) / MICROSECOND / 1e6)
        for stream, device, payload, reason, received in rows
    ]


def _id_of(stream: str, device: str | None, payload: bytes) -> str:
    found = _POISON.search(payload)
    if found:
        return found[0].decode()
    try:
        body: Any = orjson.loads(payload)
        return f"{stream}|{device}|{parse_instant(body['dateObserved'])}|{body.get('seq', -1)}"
    except (ValueError, KeyError, TypeError):
        return f"?{payload[:80]!r}"


def claims(book: Book, tap: Tap | None) -> list[Claim]:
    """Every entry of the outside ledger, with what the publishers and the wire know of it."""
    book.close_accounts()
    made = []
    for *known, of in book.rows(
        "SELECT e.id, e.fate, e.reason, e.stream, e.value, m.number, m.sort, m.attempts, m.acked, m.reason, m.digest"
        " FROM entries e JOIN messages m ON m.number = e.message ORDER BY m.number"
    ):
        claim = Claim(*known)
        if tap is not None:
            seen = tap.look(of)
            claim = replace(
                claim,
                packets=len(seen.packets),
                delivered=seen.delivered,
                pipeline_acked=seen.acknowledged,
                last_seen=seen.last,
            )
        made.append(claim)
    return made


def ledger(connection: psycopg.Connection) -> dict[str, dict[str, int]]:
    """The system's own ledger by stream."""
    rows = connection.execute("SELECT stream, stored, duplicate, rejected FROM ledger")
    return {stream: {"stored": s, "duplicate": d, "rejected": r} for stream, s, d, r in rows}


def ledger_flaws(connection: psycopg.Connection, book: Book, tap: Tap | None) -> list[str]:
    """Where the ledger does not agree with the tables, or with what went over the wire."""
    own = ledger(connection)
    flaws = []
    for stream in TELLING:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(stream))).fetchone()
        held, noted = row[0] if row else 0, own.get(stream, {}).get("stored", 0)
        if held != noted:
            flaws.append(f"ledger: {stream} has {held} rows, the ledger says {noted}")
    kept: Counter[str] = Counter(dict(connection.execute("SELECT stream, count(*) FROM rejects GROUP BY 1").fetchall()))
    for stream in {*kept, *own}:
        if kept[stream] != own.get(stream, {}).get("rejected", 0):
            flaws.append(f"ledger: {kept[stream]} rejects of {stream}, the ledger says {own.get(stream)}")
    if tap is not None:
        received = sum(sum(of.values()) for of in own.values())
        least, most = _on_the_wire(book, tap)
        if not least <= received <= most:
            flaws.append(f"ledger: received {received}, but {least} were acknowledged and {most} delivered")
    return flaws


def _on_the_wire(book: Book, tap: Tap) -> tuple[int, int]:
    """Readings acknowledged by the pipeline, and readings delivered to it, each sending counted."""
    items = dict(book.rows("SELECT digest, count(*) FROM messages m JOIN entries e ON e.message = m.number GROUP BY 1"))
    acknowledged = sum(size * tap.look(of).acknowledged for of, size in items.items())
    delivered = sum(size * tap.look(of).delivered for of, size in items.items())
    return acknowledged, delivered
