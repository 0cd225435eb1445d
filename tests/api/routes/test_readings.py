from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from live_api import insert_reading

from api import models

EIGHT = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def fleet(client: httpx.Client, database_url: str, codes: dict[str, str]) -> None:
    """Two bays in east, one in west, each with twelve readings; the last is of this minute."""
    items = [
        {"id": name, "kind": "parking_bay", "area": codes[area]}
        for name, area in (("bay-a", "first"), ("bay-b", "second"), ("bay-c", "third"))
    ]
    assert client.post("/v1/devices", json=items).status_code == 201
    now = datetime.now(UTC)
    ages = [0, 20, 60, 300, 1200, 3600, 10_000, 40_000, 100_000, 300_000, 900_000, 2_000_000]
    for name in ("bay-a", "bay-b", "bay-c"):
        for age in ages:
            insert_reading(database_url, "parking_bay", name, now - timedelta(seconds=age), status="free")


def read(client: httpx.Client, stream: str, **params: Any) -> list[dict[str, Any]]:
    names = {name.removesuffix("_"): value for name, value in params.items()}
    answer = client.get(f"/v1/readings/{stream}", params=names)
    assert answer.status_code == 200, answer.text
    models.Page[models.Reading].model_validate(answer.json())
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_reading_has_the_names_of_the_wire_and_leaves_out_what_was_not_measured(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    client.post("/v1/devices", json={"id": "bus-1", "kind": "bus", "area": codes["city"]})
    observed = EIGHT + timedelta(milliseconds=123)
    insert_reading(database_url, "bus", "bus-1", observed, seq=9, position_lon=121.5, position_lat=31.2, route="71")
    (reading,) = read(client, "bus")
    received = reading.pop("receivedAt")
    assert received.endswith("+08:00")
    assert reading == {
        "device": "bus-1",
        "dateObserved": "2026-11-20T08:00:00.123+08:00",
        "seq": 9,
        "position": {"type": "Point", "coordinates": [121.5, 31.2]},
        "route": "71",
    }


def test_an_event_is_a_stream_of_its_own_and_its_times_are_local(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    client.post("/v1/devices", json={"id": "bus-1", "kind": "bus", "area": codes["city"]})
    times = {"scheduled_at": EIGHT, "arrived_at": EIGHT + timedelta(microseconds=1_500_000)}
    insert_reading(database_url, "bus_arrival", "bus-1", EIGHT, route="71", trip="t", stop="s", **times)
    (reading,) = read(client, "bus_arrival")
    assert "seq" not in reading
    assert reading["scheduledAt"] == "2026-11-20T08:00:00+08:00"
    assert reading["arrivedAt"] == "2026-11-20T08:00:01.5+08:00"
    assert "predictedAt" not in reading


@pytest.mark.usefixtures("fleet")
def test_readings_come_newest_first_over_all_devices(client: httpx.Client) -> None:
    readings = read(client, "parking_bay")
    assert len(readings) == 36
    times = [datetime.fromisoformat(reading["dateObserved"]) for reading in readings]
    assert times == sorted(times, reverse=True)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("filters", [{}, {"area": "east"}, {"device": "bay-a"}])
@pytest.mark.parametrize("limit", [1, 5, 7])
def test_pages_meet_without_gap_or_overlap(
    client: httpx.Client, codes: dict[str, str], filters: dict[str, str], limit: int
) -> None:
    params: dict[str, Any] = {name: codes.get(value, value) for name, value in filters.items()}
    whole = read(client, "parking_bay", **params, limit=1000)
    pages: list[dict[str, Any]] = []
    cursor = None
    while True:
        after = {"cursor": cursor} if cursor else {}
        page = client.get("/v1/readings/parking_bay", params={**params, "limit": limit, **after}).json()
        assert len(page["items"]) <= limit
        pages += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert pages == whole


@pytest.mark.usefixtures("fleet")
def test_an_area_includes_all_below_it(client: httpx.Client, codes: dict[str, str]) -> None:
    def devices(area: str) -> set[str]:
        return {reading["device"] for reading in read(client, "parking_bay", area=codes[area])}

    assert devices("city") == {"bay-a", "bay-b", "bay-c"}
    assert devices("east") == {"bay-a", "bay-b"}
    assert devices("third") == {"bay-c"}


@pytest.mark.usefixtures("fleet")
def test_from_is_included_and_to_is_not(client: httpx.Client) -> None:
    times = [reading["dateObserved"] for reading in read(client, "parking_bay", device="bay-a")]
    between = read(client, "parking_bay", device="bay-a", from_=times[5], to=times[2])
    assert [reading["dateObserved"] for reading in between] == times[3:6]
    anywhere = read(client, "parking_bay", from_=times[5], to=times[2])
    assert {reading["device"] for reading in anywhere} >= {"bay-a"}
    assert all(times[5] <= reading["dateObserved"] < times[2] for reading in anywhere)


def test_readings_of_one_instant_are_told_apart_by_their_numbers(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    client.post("/v1/devices", json={"id": "bay-a", "kind": "parking_bay", "area": codes["first"]})
    for seq in range(5):
        insert_reading(database_url, "parking_bay", "bay-a", EIGHT, seq=seq, status="free")
    first = client.get("/v1/readings/parking_bay", params={"limit": 3}).json()
    rest = client.get("/v1/readings/parking_bay", params={"limit": 3, "cursor": first["next"]}).json()
    assert [reading["seq"] for reading in first["items"] + rest["items"]] == [4, 3, 2, 1, 0]


def test_a_device_that_is_not_registered_has_no_readings(client: httpx.Client) -> None:
    answer = client.get("/v1/readings/parking_bay", params={"device": "nobody"})
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


def test_an_unknown_stream_is_a_404_that_names_the_known(client: httpx.Client) -> None:
    answer = client.get("/v1/readings/devices")
    assert answer.status_code == 404
    assert "bus_arrival" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "x"),
        ("from", "yesterday"),
        ("to", "2026-11-20"),
        ("area", "1"),
        ("cursor", "abc"),
        ("cursor", "WzEsMiwzLDRd"),
        ("cursor", "WzEsOTk5OTk5OTk5OTk5LDBd"),
        ("cursor", "WzkyMjMzNzIwMzY4NTQ3NzU4MDcsMSwwXQ"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(client: httpx.Client, name: str, value: str) -> None:
    answer = client.get("/v1/readings/parking_bay", params={name: value})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["name"] == name


def test_from_must_be_before_to(client: httpx.Client) -> None:
    span = {"from": "2026-11-20T08:00:00+08:00", "to": "2026-11-20T00:00:00Z"}
    assert client.get("/v1/readings/bus", params=span).status_code == 422
