"""Why over a real database: what an engine said of ten minutes under two policies is stored, and explained."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
from live_api import Pipeline, RunningApi, own_api, own_city, wait_until
from processing_material import MINUTE, NOW, batch, observed, store

from api import policy_models, why_models
from devices.city import City
from devices.kinds import kinds
from ingest.registry import Device
from processing.documents import Documents
from processing.engine import Engine
from processing.policy import SHIPPED, Policy, parse
from processing.policy_store import record_change
from processing.recompute import recompute
from processing.store import write_history

city, api = own_city, own_api
START = datetime.fromisoformat("2026-11-20T08:00:00+08:00")
LAST = 9
TURN = 5
"""the minute from which the second policy was in force"""
HEAVY = parse(
    "[domains.parking]\nweight = 2\n[indicators.parking.kerb_occupancy]\ngoalposts = [[0, 100], [1, 10]]\n"
    "minimum_coverage = 0.1\n"
)
KERB = "parking.kerb_occupancy"


def readings() -> list[Any]:
    rng = np.random.default_rng(5)
    bays = [
        (key, observed(second, status="occupied" if rng.random() < key / 12 else "free"))
        for second in range(-60, 600, 30)
        for key in range(1, 13)
        if key != 12 or second < 200  # the third street falls silent in part
    ]
    huts = [
        (20 + key, observed(second + key, nh3=float(3 * rng.random()), fillingLevelFood=float(rng.random())))
        for second in range(-60, 600, 60)
        for key in range(1, 7)
    ]
    meters = [
        (40 + key, observed(second + key, totalActivePower=10.0 * key, powerFactor=float(0.8 + 0.2 * rng.random())))
        for second in range(-60, 600, 60)
        for key in range(1, 7)
    ]
    return [batch("parking_bay", bays), batch("garbage_hut", huts), batch("energy_meter", meters)]


def new_engine(city: City, policy: Policy) -> Engine:
    return Engine([a.code for a in city.areas], city.parents, kinds(), policy.indicators, policy.domains)


@pytest.fixture
def past(database_url: str, city: City, codes: dict[str, str]) -> str:
    """The database with devices, readings, and minutes under two policies."""
    streets = [codes["first"], codes["second"], codes["third"]]
    members = [Device(key, f"bay-{key}", "parking_bay", streets[key % 3]) for key in range(1, 13)]
    members += [Device(20 + key, f"hut-{key}", "garbage_hut", streets[key % 3]) for key in range(1, 7)]
    members += [Device(40 + key, f"meter-{key}", "energy_meter", streets[key % 3]) for key in range(1, 7)]
    with psycopg.connect(database_url) as connection:
        store(connection, members, *readings())
    with psycopg.connect(database_url) as connection, psycopg.connect(database_url, autocommit=True) as writer:
        for policy, first, last in ((SHIPPED, 0, TURN - 1), (HEAVY, TURN, LAST)):
            record_change(writer, policy, NOW + first * MINUTE)
            documents = Documents(city, new_engine(city, policy))
            span = NOW + first * MINUTE, NOW + last * MINUTE
            for snapshot in recompute(connection, lambda policy=policy: new_engine(city, policy), *span):
                write_history(writer, documents.history(snapshot, "final"))
    return database_url


def minute(number: int) -> str:
    return (START + timedelta(minutes=number)).isoformat()


def ask(client: httpx.Client, area: str, index: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/areas/{area}/vitals/{index}/why", params=query)
    assert answer.status_code == 200, answer.text
    why_models.Why.model_validate(answer.json())
    body: dict[str, Any] = answer.json()
    return body


def test_every_index_of_every_area_at_every_minute_adds_up(past: str, client: httpx.Client, city: City) -> None:
    explained = 0
    names = ["composite", *(side.id for side in SHIPPED.domains), KERB, "waste.nh3_exceedance"]
    for number in (0, TURN - 1, TURN, LAST):
        for area in city.areas:
            for index in names:
                body = ask(client, area.code, index, at=minute(number), devices=0)
                assert body["methodVersion"] == (SHIPPED if number < TURN else HEAVY).version
                points = [part["points"] for part in body["contributions"]]
                if body["score"] is None:
                    assert points == []
                    assert body["reason"]
                    continue
                explained += 1
                assert abs(sum(points) - body["score"]) <= 1e-9
                assert "unexplained" not in {part["id"] for part in body["contributions"]}
    assert explained > 60


def test_an_informative_indicator_has_a_value_and_says_why_it_has_no_score(
    past: str, client: httpx.Client, codes: dict[str, str]
) -> None:
    body = ask(client, codes["city"], "energy.load", at=minute(LAST))
    assert body["value"] is not None
    assert (body["score"], body["reason"], body["contributions"]) == (None, "no_goalposts", [])


def test_a_change_adds_up_over_a_change_of_policy_too(past: str, client: httpx.Client, city: City) -> None:
    for area in city.areas:
        for index in ("composite", "parking", KERB):
            body = ask(client, area.code, index, at=minute(LAST), since=minute(1), devices=0)
            change = body["change"]
            if change["points"] is None:
                assert change["effects"] == []
                continue
            for parts in ("effects", "byIndicator", "byArea"):
                assert abs(sum(part["points"] for part in change[parts]) - change["points"]) <= 1e-9
            assert {"path": "domains.parking.weight", "old": 1.0, "new": 2.0} in change["policy"]
    assert {"goalposts"} <= {effect["kind"] for effect in change["effects"]}


def test_a_district_is_explained_by_its_streets(past: str, client: httpx.Client, codes: dict[str, str]) -> None:
    body = ask(client, codes["east"], KERB, at=minute(2))
    assert {part["id"] for part in body["contributions"]} == {codes["first"], codes["second"]}
    assert sum(part["share"] for part in body["contributions"]) == pytest.approx(1)
    mean = sum(part["share"] * part["value"] for part in body["contributions"])
    assert mean == pytest.approx(body["value"])


def test_devices_and_rows_stand_behind_a_score(past: str, client: httpx.Client, codes: dict[str, str]) -> None:
    body = ask(client, codes["city"], KERB, at=minute(LAST), devices=100)
    assert body["devices"]
    assert {one["value"] for one in body["devices"]} == {1.0}, "under these goalposts an occupied bay pulls down"
    points = [one["points"] for one in body["devices"]]
    assert points == sorted(points, reverse=True)
    shown = client.get(body["devices"][0]["readings"]).json()["items"]
    assert shown[0]["status"] == "occupied"
    assert {one["device"] for one in shown} == {body["devices"][0]["device"]}
    (rows,) = body["rows"]
    assert rows["stream"] == "parking_bay"
    assert client.get(rows["href"]).json()["items"][:5] == rows["newest"]
    assert ask(client, codes["city"], "composite", at=minute(LAST), devices=2)["devices"]


def test_now_is_the_newest_tick(
    past: str, client: httpx.Client, pipeline: Pipeline, api: RunningApi, codes: dict[str, str]
) -> None:
    text = "[domains.parking]\nweight = 1.0\n[domains.energy]\nweight = 1.0\n" + "".join(
        f'[indicators."{name}"]\nweight = 1.0\ngoalposts = [[0, 0], [1, 100]]\n'
        for name in (KERB, "parking.unknown_share", "energy.load_factor")
    )
    pipeline.tick(7)
    wait_until(lambda: api.hub.snapshot.tick.number == 7, "the tick")
    path = f"/v1/areas/{codes['city']}/vitals/parking/why"
    assert client.get(path).status_code == 404, "nobody keeps the policy of these documents"
    with psycopg.connect(past) as connection:
        connection.execute("INSERT INTO policies VALUES ('test-1', %s, now())", [text])
    body = ask(client, codes["city"], "parking")
    assert (body["live"], body["score"]) == (True, 80.0)
    shown = {part["id"]: part["points"] for part in body["contributions"]}
    assert shown == {KERB: 40.0, "parking.unknown_share": 45.0, "unexplained": -5.0}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/areas/123/vitals/composite/why", 404, "GET /v1/areas"),
        ("/v1/areas/{city}/vitals/parkin/why", 404, "parking"),
        ("/v1/areas/{city}/vitals/composite/why?at=yesterday", 422, "yesterday"),
        ("/v1/areas/{city}/vitals/composite/why?at=2020-01-01T00:00:00Z", 404, "the nearest: 2026-11-20T08:00:00"),
        ("/v1/areas/{city}/vitals/composite/why?at=2026-11-20T08:03:00Z", 404, "nearest: 2026-11-20T08:09:00"),
        (
            "/v1/areas/{city}/vitals/composite/why?at=2026-11-20T00:03:00Z&since=2026-11-20T00:05:00Z",
            422,
            "must be before",
        ),
        ("/v1/areas/{city}/vitals/composite/why?devices=101", 422, "100"),
    ],
)
def test_what_is_wrong_is_told(
    past: str, client: httpx.Client, codes: dict[str, str], path: str, status: int, words: str
) -> None:
    answer = client.get(path.format(**codes))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_policies_their_changes_and_differences_are_told(past: str, client: httpx.Client) -> None:
    current = client.get("/v1/policy").json()
    policy_models.PolicyShape.model_validate(current)
    assert current["version"] == HEAVY.version
    assert current["domains"]["parking"]["weight"] == 2
    assert parse(current["text"]) == HEAVY
    assert client.get(f"/v1/policy/{SHIPPED.version}").json()["version"] == SHIPPED.version
    listed = client.get("/v1/policy/changes").json()["items"]
    assert [item["version"] for item in listed] == [HEAVY.version, SHIPPED.version]
    assert listed[0]["at"] == minute(TURN)
    assert {"path": "domains.parking.weight", "old": 1.0, "new": 2.0} in listed[0]["changes"]
    page = client.get("/v1/policy/changes", params={"limit": 1}).json()
    following = client.get("/v1/policy/changes", params={"limit": 1, "cursor": page["next"]}).json()
    assert [page["items"][0]["version"], following["items"][0]["version"]] == [HEAVY.version, SHIPPED.version]
    found = client.get("/v1/policy/diff", params={"from": SHIPPED.version, "to": "current"}).json()
    policy_models.PolicyDifference.model_validate(found)
    assert found["changes"] == listed[0]["changes"]
    assert client.get("/v1/policy/1-nothing").status_code == 404
    wrong = client.get("/v1/policy/diff", params={"from": "1-nothing"})
    assert (wrong.status_code, "1-nothing" in wrong.json()["detail"]) == (422, True)


def test_history_says_which_policy_a_minute_was_judged_by(
    past: str, client: httpx.Client, codes: dict[str, str]
) -> None:
    query = {"indicator": KERB, "from": minute(0), "to": minute(LAST + 1)}
    items = client.get(f"/v1/areas/{codes['city']}/vitals/history", params=query).json()["items"]
    assert [item["methodVersion"] for item in items] == [SHIPPED.version] * TURN + [HEAVY.version] * (LAST + 1 - TURN)


def test_the_shipped_policy_is_in_force_where_none_was_recorded(database_url: str, client: httpx.Client) -> None:
    body = client.get("/v1/policy").json()
    assert (body["version"], body["since"]) == (SHIPPED.version, None)
    assert client.get("/v1/policy/changes").json() == {"items": [], "next": None}
