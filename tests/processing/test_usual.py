"""What is usual on a day is made from the weeks before, fixed, and read back; deviations are taken from it."""

from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest
from processing_material import (
    AREAS,
    CITY,
    EAST,
    FIRST,
    HOUR,
    MINUTE,
    NOW,
    THIRD,
    batch,
    device,
    digest,
    engine,
    observed,
    store,
)

from processing.baseline_store import prepare
from processing.minutes import Minute, Said
from processing.recompute import recompute
from processing.rollup_store import make_rollups
from processing.scoring import REASONS
from processing.store import write_history
from processing.usual import Usual

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEK = 7 * 24 * HOUR
LOAD = "energy.load"
TODAY = date(2026, 11, 20)  # NOW is 8 o'clock there


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def remember(connection: psycopg.Connection, at: int, load: float) -> None:
    """A final minute with this load in every area but the third street, and its hour."""
    value = np.full(len(AREAS), load)
    value[THIRD] = np.nan
    ones = np.ones(len(AREAS))
    said = Said(value, value, ones, ones.astype(np.float32), ones.astype(np.float32), np.zeros(len(AREAS), np.int16))
    write_history(connection, Minute(at, "final", "m", AREAS, SHANGHAI, {LOAD: said}))
    make_rollups(connection, AREAS, SHANGHAI, at, at, at + HOUR)


def usual() -> Usual:
    return Usual(AREAS, SHANGHAI)


def test_a_day_is_usual_as_the_median_of_the_weeks_before_by_local_hour(connection: psycopg.Connection) -> None:
    for week, load in enumerate((10.0, 12.0, 500.0), start=1):
        remember(connection, NOW - week * WEEK, load)
    found = usual()
    prepare(connection, found, [LOAD], NOW, NOW)
    assert found.at(LOAD, NOW)[CITY] == 12.0
    assert found.at(LOAD, NOW + HOUR - 1)[FIRST] == 12.0
    assert np.isnan(found.at(LOAD, NOW + HOUR)).all()
    assert np.isnan(found.at(LOAD, NOW)[THIRD])
    row = connection.execute("SELECT day, weeks[8 * 6 + 1], spread[8 * 6 + 1] FROM baselines").fetchone()
    assert row == (TODAY, 3, pytest.approx(1.4826 * 2))


def test_a_baseline_stays_as_it_was_fixed(connection: psycopg.Connection) -> None:
    remember(connection, NOW - WEEK, 10.0)
    prepare(connection, usual(), [LOAD], NOW, NOW)
    remember(connection, NOW - 2 * WEEK, 90.0)
    later = usual()
    prepare(connection, later, [LOAD], NOW, NOW + 24 * HOUR)
    assert later.at(LOAD, NOW)[CITY] == 10.0
    assert not later.knows(LOAD, TODAY + timedelta(days=1))  # nothing to make it of


def test_a_baseline_is_read_back_for_another_list_of_areas(connection: psycopg.Connection) -> None:
    remember(connection, NOW - WEEK, 10.0)
    prepare(connection, usual(), [LOAD], NOW, NOW)
    other = Usual((AREAS[EAST], "999999"), SHANGHAI)
    prepare(connection, other, [LOAD], NOW, NOW)
    assert other.at(LOAD, NOW).tolist() == pytest.approx([10.0, np.nan], nan_ok=True)


def test_a_deviation_is_the_share_above_what_is_usual() -> None:
    city = engine([device(1, "energy_meter", FIRST), device(2, "energy_meter", THIRD)])
    city.fold(batch("energy_meter", [(key, observed(-1, totalActivePower=13.0)) for key in (1, 2)]))
    before = city.evaluate(NOW).indicators["energy.baseline_deviation"]
    assert np.isnan(before.value).all()
    assert REASONS[before.reason[CITY]] == "no_baseline"
    median = np.full((24, len(AREAS)), 10.0)
    median[:, THIRD] = 0.0
    city.usual.add(LOAD, TODAY, median)
    after = city.evaluate(NOW).indicators["energy.baseline_deviation"]
    assert after.value[FIRST] == pytest.approx(0.3)
    assert after.value[CITY] == pytest.approx(1.6)
    assert after.score[CITY] == 0
    assert REASONS[after.reason[THIRD]] == "no_baseline"


def test_a_silent_meter_is_stale_with_or_without_a_baseline() -> None:
    city = engine([device(1, "energy_meter", FIRST)])
    city.usual.add(LOAD, TODAY, np.full((24, len(AREAS)), 10.0))
    assert REASONS[city.evaluate(NOW).indicators["energy.baseline_deviation"].reason[FIRST]] == "stale"


def test_recompute_compares_with_what_was_usual_then(connection: psycopg.Connection) -> None:
    remember(connection, NOW - WEEK, 10.0)
    devices = [device(1, "energy_meter", FIRST)]
    readings = batch("energy_meter", [(1, observed(s, totalActivePower=10.0 + s % 7)) for s in range(-300, 301, 60)])
    store(connection, devices, readings)
    live = engine(devices)
    prepare(connection, live.usual, [LOAD], NOW, NOW)
    live.fold(readings)
    remember(connection, NOW - 2 * WEEK, 77.0)
    snapshots = list(recompute(connection, engine, NOW, NOW + 5 * MINUTE))
    assert snapshots[-1].indicators["energy.baseline_deviation"].value[CITY] == (16.0 - 10.0) / 10.0
    assert digest(snapshots[-1]) == digest(live.evaluate(NOW + 5 * MINUTE))


def test_a_span_over_midnight_knows_the_baseline_of_each_day(connection: psycopg.Connection) -> None:
    midnight = NOW + 16 * HOUR
    remember(connection, midnight - HOUR - WEEK, 10.0)
    remember(connection, midnight - WEEK, 20.0)
    devices = [device(1, "energy_meter", FIRST)]
    seconds = range(16 * 3600 - 600, 16 * 3600 + 601, 60)
    readings = batch("energy_meter", [(1, observed(s, totalActivePower=30.0)) for s in seconds])
    store(connection, devices, readings)
    found = list(recompute(connection, engine, midnight - 10 * MINUTE, midnight + 10 * MINUTE))
    values = [one.indicators["energy.baseline_deviation"].value[CITY] for one in found]
    assert values == [2.0] * 10 + [0.5] * 11
