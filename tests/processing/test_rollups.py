"""Quarter-hours, hours and days equal a plain computation over their minutes, whatever they were merged from."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest
from processing_material import AREAS, FIRST, MINUTE, NOW

from processing.minutes import Known, Minute, Said, Version
from processing.rollup_store import make_rollups, read_rollups
from processing.rollups import Rollup, bucket, buckets, combine, of_minute
from processing.scoring import COVERAGE, NO_DEVICES, OK
from processing.store import read_minutes, write_history

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = 9


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def said(seed: int) -> Said:
    """Values of all areas; some are withheld, and in one street there are no devices."""
    rng = np.random.default_rng(seed)
    reason = np.where(rng.random(len(AREAS)) < 0.2, COVERAGE, OK).astype(np.int16)
    reason[FIRST] = NO_DEVICES
    value = np.where(reason == OK, rng.random(len(AREAS)), np.nan)
    coverage = rng.random(len(AREAS)).astype(np.float32)
    return Said(value, 100 * value, np.ones(len(AREAS)), coverage, np.zeros(len(AREAS), np.float32), reason)


def minute(at: int, seed: int, state: str = "final") -> Minute:
    return Minute(at, state, "m", AREAS, SHANGHAI, {"energy.load": said(seed)})  # type: ignore[arg-type]


def part(seed: int) -> Rollup:
    return of_minute(Known.of(Version(0, "final", "m", said(seed)), len(AREAS)))


def test_a_rollup_is_what_a_plain_computation_says() -> None:
    several = [said(seed) for seed in range(15)]
    figures = combine([part(seed) for seed in range(15)]).figures
    for label in range(len(AREAS)):
        if label == FIRST:
            assert (figures.minutes[label], figures.reason[label]) == (0, NO_DEVICES)
            continue
        values = np.array([one.value[label] for one in several])
        assert figures.value_mean[label] == pytest.approx(np.nanmean(values), rel=1e-12)
        assert (figures.value_min[label], figures.value_max[label]) == (np.nanmin(values), np.nanmax(values))
        np.testing.assert_equal(figures.value_last[label], values[-1])
        assert figures.score_mean[label] == pytest.approx(100 * np.nanmean(values), rel=1e-12)
        assert (figures.minutes[label], figures.valued[label]) == (15, np.sum(~np.isnan(values)))
        assert figures.coverage[label] == pytest.approx(np.mean([one.coverage[label] for one in several]), rel=1e-6)


def test_merging_rollups_of_parts_gives_the_rollup_of_the_whole() -> None:
    minutes = [part(seed) for seed in range(60)]
    whole = combine(minutes).figures
    merged = combine([combine(minutes[:7]), combine(minutes[7:30]), combine(minutes[30:])]).figures
    for name in ("minutes", "valued", "scored", "reason", "value_min", "value_max", "value_last", "score_last"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(merged, name))
    for name in ("value_mean", "score_mean", "coverage"):
        np.testing.assert_allclose(getattr(whole, name), getattr(merged, name), rtol=1e-6)


def test_days_and_hours_are_those_of_the_city() -> None:
    at = micros(2026, 11, 20, 15, 59)  # 23:59 in Shanghai
    assert bucket("day", at, SHANGHAI) == (micros(2026, 11, 19, 16), micros(2026, 11, 20, 16))
    assert bucket("day", at + MINUTE, SHANGHAI)[0] == micros(2026, 11, 20, 16)
    kolkata = ZoneInfo("Asia/Kolkata")  # half an hour off
    assert bucket("hour", micros(2026, 11, 20, 15, 59), kolkata)[0] == micros(2026, 11, 20, 15, 30)
    quarters = list(buckets("quarter", at, at + MINUTE, SHANGHAI))
    assert quarters == [
        (micros(2026, 11, 20, 15, 45), micros(2026, 11, 20, 16)),
        (micros(2026, 11, 20, 16), micros(2026, 11, 20, 16, 15)),
    ]


def micros(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


def test_steps_that_are_over_are_made_and_made_anew_when_a_minute_is_revised(connection: psycopg.Connection) -> None:
    """
    08:00 |-- quarter --|-- quarter --|-- quarter --|-- quarter --| 09:00
          | minutes 08:00 … 08:49 are final              ^ not over
    """
    for number in range(50):
        write_history(connection, minute(NOW + number * MINUTE, number, "provisional"))
        write_history(connection, minute(NOW + number * MINUTE, number))
    settled = NOW + 49 * MINUTE
    assert make_rollups(connection, AREAS, SHANGHAI, NOW, settled, settled) == 3
    assert make_rollups(connection, AREAS, SHANGHAI, NOW, settled, settled) == 0
    before = quarters(connection)
    assert list(before) == [NOW, NOW + 15 * MINUTE, NOW + 30 * MINUTE]
    stored = [known["energy.load"] for _, known in read_minutes(connection, AREAS, NOW, NOW + 14 * MINUTE)]
    assert before[NOW].figures.same(combine([of_minute(one) for one in stored]).figures)
    assert before[NOW].state == "final"

    assert write_history(connection, minute(NOW + 20 * MINUTE, 999)) > 0
    assert make_rollups(connection, AREAS, SHANGHAI, NOW + 20 * MINUTE, NOW + 20 * MINUTE, settled) == 1
    after = quarters(connection)
    assert not after[NOW + 15 * MINUTE].figures.same(before[NOW + 15 * MINUTE].figures)
    assert after[NOW].figures.same(before[NOW].figures)
    versions = connection.execute("SELECT version FROM vital_quarters ORDER BY at, version").fetchall()
    assert [version for (version,) in versions] == [0, 0, 1, 0]


def quarters(connection: psycopg.Connection) -> dict[int, Rollup]:
    found = read_rollups(connection, AREAS, "quarter", NOW, NOW + 60 * MINUTE)
    return {at: indices["energy.load"] for at, indices in found}


def test_an_hour_and_a_day_come_from_their_parts_and_other_areas_keep_their_place(
    connection: psycopg.Connection,
) -> None:
    midnight = NOW + 16 * 60 * MINUTE  # of Shanghai
    for number in (0, 59, 60, 119):
        write_history(connection, minute(midnight + number * MINUTE, number))
    settled = midnight + (24 * 60 - 1) * MINUTE
    assert make_rollups(connection, AREAS, SHANGHAI, midnight, midnight + 119 * MINUTE, settled) == 4 + 2 + 1
    turned = AREAS[::-1]
    ((at, day),) = read_rollups(connection, turned, "day", midnight - MINUTE, settled)
    assert at == midnight
    assert day["energy.load"].figures.minutes.tolist() == [4, 4, 0, 4, 4, 4]
    expected = combine([part(number) for number in (0, 59, 60, 119)]).figures
    np.testing.assert_allclose(day["energy.load"].figures.value_mean[::-1], expected.value_mean, rtol=1e-12)
    np.testing.assert_array_equal(day["energy.load"].figures.value_last[::-1], expected.value_last)
