"""Recomputed minutes equal those settled live; late readings and marks change what they touch and nothing else."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from processing_material import (
    FIRST,
    MINUTE,
    NOW,
    SECOND,
    SECOND_STREET,
    THIRD,
    batch,
    device,
    digest,
    engine,
    observed,
    small_city,
    store,
)

from ingest.batch import Batch
from processing.documents import Documents
from processing.engine import Engine, Snapshot
from processing.marks import Marks
from processing.recompute import recompute
from processing.recomputer import merged
from processing.settling import Settler
from processing.store import newest_final_minute, write_history
from processing.visibility import Visibility

DEVICES = [
    *(device(key, "parking_bay", (FIRST, SECOND_STREET, THIRD)[key % 3]) for key in range(1, 10)),
    *(device(key, "garbage_hut", (FIRST, SECOND_STREET, THIRD)[key % 3]) for key in range(10, 16)),
]
LAST = 20  # minutes


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def readings(seed: int = 3) -> list[Batch]:
    """Twenty minutes of bays and huts, from five minutes before NOW."""
    rng = np.random.default_rng(seed)
    bays, huts = [], []
    for second in range(-300, LAST * 60, 20):
        for key in range(1, 10):
            bays.append((key, observed(second + rng.uniform(0, 20), status=["free", "occupied"][rng.integers(2)])))
        for key in range(10, 16):
            huts.append(
                (key, observed(second + rng.uniform(0, 20), fillingLevelFood=rng.random(), nh3=3 * rng.random()))
            )
    return [batch("parking_bay", bays), batch("garbage_hut", huts)]


def new_engine() -> Engine:
    return engine()


def minutes(connection: psycopg.Connection) -> list[Snapshot]:
    return list(recompute(connection, new_engine, NOW, NOW + LAST * MINUTE))


def test_recomputed_minutes_are_bit_equal_to_those_settled_live(connection: psycopg.Connection) -> None:
    batches = readings()
    store(connection, DEVICES, *batches)
    live = Settler(engine(DEVICES), NOW - MINUTE)
    for one in batches:
        live.admit(one)
    settled = [live.settle(NOW + n * MINUTE) for n in range(LAST + 1)]
    assert [digest(s) for s in minutes(connection)] == [digest(s) for s in settled]


def test_the_first_minute_knows_nothing_later(connection: psycopg.Connection) -> None:
    batches = readings()
    store(connection, DEVICES, *batches)
    expected = engine(DEVICES)
    for one in batches:
        expected.fold(one.take(one.time <= NOW))
    (first,) = recompute(connection, new_engine, NOW, NOW)
    assert digest(first) == digest(expected.evaluate(NOW))


def test_a_mark_changes_the_windows_it_touches_and_unmarking_restores_the_very_values(
    connection: psycopg.Connection,
) -> None:
    store(connection, DEVICES, *readings())
    before = minutes(connection)
    connection.execute(
        'INSERT INTO marks (device, stream, "from", "to", reason, marked_by)'
        " VALUES (10, 'garbage_hut', to_timestamp(%s), to_timestamp(%s), 'cleaned', 'officer')",
        [NOW / 1e6 + 300, NOW / 1e6 + 420],
    )
    marked = minutes(connection)
    assert [digest(s) for s in marked[:5]] == [digest(s) for s in before[:5]]
    changed = {name for one, other in zip(before, marked, strict=True) for name in differing(one, other)}
    assert {name.split(".")[0] for name in changed} <= {"waste", "sensing", "composite", "garbage_hut"}
    assert changed
    connection.execute("UPDATE marks SET unmarked_at = now(), unmarked_by = 'officer'")
    assert [digest(s) for s in minutes(connection)] == [digest(s) for s in before]


def differing(one: Snapshot, other: Snapshot) -> set[str]:
    a, b = digest(one), digest(other)
    return {name for name in a if a[name] != b[name]}


def test_marks_leave_live_readings_out_too() -> None:
    marks = Marks()
    marks.add("parking_bay", 1, NOW, NOW + 10 * SECOND)
    rows = batch(
        "parking_bay", [(1, observed(s, status="free")) for s in (-1, 0, 10, 11)] + [(2, observed(5, status="free"))]
    )
    assert [
        (int(k), (int(t) - NOW) // SECOND) for k, t in zip(marks.good(rows).device, marks.good(rows).time, strict=True)
    ] == [
        (1, -1),
        (1, 11),
        (2, 5),
    ]


def history(connection: psycopg.Connection) -> list[tuple[int, str, float | None]]:
    return connection.execute(
        "SELECT revision, state, value FROM vitals WHERE area = '990000' AND index = 'parking.kerb_occupancy'"
        " ORDER BY at, revision"
    ).fetchall()


def write(connection: psycopg.Connection, occupied: int, state: str) -> int:
    made = engine(DEVICES)
    made.fold(
        batch("parking_bay", [(k, observed(-1, status="occupied" if k <= occupied else "free")) for k in range(1, 10)])
    )
    rows = Documents(small_city(), made).history(made.evaluate(NOW), state)  # type: ignore[arg-type]
    return write_history(connection, rows)


def test_a_final_value_confirms_what_was_said_or_becomes_a_revision(connection: psycopg.Connection) -> None:
    store(connection, DEVICES)
    assert write(connection, 3, "provisional") == 0
    assert newest_final_minute(connection) is None
    assert write(connection, 3, "final") == 0
    assert history(connection) == [(0, "final", 3 / 9)]
    assert write(connection, 6, "final") > 0
    assert history(connection) == [(0, "final", 3 / 9), (1, "final", 6 / 9)]
    assert write(connection, 6, "final") == 0
    assert write(connection, 3, "provisional") == 0
    assert len(history(connection)) == 2


def test_a_minute_nobody_spoke_of_gets_its_final_value(connection: psycopg.Connection) -> None:
    store(connection, DEVICES)
    assert write(connection, 9, "final") > 0
    assert history(connection) == [(0, "final", 1.0)]


def test_spans_that_overlap_or_touch_are_done_once() -> None:
    assert merged([(5 * MINUTE, 6 * MINUTE), (0, MINUTE), (2 * MINUTE, 3 * MINUTE), (MINUTE, MINUTE)]) == [
        (0, 3 * MINUTE),
        (5 * MINUTE, 6 * MINUTE),
    ]


def test_a_snapshot_shows_what_was_committed_before_it() -> None:
    seen = Visibility.parse("100:110:103,107")
    assert [t for t in (99, 100, 103, 105, 107, 109, 110, 111) if seen.shows(t)] == [99, 100, 105, 109]
    assert not Visibility().shows(1)
