"""Forecasts and baselines as properties: whatever the series, an interval holds its point and nothing crashes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from processing.backtests import backtest
from processing.baselines import of_day, running
from processing.forecasts import HistoryError, fit, predict, replay

DAY = 24
WEEK = 7 * DAY


def weekly(weeks: int, seed: int = 0, noise: float = 1.0) -> NDArray[np.float64]:
    """Hours of a load with days, a weekend, and unusual stretches that last a few hours."""
    rng = np.random.default_rng(seed)
    hour = np.arange(weeks * WEEK)
    usual = 50 + 20 * np.sin(2 * np.pi * hour / DAY) - 15 * (hour // DAY % 7 >= 5)
    unusual = np.zeros(len(hour))
    for i in range(1, len(hour)):
        unusual[i] = 0.9 * unusual[i - 1] + rng.normal(0, 2 * noise)
    return usual + unusual


def slow_median(values: NDArray[np.float64], at: int) -> float:
    """The obvious twin of ``running`` at one step."""
    for season, most in ((WEEK, 8), (DAY, 7)):
        earlier = [values[at - k * season] for k in range(1, most + 1) if at >= k * season]
        earlier = [x for x in earlier if np.isfinite(x)]
        if earlier:
            return float(np.median(earlier))
    return float("nan")


def test_baseline_equals_its_slow_twin_with_gaps() -> None:
    values = weekly(4)
    values[np.random.default_rng(1).random(len(values)) < 0.3] = np.nan
    found = running(values, DAY).median
    assert found == pytest.approx([slow_median(values, i) for i in range(len(values))], nan_ok=True, rel=1e-12)


def test_baseline_of_a_day_is_that_of_the_running_one() -> None:
    values = weekly(5)
    hours = np.stack([values[week * WEEK : week * WEEK + DAY] for week in range(4)])[:, :, None]
    median, spread, count = of_day(hours)
    whole = running(values, DAY)
    day = slice(4 * WEEK, 4 * WEEK + DAY)
    assert median[:, 0].tolist() == whole.median[day].tolist()
    assert spread[:, 0].tolist() == whole.spread[day].tolist()
    assert (count == 4).all()


@settings(deadline=None)
@given(st.integers(0, 4 * WEEK - 1), st.floats(-1e9, 1e9))
def test_one_spike_moves_a_baseline_no_further_than_to_its_neighbours(place: int, spike: float) -> None:
    calm = weekly(5)
    wild = calm.copy()
    wild[place] = spike
    # the spike is one of four values: the median stays within what the other three are
    others = [calm[place % WEEK + week * WEEK] for week in range(4) if week != place // WEEK]
    assert min(others) <= running(wild, DAY).median[4 * WEEK + place % WEEK] <= max(others)


def test_a_baseline_knows_nothing_of_what_comes_later() -> None:
    values = weekly(4)
    assert running(values, DAY).median[:500].tolist() == pytest.approx(running(values[:500], DAY).median, nan_ok=True)


@st.composite
def series(draw: st.DrawFn) -> NDArray[np.float64]:
    """Flat, zero, gappy, spiky, short, huge, tiny, endless."""
    length = draw(st.integers(3 * DAY, 4 * WEEK))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = {
        "flat": np.full(length, draw(st.floats(-1e6, 1e6))),
        "zero": np.zeros(length),
        "noise": rng.normal(size=length) * 10.0 ** draw(st.integers(-12, 12)),
        "rare": (rng.random(length) < 0.02) * 100.0,
        "week": weekly(4)[:length],
        "step": (np.arange(length) > length // 2) * 1e6,
    }[draw(st.sampled_from(["flat", "zero", "noise", "rare", "week", "step"]))].copy()
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, length - 1))
        values[start : start + draw(st.integers(1, 2 * DAY))] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e12]))
    return values


@settings(deadline=None, max_examples=40)
@given(series(), st.sampled_from([1, 6, 24]))
def test_any_series_gets_intervals_that_hold_the_point_or_a_reason(values: NDArray[np.float64], horizon: int) -> None:
    try:
        made = predict(fit(values, DAY, horizon), values)
    except HistoryError as error:
        assert "history" in str(error)  # noqa: PT017
        return
    for array in (made.point, made.low, made.high):
        assert np.isfinite(array).all()
    assert (made.low <= made.point).all()
    assert (made.point <= made.high).all()
    assert (made.low[1] <= made.low[0]).all()
    assert (made.high[0] <= made.high[1]).all()


def test_a_flat_series_stays_flat() -> None:
    made = predict(fit(np.full(3 * WEEK, 7.5), DAY, 6), np.full(3 * WEEK, 7.5))
    assert made.point == pytest.approx(np.full(6, 7.5))
    assert made.high == pytest.approx(np.full((2, 6), 7.5))


def test_a_series_that_repeats_itself_is_foretold() -> None:
    values = np.tile(weekly(1), 6)
    assert predict(fit(values[: 5 * WEEK], DAY, 6), values[: 5 * WEEK]).point == pytest.approx(
        values[5 * WEEK : 5 * WEEK + 6], rel=1e-4
    )


def test_replay_equals_prediction_from_each_origin() -> None:
    values = weekly(4)
    values[600:605] = np.nan
    model = fit(values[: 3 * WEEK], DAY, 4)
    made = replay(model, values, 3 * WEEK)
    for ahead in range(1, 5):
        for target in range(3 * WEEK, len(values), 17):
            single = predict(model, values[: target - ahead + 1]).point[ahead - 1]
            assert made[ahead - 1, target - 3 * WEEK] == pytest.approx(single, rel=1e-12)


def test_bounds_are_kept_and_a_load_never_falls_below_zero() -> None:
    values = np.maximum(weekly(4) - 60, 0)
    made = predict(fit(values, DAY, 6), values)
    assert made.low.min() >= 0
    made = predict(fit(values / values.max(), DAY, 6, (0.0, 1.0)), values / values.max())
    assert made.high.max() <= 1


def test_a_scaled_series_has_a_scaled_forecast() -> None:
    values = weekly(4)
    one, thousand = (predict(fit(v, DAY, 3, (-np.inf, np.inf)), v) for v in (values, 1000 * values))
    assert thousand.point == pytest.approx(1000 * one.point, rel=1e-6)
    assert thousand.low == pytest.approx(1000 * one.low, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.full(500, np.nan), "spans 0.0 days, must be at least 3"),
        (weekly(1)[:48], "spans 2.0 days, must be at least 3"),
        (np.where(np.arange(500) % 20 == 0, 1.0, np.nan), "25 values"),
    ],
)
def test_too_little_history_says_what_is_missing(values: NDArray[np.float64], says: str) -> None:
    with pytest.raises(HistoryError, match=says):
        fit(values, DAY, 6)


@pytest.mark.parametrize("horizon", [0, 25])
def test_a_horizon_beyond_a_day_is_refused(horizon: int) -> None:
    with pytest.raises(ValueError, match=f"horizon is {horizon}"):
        fit(weekly(3), DAY, horizon)


def test_backtest_beats_last_week_and_its_intervals_hold_what_they_promise() -> None:
    found = [backtest(weekly(7, seed), DAY, 6, WEEK) for seed in range(8)]
    assert all(test.model.mase < 1 and test.skill > 0 for test in found)
    assert np.mean([test.coverage[0] for test in found]) == pytest.approx(0.8, abs=0.07)
    assert np.mean([test.coverage[1] for test in found]) == pytest.approx(0.95, abs=0.04)


def test_backtest_is_what_an_independent_computation_finds() -> None:
    values, first = weekly(5), 4 * WEEK
    test = backtest(values, DAY, 2, WEEK)
    errors = []
    for start in range(first, len(values), DAY):
        model = fit(values[: start - 1], DAY, 2)
        for target in range(start, start + DAY):
            errors += [abs(values[target] - predict(model, values[: target - h]).point[h]) for h in range(2)]
    scale = np.abs(values[WEEK:first] - values[: first - WEEK]).mean()
    assert test.model.mase == pytest.approx(np.mean(errors) / scale, rel=1e-9)
    assert test.weekly.mae == pytest.approx(np.abs(values[first:] - values[first - WEEK : -WEEK]).mean())


@pytest.mark.parametrize("holdout", [0, 5 * WEEK])
def test_a_holdout_that_leaves_nothing_is_refused(holdout: int) -> None:
    with pytest.raises(ValueError, match=f"holdout is {holdout}"):
        backtest(weekly(5), DAY, 6, holdout)
