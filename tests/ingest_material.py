"""What ingest's tests are made of: a city with a few devices, and deliveries as a broker would hand them over."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
from psycopg.types.json import Jsonb

from devices.kinds import kinds
from devices.topics import Topics
from devices.units import EPOCH, MICROSECOND
from ingest.batch import Delivery
from ingest.decoder import Decoder
from ingest.registry import Device, Registry
from ingest.writer import Take, Written, write

CITY = "310000"
STREET = "310104003"
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TOPICS = Topics(CITY, kinds())


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def at(seconds: float) -> str:
    """RFC 3339 text of an instant some seconds before (negative) or after NOW."""
    return (NOW + timedelta(seconds=seconds)).isoformat()


def delivery(topic: str, body: Any, **more: Any) -> Delivery:
    """A message received at NOW; the body is JSON unless it is bytes."""
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    return Delivery(topic, payload, **{"received": micros(NOW), **more})


def bay(body: Any, device: str = "bay-1", **more: Any) -> Delivery:
    return delivery(TOPICS.telemetry("parking_bay", device), body, **more)


def state(status: Any = "free", seconds: float = 0, **more: Any) -> dict[str, Any]:
    """A reading of a parking bay."""
    return {"dateObserved": at(seconds), "status": status, **more}


def fleet() -> list[Device]:
    """Two devices of every kind, `{kind}-1` and `{kind}-2`; the bays are bay-1 … bay-9, the last one behind gw-1."""
    devices = [(f"{kind}-{n}", kind) for kind in kinds() for n in (1, 2)] + [
        (f"bay-{n}", "parking_bay") for n in range(1, 10)
    ]
    return [
        Device(key, name, kind, STREET, attributes={"gateway": "gw-1"} if name == "bay-9" else {})
        for key, (name, kind) in enumerate(devices, start=1)
    ]


def registry() -> Registry:
    return Registry(fleet())


def store_fleet(connection: psycopg.Connection) -> None:
    """The registry's table with the same devices under the same keys."""
    for device in fleet():
        connection.execute(
            "INSERT INTO devices (key, id, kind, area, attributes) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s)",
            [device.key, device.id, device.kind, device.area, Jsonb(device.attributes)],
        )
    connection.execute("SELECT setval(pg_get_serial_sequence('devices', 'key'), max(key)) FROM devices")


def put(connection: psycopg.Connection, deliveries: Sequence[Delivery]) -> Written:
    """Decode and write one take."""
    return write(connection, Take(deliveries, Decoder(TOPICS).decode(deliveries, registry())))


def ledger(connection: psycopg.Connection) -> dict[str, tuple[int, int, int]]:
    """(stored, duplicate, rejected) by stream."""
    rows = connection.execute("SELECT stream, stored, duplicate, rejected FROM ledger ORDER BY stream").fetchall()
    return {stream: (stored, duplicate, rejected) for stream, stored, duplicate, rejected in rows}


def count_rows(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    assert row is not None
    return int(row[0])


def rejects(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """(id, reason, detail, resolution) of all, in the order they came."""
    return connection.execute("SELECT id, reason, detail, resolution FROM rejects ORDER BY id").fetchall()
