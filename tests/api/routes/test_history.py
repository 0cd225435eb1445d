from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from vitals_material import micros, say

from api import history_models
from processing.rollup_store import make_rollups

EIGHT = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)  # 08:00 in the city
MINUTE = timedelta(minutes=1)


def write(
    database_url: str, area: str, index: str, minute: int, score: float, revision: int = 0, later: int = 0
) -> None:
    """A value of the minute ``minute`` after eight, computed ``later`` minutes after that."""
    at = EIGHT + minute * MINUTE
    with psycopg.connect(database_url) as connection:
        say(connection, area, index, at, score, revision=revision, computed_at=at + later * MINUTE)


@pytest.fixture
def hour(database_url: str, codes: dict[str, str]) -> None:
    for minute in range(60):
        write(database_url, codes["east"], "composite", minute, minute)


def history(client: httpx.Client, area: str, **params: str) -> dict[str, Any]:
    span = {"from": "2026-11-20T08:00:00+08:00", "to": "2026-11-20T09:00:00+08:00"}
    answer = client.get(f"/v1/areas/{area}/vitals/history", params=span | params)
    assert answer.status_code == 200, answer.text
    history_models.History.model_validate(answer.json())
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.usefixtures("hour")
def test_each_minute_is_a_point_in_the_order_of_time(client: httpx.Client, codes: dict[str, str]) -> None:
    body = history(client, codes["east"])
    assert (body["indicator"], body["step"], body["next"]) == ("composite", 60, None)
    assert [point["score"] for point in body["items"]] == list(range(60))
    assert body["items"][0]["at"] == "2026-11-20T08:00:00+08:00"


@pytest.mark.usefixtures("hour")
@pytest.mark.parametrize(("step", "scores"), [("15m", [14, 29, 44, 59]), ("1h", [59]), ("1200", [19, 39, 59])])
def test_a_longer_step_shows_its_last_minute(
    client: httpx.Client, codes: dict[str, str], step: str, scores: list[int]
) -> None:
    body = history(client, codes["east"], step=step)
    assert [point["score"] for point in body["items"]] == scores
    assert body["items"][-1]["observedAt"] == "2026-11-20T08:59:00+08:00"


@pytest.mark.usefixtures("hour")
def test_days_begin_at_the_citys_midnight(client: httpx.Client, codes: dict[str, str]) -> None:
    body = history(client, codes["east"], step="1d", **{"from": "2026-11-19T00:00:00Z"})
    assert [point["at"] for point in body["items"]] == ["2026-11-20T00:00:00+08:00"]


@pytest.mark.usefixtures("hour")
@pytest.mark.parametrize("step", ["1m", "15m"])
def test_pages_meet_without_gap_or_overlap(client: httpx.Client, codes: dict[str, str], step: str) -> None:
    whole = history(client, codes["east"], step=step)["items"]
    pages: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        body = history(client, codes["east"], step=step, limit="3", **cursor)
        pages += body["items"]
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
    assert pages == whole


def test_the_newest_revision_counts_unless_it_was_not_known_then(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    """
    08:00 |--- minute ---| computed 08:01: 50 (revision 0) ... late readings ... computed 08:30: 70 (revision 1)
    """
    write(database_url, codes["east"], "parking", 0, 50, revision=0, later=1)
    write(database_url, codes["east"], "parking", 0, 70, revision=1, later=30)

    def scores(**params: str) -> list[tuple[float, int]]:
        items = history(client, codes["east"], indicator="parking", **params)["items"]
        return [(point["score"], point["revision"]) for point in items]

    assert scores() == [(70, 1)]
    assert scores(as_of="2026-11-20T08:29:59+08:00") == [(50, 0)]
    assert scores(as_of="2026-11-20T08:30:00+08:00") == [(70, 1)]
    assert scores(as_of="2026-11-20T08:00:30+08:00") == []


def test_indicators_and_areas_are_kept_apart(client: httpx.Client, database_url: str, codes: dict[str, str]) -> None:
    write(database_url, codes["east"], "parking.kerb_occupancy", 1, 10)
    write(database_url, codes["west"], "parking.kerb_occupancy", 1, 20)
    write(database_url, codes["east"], "parking", 1, 30)
    items = history(client, codes["east"], indicator="parking.kerb_occupancy")["items"]
    assert [point["score"] for point in items] == [10]


@pytest.fixture
def rolled_up(database_url: str, codes: dict[str, str], hour: None) -> None:
    """The hour from eight, rolled up; of its minutes the second half is no longer kept."""
    del hour
    first, last = micros(EIGHT), micros(EIGHT + 59 * MINUTE)
    with psycopg.connect(database_url) as connection:
        make_rollups(connection, (codes["east"],), ZoneInfo("Asia/Shanghai"), first, last, last)
        connection.execute("DELETE FROM vital_minutes WHERE at >= %s", [EIGHT + 30 * MINUTE])


@pytest.mark.usefixtures("rolled_up")
@pytest.mark.parametrize(
    ("step", "means", "minutes"),
    [("15m", [7, 22, 37, 52], 15), ("30m", [14.5, 44.5], 30), ("1h", [29.5], 60)],
)
def test_steps_are_told_when_their_minutes_are_gone(
    client: httpx.Client, codes: dict[str, str], step: str, means: list[float], minutes: int
) -> None:
    items = history(client, codes["east"], step=step)["items"]
    assert [point["scores"]["mean"] for point in items] == pytest.approx(means)
    assert {point["minutes"] for point in items} == {minutes}
    assert (items[0]["scores"]["min"], items[-1]["scores"]["max"], items[-1]["score"]) == (0, 59, 59)
    assert items[-1]["observedAt"] == "2026-11-20T08:59:00+08:00"
    assert len(history(client, codes["east"])["items"]) == 30


@pytest.mark.usefixtures("rolled_up")
def test_what_was_known_before_a_step_was_over_comes_from_its_minutes(
    client: httpx.Client, codes: dict[str, str]
) -> None:
    items = history(client, codes["east"], step="15m", as_of="2026-11-20T08:20:30+08:00")["items"]
    assert [(point["minutes"], point["scores"]["max"]) for point in items] == [(15, 14), (6, 20)]


@pytest.mark.usefixtures("rolled_up")
def test_a_span_that_ends_within_a_step_has_only_its_minutes(client: httpx.Client, codes: dict[str, str]) -> None:
    items = history(client, codes["east"], step="15m", to="2026-11-20T08:20:00+08:00")["items"]
    assert [(point["minutes"], point["score"]) for point in items] == [(15, 14), (5, 19)]


@pytest.mark.usefixtures("hour")
def test_a_line_is_thinned_out_to_the_points_that_keep_its_shape(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    write(database_url, codes["east"], "composite", 33, 99, revision=1)
    body = history(client, codes["east"], points="10")
    assert (len(body["items"]), body["pointsOf"], body["next"]) == (10, 60, None)
    assert [body["items"][place]["score"] for place in (0, -1)] == [0, 59]
    assert 99 in [point["score"] for point in body["items"]]
    assert len(history(client, codes["east"], points="60")["items"]) == 60


def test_without_a_span_the_last_day_is_meant(client: httpx.Client, codes: dict[str, str]) -> None:
    body = client.get(f"/v1/areas/{codes['east']}/vitals/history").json()
    span = datetime.fromisoformat(body["to"]) - datetime.fromisoformat(body["from"])
    assert span == timedelta(days=1)
    assert body["items"] == []


def test_what_will_be_known_is_what_is_known_now(client: httpx.Client, codes: dict[str, str]) -> None:
    path = f"/v1/areas/{codes['east']}/vitals/history"
    body = client.get(path, params={"as_of": "2099-01-01T00:00:00Z"}).json()
    assert datetime.fromisoformat(body["to"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", "1w"),
        ("step", "10s"),
        ("from", "x"),
        ("as_of", "2026"),
        ("cursor", "x"),
        ("limit", "0"),
        ("indicator", ""),
    ],
)
def test_a_wrong_parameter_is_named(client: httpx.Client, codes: dict[str, str], name: str, value: str) -> None:
    answer = client.get(f"/v1/areas/{codes['east']}/vitals/history", params={name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["name"] == name


def test_the_history_of_an_unknown_area_is_a_404(client: httpx.Client) -> None:
    assert client.get("/v1/areas/1/vitals/history").status_code == 404
