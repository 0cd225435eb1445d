"""Chunks are as long as their indexes fit in memory, and follow the registered devices."""

import psycopg
import pytest

from ingest.chunking import ENTRY_BYTES, HOT_CHUNKS, HOURS, chunk_hours
from ingest.database import connect, migrate

GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("readings_a_second", "memory", "hours"),
    [
        (0.0, GIGABYTE, 24),  # an empty city
        (33.0, 4 * GIGABYTE, 24),  # 2,000 devices, one reading a minute
        (1_667.0, 24 * GIGABYTE, 8),  # 100,000
        (16_667.0, 8 * GIGABYTE, 1),  # a million on a small machine: no shorter than an hour
    ],
)
def test_the_more_readings_the_shorter_the_chunk(readings_a_second: float, memory: int, hours: int) -> None:
    assert chunk_hours(readings_a_second, memory) == hours


def test_the_hot_indexes_fit_in_a_quarter_of_memory_and_a_longer_chunk_would_not() -> None:
    for readings_a_second in (100.0, 500.0, 1_000.0, 3_000.0):
        hours = chunk_hours(readings_a_second, 16 * GIGABYTE)

        def index_bytes(hours: int, rate: float = readings_a_second) -> float:
            return HOT_CHUNKS * 3600 * hours * rate * ENTRY_BYTES

        assert index_bytes(hours) <= 4 * GIGABYTE or hours == HOURS[-1]
        if hours != HOURS[0]:
            assert index_bytes(HOURS[HOURS.index(hours) - 1]) > 4 * GIGABYTE


def _hours(connection: psycopg.Connection) -> dict[str, float]:
    query = (
        "SELECT hypertable_name, extract(epoch FROM time_interval) / 3600 FROM timescaledb_information.dimensions"
        " WHERE hypertable_schema = 'public'"
    )
    return {name: float(hours) for name, hours in connection.execute(query)}


def test_a_migration_fits_chunks_to_the_registered_devices(database_url: str) -> None:
    migrate(database_url)
    with connect(database_url) as connection:
        assert _hours(connection)["bus"] == 24
        connection.execute(
            "INSERT INTO devices (id, kind, area, attributes)"
            " SELECT 'fast-' || n, 'bus', '310101002', '{\"reportingInterval\": 0.001}'"
            " FROM generate_series(1, 1000) AS n"
        )
    assert any(line.startswith("chunks of 1 h") for line in migrate(database_url))
    with connect(database_url) as connection:
        hours = _hours(connection)
        assert hours["bus"] == 1
        assert hours["parking_bay"] == 1, "the streams share the memory"
    assert migrate(database_url) == []
