"""Routes over a real database: what the engine says of an area with one route, pages, spans, and the stops behind."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
from processing_material import NOW, batch, instant, observed, store

from api import transit_models as models
from api.times import rfc3339
from devices.city import City
from devices.kinds import kinds
from devices.units import EPOCH
from ingest.registry import Device, Devices
from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.policy import SHIPPED, parse
from processing.policy_store import record_change
from processing.restore import read_horizon
from processing.routes import measurable
from processing.settling import LATENESS
from processing.trackers import stream_windows

AT = rfc3339(EPOCH + timedelta(microseconds=NOW))
ROWS = measurable(INDICATORS)
STRICT = parse('[indicators."transit.on_time_share"]\ngoalposts = [[0, 0], [1, 50]]\nwindow = 1800\n')
Reading = tuple[int, dict[str, Any]]


def fleet(codes: dict[str, str]) -> list[Device]:
    streets = [codes["first"], codes["second"], codes["third"]]
    seldom = {"reportingInterval": 300}
    return [Device(k, f"bus-{k}", "bus", streets[k % 3], attributes=seldom if k == 1 else {}) for k in range(1, 10)]


def readings() -> dict[str, list[Reading]]:
    """The first two streets share the route 71/支; the third has 20."""
    rng = random.Random(9)
    arrivals: list[Reading] = []
    places: list[Reading] = []
    for key in range(1, 10):
        route = "20" if key % 3 == 2 else "71/支"
        for number in range(12):
            for place, stop in enumerate("abc"):
                planned = -3900 + 300 * number + 7 * key
                happened = planned + rng.choice([-70, 0, 60, 200, 400] if stop == "b" else [0, 30, 60])
                named = {"route": route, "stop": stop, "trip": f"{key}-{number}", "seq": 3 * number + place}
                told = {"predictedAt": instant(happened - 20)} if rng.random() < 0.5 else {}
                times = {"scheduledAt": instant(planned), "arrivedAt": instant(happened)}
                arrivals.append((key, observed(happened, **named, **times, **told)))
        for n in range(1 if key == 1 else 0, 40):
            where = {"type": "Point", "coordinates": [121 + n / 1000 + key / 100, 31.0]}
            back = 30 * n + key + (200 * n if key == 1 else 0)
            places.append((key, observed(-back, position=where, route=route, trip=f"{key}-{n // 15}")))
    return {"bus_arrival": arrivals, "bus": places}


@pytest.fixture
def heard(database_url: str, codes: dict[str, str]) -> str:
    with psycopg.connect(database_url) as connection:
        store(connection, fleet(codes), *(batch(stream, rows) for stream, rows in readings().items()))
    return database_url


def ask(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/v1/routes", params={"from" if k == "from_" else k: v for k, v in query.items()})
    assert answer.status_code == 200, answer.text
    models.Routes.model_validate(answer.json())
    body: dict[str, Any] = answer.json()
    return body


def one(client: httpx.Client, route: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/routes/{route.replace('/', '%2F')}", params=query)
    assert answer.status_code == 200, answer.text
    models.RouteDetail.model_validate(answer.json())
    body: dict[str, Any] = answer.json()
    return body


def test_a_route_that_an_area_has_alone_has_its_values(
    heard: str, client: httpx.Client, city: City, codes: dict[str, str]
) -> None:
    engine = Engine([area.code for area in city.areas], city.parents, kinds())
    engine.register(fleet(codes))
    with psycopg.connect(heard, autocommit=True) as connection:
        for one_batch in read_horizon(
            connection, kinds()["bus"], Devices.of(fleet(codes)), stream_windows(INDICATORS), NOW
        ):
            engine.fold(one_batch)
    snapshot = engine.evaluate(NOW)
    for area, route in (("first", "71/支"), ("second", "71/支"), ("city", None), ("third", "20")):
        body = ask(client, area=codes[area], at=AT)
        names = [item["route"] for item in body["items"]]
        if route is None:
            assert names == sorted(names)
            continue
        assert names == [route]
        said = body["items"][0]["indicators"]
        assert set(said) == {row.id for row in ROWS}
        for row in ROWS:
            values, label = snapshot.indicators[row.id], city.index[codes[area]]
            assert said[row.id]["value"] == values.value[label], row.id
            assert said[row.id]["score"] == values.score[label], row.id
            assert not np.isnan(values.value[label])


def test_the_list_has_pages_without_gap_or_overlap_in_any_order(heard: str, client: httpx.Client) -> None:
    for by in ("route", "transit", "transit.on_time_share"):
        whole = ask(client, at=AT, by=by)
        first = ask(client, at=AT, by=by, limit=1)
        second = ask(client, by=by, limit=1, cursor=first["next"])
        assert [*first["items"], *second["items"]] == whole["items"]
        assert second["next"] is None
        assert second["at"] == first["at"] == "2026-11-20T08:00:00+08:00"
    points = [item["points"] for item in ask(client, at=AT, by="transit")["items"]]
    assert points == sorted(points, reverse=True)


def test_a_route_names_the_stops_that_cost_it_most(heard: str, client: httpx.Client) -> None:
    body = one(client, "71/支", at=AT)
    assert body["stops"] == 3
    assert (body["state"], body["methodVersion"]) == ("final", SHIPPED.version)
    share = body["indicators"]["transit.on_time_share"]
    assert [stop["stop"] for stop in share["stops"]] == ["b"]
    assert share["stops"][0]["points"] > 0
    assert share["stops"][0]["value"] < share["value"]
    assert all("stops" in value for value in body["indicators"].values())
    none = one(client, "71/支", at=AT, stops=0)["indicators"]
    assert all(value["stops"] == [] for value in none.values())


def test_a_span_bounds_the_arrivals_start_included_end_not(heard: str, client: httpx.Client) -> None:
    told = [fields for _, fields in readings()["bus_arrival"] if fields["route"] == "20"]
    start, end = sorted(fields["dateObserved"] for fields in told)[10:60:49]
    body = one(client, "20", **{"from": start, "to": end})
    inside = [fields for fields in told if start <= fields["dateObserved"] < end]
    assert body["arrivals"] == len(inside)
    assert body["buses"] == 3
    late = [fields["arrivedAt"] - fields["scheduledAt"] for fields in inside]
    share = sum(-60_000 <= delay < 360_000 for delay in late) / len(late)
    assert body["indicators"]["transit.on_time_share"]["value"] == pytest.approx(share, rel=1e-12)
    assert body["indicators"]["transit.on_time_share"]["observations"] == len(inside)


def test_a_bus_counts_where_it_stood_then(heard: str, client: httpx.Client, codes: dict[str, str]) -> None:
    def counted(later: int) -> dict[str, int]:
        at = rfc3339(EPOCH + timedelta(microseconds=NOW + later))  # another window, which was not read before
        return {
            name: sum(item["arrivals"] for item in ask(client, at=at, area=code)["items"])
            for name, code in codes.items()
        }

    before = counted(1)
    with psycopg.connect(heard, autocommit=True) as connection:
        connection.execute("UPDATE devices SET area = %s WHERE key = 3", [codes["third"]])
        assert counted(2) == before
        moved = EPOCH + timedelta(microseconds=NOW - 1_800_000_000)
        connection.execute("UPDATE device_past SET until = %s WHERE device = 3", [moved])
    told = [fields["dateObserved"] for key, fields in readings()["bus_arrival"] if key == 3]
    since = sum(NOW / 1000 - 1_800_000 <= instant_of <= NOW / 1000 for instant_of in told)
    after = counted(3)
    assert since > 0
    assert after["first"] == before["first"] - since
    assert after["third"] == before["third"] + since
    assert after["city"] == before["city"]


def test_the_policy_of_that_time_judges(heard: str, client: httpx.Client) -> None:
    with psycopg.connect(heard, autocommit=True) as connection:
        record_change(connection, SHIPPED, NOW - 86_400_000_000)
        record_change(connection, STRICT, NOW + 60_000_000)
    before, after = (
        one(client, "20", at=rfc3339(EPOCH + timedelta(microseconds=NOW + s * 1_000_000))) for s in (1, 61)
    )
    assert (before["methodVersion"], after["methodVersion"]) == (SHIPPED.version, STRICT.version)
    share = after["indicators"]["transit.on_time_share"]
    assert share["score"] == pytest.approx(50 * share["value"])
    assert share["observations"] < before["indicators"]["transit.on_time_share"]["observations"]


def test_now_is_the_newest_full_minute_and_what_did_not_change_is_not_sent_again(
    heard: str, client: httpx.Client
) -> None:
    before = datetime.now(UTC)
    answer = client.get("/v1/routes")
    assert answer.json()["items"] == []
    at = datetime.fromisoformat(answer.json()["at"])
    assert at.second == 0
    after = datetime.now(UTC)
    assert before - timedelta(seconds=62) < at <= after
    lateness = timedelta(microseconds=LATENESS)  # in the first two seconds of a minute the one before is just final
    states = ["final" if moment >= at + lateness else "provisional" for moment in (before, after)]
    assert answer.json()["state"] in states
    past = client.get("/v1/routes", params={"at": AT})
    again = client.get("/v1/routes", params={"at": AT}, headers={"If-None-Match": past.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("", {"area": "999"}, 422, 'area is "999"'),
        ("", {"by": "speed"}, 422, "by is"),
        ("", {"at": AT, "from": AT}, 422, "must not be given together with from or to"),
        ("", {"from": "2026-11-18T00:00:00Z", "to": AT}, 422, "at most a day before to"),
        ("", {"from": AT, "to": AT}, 422, "must be before to"),
        ("", {"cursor": "abc"}, 422, "cursor"),
        ("/nope", {"at": AT}, 404, 'route is "nope", must be one that was heard'),
        ("/20", {"at": AT, "stops": 101}, 422, "stops"),
    ],
)
def test_what_cannot_be_answered(
    heard: str, client: httpx.Client, path: str, query: dict[str, str], status: int, words: str
) -> None:
    answer = client.get(f"/v1/routes{path}", params=query)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
