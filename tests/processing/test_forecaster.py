"""Forecasts are made once an hour from the rolled-up hours, kept, and scored when the hour has come."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from forecast_material import roll_up
from processing_material import AREAS, CITY, EAST, FIRST, THIRD

from processing import forecaster
from processing.baselines import lagged
from processing.forecast_store import HOUR, Step, compare, read_forecasts_of, read_hours
from processing.forecaster import Forecaster
from processing.forecasts import Model, fit, predict
from processing.indicators import INDICATORS
from processing.usual import Usual

LOAD = "energy.load"
TABLE = [row for row in INDICATORS if row.id == LOAD]
WEEKS = 4
END = int(datetime.now(UTC).timestamp()) // 3600 * HOUR
FIRST_HOUR = END - WEEKS * 7 * 24 * HOUR


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def loads() -> np.ndarray:
    """Hours of four weeks and six hours: a day's curve with noise; the third street has none, the east is new."""
    rng = np.random.default_rng(1)
    count = WEEKS * 7 * 24 + 6
    curve = 50 + 20 * np.sin(2 * np.pi * np.arange(count) / 24)
    values = curve[:, None] + rng.normal(0, 3, (count, len(AREAS)))
    values[:, THIRD] = np.nan
    values[: -6 - 30, EAST] = np.nan
    return values


def make(url: str) -> Forecaster:
    return Forecaster(url, Usual(AREAS), lambda: TABLE, nap=0.0)


def test_an_hour_is_forecast_once_stored_and_scored(connection: psycopg.Connection, database_url: str) -> None:
    values = loads()
    roll_up(connection, AREAS, values[:-6], FIRST_HOUR)
    one = make(database_url)
    assert one.renew(connection)
    assert not one.renew(connection)
    (step,) = read_forecasts_of(connection, AREAS, LOAD, END)
    hours = read_hours(connection, AREAS, LOAD, "value_mean", END)
    assert np.array_equal(hours[-len(values) + 6 :], values[:-6], equal_nan=True)
    made = predict(fit(hours[:, CITY], 24, 6), hours[:, CITY])
    assert step.point[CITY] == made.point[0]
    assert step.ends[:, CITY] == pytest.approx(
        [made.low[0, 0], made.high[0, 0], made.low[1, 0], made.high[1, 0]], rel=1e-6
    )
    assert np.isnan(step.point[[EAST, THIRD]]).all()  # too young, and never heard
    assert step.trained_on.tolist() == [648, 0, 648, 648, 648, 0]  # the first day has no day before

    roll_up(connection, AREAS, values[-6:-5], END)
    assert make(database_url).renew(connection)
    row = connection.execute(
        "SELECT compared[1], error[1], naive[1], scale[1], inside95[1], compared[2] FROM forecast_scores"
    ).fetchone()
    naive = np.abs(values[:, CITY] - lagged(values[:, CITY], 168))
    assert row == pytest.approx(
        (1, abs(values[-6, CITY] - step.point[CITY]), naive[-6], np.nanmean(naive[:-6]), 1, 0), rel=1e-9
    )
    assert len(read_forecasts_of(connection, AREAS, LOAD, END + 2 * HOUR)) == 2


def test_models_of_a_day_serve_at_every_hour_of_it(
    connection: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The series begins at another hour than the model's, but always at midnight."""
    values = loads()
    roll_up(connection, AREAS, values[:-6], FIRST_HOUR)
    one = make(database_url)
    one.renew(connection)
    roll_up(connection, AREAS, values[-6:-5], END)
    fitted = []

    def learnt(series: np.ndarray, bounds: tuple[float, float] | None) -> Model:
        model = fit(series, 24, 6, bounds)
        fitted.append(model)
        return model

    monkeypatch.setattr(forecaster, "learnt", learnt)
    one.renew(connection)
    assert bool(fitted) == ((END + HOUR) // HOUR % 24 == 0)  # a new day began
    hours = read_hours(connection, AREAS, LOAD, "value_mean", END + HOUR)
    before = read_hours(connection, AREAS, LOAD, "value_mean", END)
    steps = read_forecasts_of(connection, AREAS, LOAD, END + HOUR)
    if not fitted:
        expected = predict(fit(before[:, FIRST], 24, 6), hours[:, FIRST]).point[0]
        assert expected in [step.point[FIRST] for step in steps]


def test_a_failure_that_nobody_foresaw_is_logged_and_forecasts_go_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forecaster, "_LOOK_EVERY", 0.01)
    made, again = make(database_url), threading.Event()
    outcomes = iter([np.linalg.LinAlgError("singular")])

    def renew(_connection: psycopg.Connection) -> bool:
        for error in outcomes:
            raise error
        again.set()
        return True

    monkeypatch.setattr(made, "renew", renew)
    made.start()
    assert again.wait(60)
    made.stop()
    assert "singular" in caplog.text


def test_what_came_is_compared_with_every_forecast_of_it() -> None:
    hours = np.arange(400.0)[:, None] % 168 + np.array([[0.0, 1.0]])
    hours[-1] = [5.0, np.nan]
    steps = [
        Step(np.array([7.0, 1.0]), np.array([[4.0, 0], [8, 2], [4, 0], [9, 2]]), np.zeros(2), np.ones(2, np.int16)),
        Step(np.array([1.0, 1.0]), np.array([[0.0, 0], [2, 2], [0, 0], [5, 2]]), np.zeros(2), np.ones(2, np.int16)),
    ]
    scores = compare(steps, hours)
    assert scores.compared.tolist() == [2, 0]
    assert scores.error.tolist() == [6.0, 0.0]
    assert scores.naive.tolist() == [2 * abs(5.0 - (399 - 168) % 168), 0.0]
    assert scores.scale.tolist() == [0.0, 0.0]
    assert (scores.inside80.tolist(), scores.inside95.tolist()) == ([1, 0], [2, 0])
