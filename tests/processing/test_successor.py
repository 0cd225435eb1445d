"""Where much is stored, ticks begin with the last minutes; the whole windows that follow miss and double nothing."""

import time
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from live_api import PATIENCE
from processing_material import (
    CITY,
    FIRST,
    HOUR,
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
    store,
)
from processing_service import Clock, Published, service

from ingest.batch import Batch
from ingest.intake import Committed
from processing.engine import Engine, Snapshot
from processing.indicators import INDICATORS
from processing.live_state import FIRST_SPAN, first_state
from processing.policy import SHIPPED
from processing.restore import stored_bytes
from processing.scoring import REASONS
from processing.service import ProcessingService
from processing.settling import Settler
from processing.trackers import stream_windows

DEVICES = [
    *(device(key, "parking_bay", (FIRST, SECOND_STREET, THIRD)[key % 3]) for key in range(1, 7)),
    *(device(key, "garbage_hut", (FIRST, SECOND_STREET, THIRD)[key % 3]) for key in range(7, 13)),
    *(device(key, "energy_meter", (FIRST, SECOND_STREET, THIRD)[key % 3]) for key in range(13, 19)),
]
LONG = {one.id for one in INDICATORS if max(stream_windows([one]).values()) > FIRST_SPAN}


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is stored counts as much."""
    monkeypatch.setattr("processing.live_state.READ_AT_ONCE", -1)


def readings(first: int, last: int, seed: int) -> list[Batch]:
    """One reading of every device a minute, from ``first`` to ``last`` minutes from NOW; in the last hour only some."""
    rng = np.random.default_rng(seed)
    bays, huts, meters = [], [], []
    for minute in [*range(first, min(last, -60), 20), *range(max(first, -60), last)]:
        for key in range(1, 19):
            at = 60 * minute + rng.uniform(0, 60)
            if key < 7:
                bays.append((key, observed(at, status=["free", "occupied"][rng.integers(2)])))
            elif key < 13:
                huts.append((key, observed(at, fillingLevelFood=rng.random(), nh3=3 * rng.random())))
            else:
                meters.append((key, observed(at, totalActivePower=50 * rng.random(), powerFactor=0.9)))
    return [batch("parking_bay", bays), batch("garbage_hut", huts), batch("energy_meter", meters)]


STORED = readings(-23 * 60, 0, 1)
LATER = readings(0, 2, 2)


def whole(*batches: Batch) -> Engine:
    made = engine(DEVICES)
    for one in batches:
        made.fold(one)
    return made


def differing(one: Snapshot, other: Snapshot) -> set[str]:
    a, b = digest(one), digest(other)
    return {name for name in a if a[name] != b[name]}


def until_whole(made: ProcessingService, clock: Clock, at: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while made.engine.restoring and time.monotonic() < deadline:
        time.sleep(0.02)
        made.tick(at)
    assert not made.engine.restoring


@pytest.mark.usefixtures("much")
def test_what_looks_back_further_than_the_last_minutes_is_withheld_and_nothing_else(
    connection: psycopg.Connection, database_url: str
) -> None:
    store(connection, DEVICES, *STORED)
    made = service(database_url, Clock(), Published())
    made.restore()
    mine, other = made.engine.evaluate(NOW), whole(*STORED).evaluate(NOW)
    assert set(made.engine.restoring) == LONG
    assert {name.split(".f")[0].rsplit(".", 1)[0] for name in differing(mine, other)} <= (
        LONG | {indicator.domain for indicator in INDICATORS} | {"composite"}
    )
    withheld = mine.indicators["energy.load"], mine.indicators["waste.nh3_exceedance"]
    assert not any(np.isfinite(one.value).any() or np.isfinite(one.score).any() for one in withheld[1:])
    assert REASONS[withheld[1].reason[CITY]] == "restoring"
    assert withheld[1].coverage[CITY] == 1.0
    assert (
        mine.indicators["parking.kerb_occupancy"].value[CITY] == other.indicators["parking.kerb_occupancy"].value[CITY]
    )
    until_whole(made, Clock(), NOW)


@pytest.mark.usefixtures("much")
def test_what_was_silent_before_the_last_minutes_is_stale_and_not_restoring(
    connection: psycopg.Connection, database_url: str
) -> None:
    store(connection, DEVICES, *readings(-23 * 60, -60, 1))
    made = service(database_url, Clock(), Published())
    made.restore()
    assert REASONS[made.engine.evaluate(NOW).indicators["waste.nh3_exceedance"].reason[CITY]] == "stale"


@pytest.mark.usefixtures("much")
def test_the_whole_state_equals_one_that_never_stopped_also_with_what_came_meanwhile(
    connection: psycopg.Connection, database_url: str
) -> None:
    store(connection, DEVICES, *STORED)
    clock = Clock()
    made = service(database_url, clock, Published())
    made.restore()
    for one in LATER:  # committed after the moment that is read
        made._absorb(Committed([one], [], transaction=2**62), NOW + SECOND)
    clock.offset += 130
    at = NOW + 2 * MINUTE + 10 * SECOND
    until_whole(made, clock, at)
    reference = whole(*STORED, *LATER)
    assert differing(made.engine.evaluate(at), reference.evaluate(at)) == set()


@pytest.mark.usefixtures("much")
def test_minutes_are_settled_once_the_windows_are_whole(connection: psycopg.Connection, database_url: str) -> None:
    store(connection, DEVICES, *STORED, *LATER)
    clock = Clock()
    made = service(database_url, clock, Published())
    made.restore()
    first = made.present.live.settler.settled
    assert made.present.live.partial
    assert made.present.live.minute_due(NOW + HOUR) is None
    until_whole(made, clock, NOW)
    assert made.present.live.settler.settled == first
    minute = made.present.live.minute_due(NOW + 2 * MINUTE)
    assert minute == NOW
    expected = Settler(engine(DEVICES), NOW - MINUTE)
    for one in (*STORED, *LATER):
        expected.restore(one)
    assert differing(made.present.live.settle(minute, SHIPPED), expected.settle(minute)) == set()


@pytest.mark.usefixtures("much")
def test_a_mark_set_meanwhile_starts_the_restore_again(connection: psycopg.Connection, database_url: str) -> None:
    store(connection, DEVICES, *STORED)
    clock = Clock()
    made = service(database_url, clock, Published())
    made.restore()
    given_up = made.present.successor
    connection.execute(
        'INSERT INTO marks (device, stream, "from", "to", reason, marked_by) VALUES'
        " (7, 'garbage_hut', to_timestamp(0), to_timestamp(%s), 'broken', 'officer')",
        [NOW / 1e6],
    )
    made._absorb(Committed(marked=[(NOW - HOUR, NOW)]), NOW)
    made._begin()
    assert made.present.successor is not given_up
    until_whole(made, clock, NOW)
    bays, huts, meters = STORED
    reference = whole(bays, huts.take(huts.device != 7), meters)
    assert differing(made.engine.evaluate(NOW), reference.evaluate(NOW)) == set()


def test_what_takes_no_long_is_read_before_the_first_tick(connection: psycopg.Connection, database_url: str) -> None:
    store(connection, DEVICES, *STORED)
    made = service(database_url, Clock(), Published())
    made.restore()
    assert made.engine.restoring == frozenset()
    assert made.present.successor is None


def test_how_much_there_is_to_read_follows_windows_and_chunks(connection: psycopg.Connection) -> None:
    assert stored_bytes(connection, {"parking_bay": 3600}, NOW) == 0
    store(connection, DEVICES, *STORED)
    day, hour, nothing = (stored_bytes(connection, {"parking_bay": s}, NOW) for s in (86_400, 3600, 0))
    assert day > hour > nothing == 0
    assert stored_bytes(connection, {"bus": 86_400}, NOW) == 0
    assert first_state(connection, lambda policy, ids: engine(), SHIPPED, NOW) is None
