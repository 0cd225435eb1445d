"""Nothing is dropped that the vital signs of a minute may still look at, nor anything younger than two days.

30 days ago          1 day + reach ago      now
dropped │ whole from here ────────────────────┤
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.retention import DAY, SHORTEST_DAYS, Retention

NOW = 20_000 * DAY
HOUR = DAY // 24


def test_by_default_everything_is_kept() -> None:
    retention = Retention()
    assert retention.keeps_all
    assert retention.oldest("bus", NOW) is None
    assert retention.whole_from(NOW, DAY) is None


def test_a_stream_of_its_own_wins_over_the_general_number() -> None:
    retention = Retention(days=30, streams={"bus": 5, "parking_bay": math.inf})
    assert retention.oldest("bus", NOW) == NOW - 5 * DAY
    assert retention.oldest("parking_bay", NOW) is None
    assert retention.oldest("car_park", NOW) == NOW - 30 * DAY
    assert not retention.keeps_all


def test_what_indicators_look_back_on_is_kept_a_day_longer() -> None:
    assert Retention(days=2).oldest("bus", NOW, 24 * HOUR) == NOW - 2 * DAY
    assert Retention(days=2).oldest("bus", NOW, 72 * HOUR) == NOW - 4 * DAY


def test_minutes_are_whole_one_window_after_the_oldest_reading_of_any_stream() -> None:
    retention = Retention(streams={"bus": 30})
    assert retention.whole_from(NOW, 24 * HOUR) == NOW - 29 * DAY
    assert Retention(days=90, vitals=10).whole_from(NOW, 24 * HOUR) == NOW - 10 * DAY


@given(st.floats(SHORTEST_DAYS, 400), st.integers(0, 40 * DAY))
def test_nothing_that_can_be_recomputed_needs_what_may_be_dropped(days: float, reach: int) -> None:
    retention = Retention(days=days)
    oldest, whole = retention.oldest("bus", NOW, reach), retention.whole_from(NOW, reach)
    assert oldest is not None
    assert whole is not None
    assert oldest <= NOW - 2 * DAY
    assert whole - reach >= oldest
    assert whole <= NOW - DAY


@pytest.mark.parametrize("days", [0, -1, 1.9, math.nan])
def test_less_than_two_days_cannot_be_asked_for(days: float) -> None:
    with pytest.raises(ValueError, match="must be at least 2"):
        Retention(days=days)
    with pytest.raises(ValueError, match="must be at least 2"):
        Retention(streams={"bus": days})
