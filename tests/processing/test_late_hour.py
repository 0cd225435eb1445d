"""A late hour of data: the minutes it touches get revisions that equal a recomputation; what was said before stays."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from live_api import wait_until
from processing_material import (
    AREAS,
    FIRST,
    MINUTE,
    NOW,
    SECOND_STREET,
    THIRD,
    batch,
    device,
    engine,
    observed,
    small_city,
    store,
)

from ingest.batch import Batch
from processing.documents import Documents
from processing.engine import Engine
from processing.policy import SHIPPED, Policy
from processing.recompute import longest_window, recompute
from processing.recomputer import Recomputer
from processing.rollup_store import make_rollups, read_rollups
from processing.settling import Settler, touched_minutes
from processing.store import compare_history, read_minutes, write_history

STREETS = (FIRST, SECOND_STREET, THIRD)
DEVICES = [device(key, "parking_bay", STREETS[key % 3]) for key in range(1, 10)]
LATE = (3, 6, 9)  # all of the first street
CITY = small_city()
LAST = 90  # minutes; the late hour is that from the 10th to the 70th


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def readings() -> tuple[Batch, Batch]:
    """An hour and a half of nine bays; the second batch is what three of them sent too late."""
    rng = np.random.default_rng(5)
    on_time, late = [], []
    for minute in range(-5, LAST):
        for key in range(1, 10):
            row = (key, observed(60 * minute + rng.uniform(1, 59), status=["free", "occupied"][rng.integers(2)]))
            (late if key in LATE and 10 <= minute < 70 else on_time).append(row)
    return batch("parking_bay", on_time), batch("parking_bay", late)


def make(policy: Policy) -> Engine:
    return engine((), policy.indicators, policy.domains)


def test_a_late_hour_raises_revisions_that_equal_a_recomputation(
    database_url: str, connection: psycopg.Connection
) -> None:
    on_time, late = readings()
    store(connection, DEVICES, on_time)
    documents = Documents(CITY, make(SHIPPED))
    settler = Settler(engine(DEVICES), NOW - MINUTE)
    settler.restore(on_time)
    for number in range(LAST):
        write_history(connection, documents.history(settler.settle(NOW + number * MINUTE), "final"))
    make_rollups(connection, AREAS, CITY.timezone, NOW, settler.settled, settler.settled)
    said = stored(connection)
    before = micros(connection)
    assert np.isnan(np.frombuffer(said[NOW + 40 * MINUTE])[FIRST]), "a street whose bays are silent has no value"

    store(connection, [], late)
    settler.admit(late)
    first = settler.reopened()
    assert first == int(late.time.min())
    span = touched_minutes(first, settler.settled, longest_window(settler.engine), settler.settled)
    assert span is not None
    recomputer = Recomputer(database_url, make, documents, lambda start, end: [(start, end, SHIPPED)])
    recomputer.start()
    recomputer.request(*span)
    wait_until(lambda: recomputer.revisions > 0, "the span is recomputed")
    recomputer.stop()

    again = [documents.history(s, "final") for s in recompute(connection, lambda: engine(), NOW, settler.settled)]
    assert len(again) == LAST
    assert [compare_history(connection, minute) for minute in again] == [0] * LAST
    revised = connection.execute("SELECT min(at), max(revision) FROM vitals WHERE revision > 0").fetchone()
    assert revised is not None
    assert revised[0].timestamp() * 1e6 == span[0]
    assert revised[1] == 1
    assert stored(connection) != said
    assert stored(connection, as_of=before) == said
    versions = connection.execute("SELECT version FROM vital_hours WHERE index = 'parking' ORDER BY version").fetchall()
    assert [version for (version,) in versions] == [0, 1]
    ((_, hour),) = read_rollups(connection, AREAS, "hour", NOW, NOW + MINUTE)
    assert hour["parking"].figures.scored[FIRST] == 60


def stored(connection: psycopg.Connection, as_of: int | None = None) -> dict[int, bytes]:
    """The occupancy of all areas, by minute."""
    minutes = read_minutes(connection, AREAS, NOW, NOW + LAST * MINUTE, ["parking.kerb_occupancy"], as_of)
    return {at: known["parking.kerb_occupancy"].said.value.tobytes() for at, known in minutes}


def micros(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    assert row is not None
    return int(row[0])
