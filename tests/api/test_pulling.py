"""The devices behind a score of the past are those that stood there then."""

from collections.abc import Iterator

import psycopg
import pytest
from processing_material import AREAS, FIRST, NOW, SECOND, SECOND_STREET, device, store

from api.pulling import devices_at


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_devices_are_found_where_they_stood_at_the_instant(connection: psycopg.Connection) -> None:
    store(
        connection,
        [
            device(1, "parking_bay", FIRST),
            device(2, "parking_bay", SECOND_STREET, measures=["status"]),
            device(3, "parking_bay", FIRST, retired=True),
            device(4, "bus", FIRST),
        ],
    )
    for key, until, area in ((2, NOW, FIRST), (2, NOW - 60 * SECOND, SECOND_STREET), (3, NOW, FIRST)):
        connection.execute(
            "INSERT INTO device_past VALUES (%s, to_timestamp(%s), %s, '{}')", [key, until / 1e6, AREAS[area]]
        )

    def there(at: int, area: int) -> list[int]:
        return sorted(devices_at(connection, "parking_bay", [AREAS[area]], at))

    assert there(NOW, FIRST) == [1]
    assert there(NOW - SECOND, FIRST) == [1, 2, 3]
    assert there(NOW - 61 * SECOND, FIRST) == [1, 3]
    assert there(NOW - 61 * SECOND, SECOND_STREET) == [2]
    assert devices_at(connection, "parking_bay", [AREAS[FIRST]], NOW - SECOND)[2].attributes == {}
