"""The forecast route over a real database: points with intervals, a reason where there are none, scores."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
from forecast_material import roll_up
from numpy.typing import NDArray

from api import forecast_models
from devices.city import City
from processing.forecast_store import HOUR, Scores, write_scores
from processing.forecaster import Forecaster
from processing.forecasts import fit, predict
from processing.indicators import INDICATORS
from processing.usual import Usual

LOAD = "energy.load"
END = int(datetime.now(UTC).timestamp()) // 3600 * HOUR
WEEKS = 4
FIRST = END - WEEKS * 7 * 24 * HOUR


@pytest.fixture
def areas(city: City) -> list[str]:
    return [area.code for area in city.areas]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE vital_hours, forecasts, forecast_scores, baselines")
        yield connection
        connection.execute("TRUNCATE vital_hours, forecasts, forecast_scores, baselines")


@pytest.fixture
def values(connection: psycopg.Connection, areas: list[str]) -> NDArray[np.float64]:
    """Four weeks of hours; the last area has two days."""
    rng = np.random.default_rng(1)
    hour = np.arange(WEEKS * 7 * 24)
    loads: NDArray[np.float64] = (50 + 20 * np.sin(2 * np.pi * hour / 24))[:, None] + rng.normal(
        0, 3, (len(hour), len(areas))
    )
    loads[:-48, -1] = np.nan
    roll_up(connection, areas, loads, FIRST)
    return loads


def ask(client: httpx.Client, area: str, **params: str) -> dict[str, Any]:
    answer = client.get(f"/v1/areas/{area}/vitals/forecast", params={"indicator": LOAD} | params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    forecast_models.Forecast.model_validate(body)
    return body


def series(values: NDArray[np.float64], label: int, until: int) -> NDArray[np.float64]:
    """Hours of an area up to ``until`` (µs), from a midnight."""
    padding = FIRST // HOUR % 24
    return np.concatenate([np.full(padding, np.nan), values[: (until - FIRST) // HOUR, label]])


def test_points_lie_in_their_intervals_and_are_those_of_the_method(
    client: httpx.Client, values: NDArray[np.float64], codes: dict[str, str]
) -> None:
    body = ask(client, codes["city"])
    past = series(values, 0, END)
    made = predict(fit(past, 24, 6), past)
    assert (body["reason"], body["unit"], body["step"], body["scores"]) == (None, "kW", 3600, None)
    assert datetime.fromisoformat(body["at"]).timestamp() == END / 1e6
    assert [point["value"] for point in body["items"]] == pytest.approx(made.point, rel=1e-9)
    assert [point["high95"] for point in body["items"]] == pytest.approx(made.high[1], rel=1e-6)
    for point in body["items"]:
        assert point["low95"] <= point["low80"] <= point["value"] <= point["high80"] <= point["high95"]
    assert body["items"][0]["from"] == body["at"]
    assert body["model"]["trainedOn"] == WEEKS * 7 * 24 - 24


def test_what_the_pipeline_foretold_is_what_is_shown_with_its_scores(
    client: httpx.Client,
    connection: psycopg.Connection,
    database_url: str,
    values: NDArray[np.float64],
    areas: list[str],
    codes: dict[str, str],
) -> None:
    table = [row for row in INDICATORS if row.id == LOAD]
    Forecaster(database_url, Usual(areas), lambda: table, nap=0.0).renew(connection)
    connection.execute("UPDATE forecasts SET point = array_fill(77.0::float8, ARRAY[cardinality(point)])")
    size = len(areas)
    two, ones = np.full(size, 2, np.int16), np.ones(size, np.int16)
    scores = Scores(two, np.full(size, 3.0), np.full(size, 6.0), np.full(size, 2.0), ones, two)
    write_scores(connection, areas, LOAD, END - HOUR, scores)
    body = ask(client, codes["east"], horizon="2h")
    assert [point["value"] for point in body["items"]] == [77.0, 77.0]
    assert body["scores"] == body["scores"] | {
        "compared": 2,
        "mase": 0.75,
        "naiveMase": 1.5,
        "skill": 0.5,
        "coverage80": 0.5,
        "coverage95": 1.0,
    }
    earlier = ask(client, codes["east"], at=datetime.fromtimestamp(END / 1e6 - 10 * 3600, UTC).isoformat())
    past = series(values, areas.index(codes["east"]), END - 10 * HOUR)
    assert earlier["items"][0]["value"] == pytest.approx(predict(fit(past, 24, 6), past).point[0])


@pytest.mark.usefixtures("values")
def test_too_little_history_is_a_reason(client: httpx.Client, areas: list[str]) -> None:
    body = ask(client, areas[-1])
    assert (body["reason"], body["items"], body["model"]) == ("too_little_history", [], None)
    assert body["detail"] == "history spans 2.0 days, must be at least 3"


@pytest.mark.usefixtures("connection")
def test_no_history_is_a_reason(client: httpx.Client, codes: dict[str, str]) -> None:
    body = ask(client, codes["city"])
    assert (body["reason"], body["at"], body["items"]) == ("no_history", None, [])


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"indicator": "energy.lod"}, 'indicator is "energy.lod", must be one of'),
        ({"horizon": "7h"}, 'horizon is "7h", must be 1h to 6h'),
        ({"horizon": "3"}, 'horizon is "3", must be 1h to 6h'),
        ({"horizon": "90m"}, "must be 1h to 6h"),
    ],
)
def test_a_wrong_parameter_is_named(
    client: httpx.Client, codes: dict[str, str], params: dict[str, str], says: str
) -> None:
    answer = client.get(f"/v1/areas/{codes['city']}/vitals/forecast", params=params)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
