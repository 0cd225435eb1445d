"""What tests of the running ingest service share: births and readings of bays, and the account of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from ingest_material import ledger
from mqtt_client import MqttClient, eventually
from running_ingest import STREET

from devices.topics import Topics

START = datetime.now(UTC) - timedelta(hours=1)


def state(number: int = 0, status: Any = "free", **more: Any) -> dict[str, Any]:
    """A reading of a parking bay; each number has its own instant."""
    return {"dateObserved": (START + timedelta(milliseconds=number)).isoformat(), "status": status, **more}


def born(device: MqttClient, topics: Topics, *names: str, kind: str = "parking_bay", **more: Any) -> None:
    for name in names:
        device.publish(topics.meta(kind, name), {"area": STREET, "name": name, **more}, retain=True)


def total(connection: psycopg.Connection) -> tuple[int, int, int]:
    """(stored, duplicate, rejected) over all streams."""
    rows = list(ledger(connection).values())
    stored, duplicate, rejected = (sum(row[n] for row in rows) for n in range(3))
    return stored, duplicate, rejected


def await_total(connection: psycopg.Connection, expected: tuple[int, int, int]) -> None:
    eventually(lambda: sum(total(connection)) >= sum(expected), f"{sum(expected)} readings accounted for")
    assert total(connection) == expected
