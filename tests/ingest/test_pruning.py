"""Old chunks and rejects go, everything younger and everything else stays; against the real database."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import inf

import psycopg
import pytest
from ingest_material import STREET, count_rows
from mqtt_client import eventually
from vitals_material import say

from devices.kinds import kinds
from ingest.database import connect
from ingest.pruning import Pruner
from ingest.retention import Retention

NOW = datetime.now(UTC)
AGES = (0, 1, 3, 10, 40, 80)
"""days; one chunk holds one day"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        connection.execute("INSERT INTO devices (id, kind, area) VALUES ('d-1', 'bus', %s)", [STREET])
        for days in AGES:
            at = NOW - timedelta(days=days)
            for stream in ("bus", "bus_arrival", "parking_bay"):
                connection.execute(
                    f"INSERT INTO {stream} (device, date_observed, received_at) VALUES (1, %s, %s)",  # type: ignore[arg-type] # own names
                    [at, at],
                )
            say(connection, STREET, "composite", at, 50)
            connection.execute(
                "INSERT INTO rejects (received_at, topic, stream, reason, detail, payload)"
                " VALUES (%s, 't', 'bus', 'syntax', 'd', '')",
                [at],
            )
        yield connection


def pruner(url: str, retention: Retention, windows: dict[str, int] | None = None) -> Pruner:
    ready = threading.Event()
    ready.set()
    return Pruner(url, retention, kinds(), windows or {}, ready)


def ages(connection: psycopg.Connection, table: str, column: str = "date_observed") -> list[int]:
    rows = connection.execute(f"SELECT {column} FROM {table} ORDER BY 1 DESC")  # type: ignore[arg-type] # own names
    return [round((NOW - at) / timedelta(days=1)) for (at,) in rows]


def test_each_stream_is_kept_as_long_as_it_says(database_url: str, connection: psycopg.Connection) -> None:
    dropped = pruner(database_url, Retention(days=30, streams={"bus": 5, "parking_bay": inf})).prune()
    assert dropped == {"bus": 3, "bus_arrival": 2}
    assert ages(connection, "bus") == [0, 1, 3]
    assert ages(connection, "bus_arrival") == [0, 1, 3, 10]
    assert ages(connection, "parking_bay") == list(AGES)
    assert ages(connection, "vitals", "at") == list(AGES)
    assert count_rows(connection, "rejects") == len(AGES)


def test_vital_signs_and_rejects_have_their_own(database_url: str, connection: psycopg.Connection) -> None:
    assert pruner(database_url, Retention(rejects=7, vitals=30)).prune() == {"vital_minutes": 2, "rejects": 3}
    assert ages(connection, "vitals", "at") == [0, 1, 3, 10]
    assert ages(connection, "rejects", "received_at") == [0, 1, 3]
    assert ages(connection, "bus") == list(AGES)


def test_what_a_window_or_a_slow_device_still_needs_stays(database_url: str, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE devices SET attributes = '{\"reportingInterval\": 345600}'")  # 4 days: counts for 12
    pruner(database_url, Retention(days=2), {"parking_bay": 50 * 86_400}).prune()
    assert ages(connection, "bus") == [0, 1, 3, 10]
    assert ages(connection, "parking_bay") == [0, 1, 3, 10, 40]


def test_the_youngest_two_days_stay_in_any_case(database_url: str, connection: psycopg.Connection) -> None:
    pruner(database_url, Retention(days=2, rejects=2, vitals=2)).prune()
    for table, column in (("bus", "date_observed"), ("vitals", "at"), ("rejects", "received_at")):
        assert ages(connection, table, column)[:2] == [0, 1]


def test_it_waits_until_the_horizon_is_restored_and_then_works_by_itself(
    database_url: str, connection: psycopg.Connection
) -> None:
    ready = threading.Event()
    thread = Pruner(database_url, Retention(days=30), kinds(), {}, ready)
    thread.start()
    try:
        assert ages(connection, "bus") == list(AGES)
        ready.set()
        eventually(lambda: thread.dropped.get("parking_bay") == 2, "dropped")
    finally:
        thread.stop()
    assert ages(connection, "bus") == [0, 1, 3, 10]
    assert thread.failures == 0


def test_a_table_in_use_is_left_to_the_next_time_without_harm(
    database_url: str, connection: psycopg.Connection
) -> None:
    with connect(database_url) as reader:
        reader.execute("LOCK TABLE bus IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pruner(database_url, Retention(days=30)).prune()
    assert pruner(database_url, Retention(days=30)).prune() == {"bus": 2, "bus_arrival": 2, "parking_bay": 2}
    assert ages(connection, "bus") == [0, 1, 3, 10]
