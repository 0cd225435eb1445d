import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from live_api import heeding, insert_reading, wait_until

from api import models
from devices.city import City


@pytest.fixture
def bay(codes: dict[str, str]) -> dict[str, Any]:
    return {
        "id": "bay-17",
        "kind": "parking_bay",
        "area": codes["first"],
        "location": {"type": "Point", "coordinates": [121.05, 31.05]},
        "name": "天平路 17",
        "attributes": {"reportingInterval": 60, "owner": {"name": "street office"}},
    }


def register(client: httpx.Client, items: Any) -> dict[str, str]:
    answer = client.post("/v1/devices", json=items)
    assert answer.status_code == 201, answer.text
    page = models.Page[models.Registration].model_validate(answer.json())
    return {item.id: item.result for item in page.items}


def test_a_registered_device_is_read_back_as_it_was_given(client: httpx.Client, bay: dict[str, Any]) -> None:
    assert register(client, bay) == {"bay-17": "created"}
    device = client.get("/v1/devices/bay-17").json()
    models.DeviceDetail.model_validate(device)
    assert {key: device[key] for key in bay} == bay
    assert device["status"] is None
    assert device["last"] == {"parking_bay": None}


def test_registering_again_tells_what_changed(client: httpx.Client, bay: dict[str, Any], codes: dict[str, str]) -> None:
    register(client, bay)
    assert register(client, [bay, bay | {"id": "bay-18"}]) == {"bay-17": "unchanged", "bay-18": "created"}
    assert register(client, bay | {"area": codes["third"], "location": None}) == {"bay-17": "updated"}
    device = client.get("/v1/devices/bay-17").json()
    assert (device["area"], device["location"]) == (codes["third"], None)


def test_the_pipeline_hears_of_new_and_changed_devices(
    client: httpx.Client, broker_url: str, city: City, bay: dict[str, Any]
) -> None:
    heard: list[Any] = []
    with heeding(broker_url, city, "registry", heard.append):
        register(client, bay)
        register(client, [bay, bay | {"id": "bay-18"}])
        wait_until(lambda: len(heard) == 2, "two commands")
    assert heard == [{"devices": ["bay-17"]}, {"devices": ["bay-18"]}]


def test_one_wrong_item_refuses_the_list_and_names_index_value_and_what_is_right(
    client: httpx.Client, bay: dict[str, Any]
) -> None:
    answer = client.post("/v1/devices", json=[bay, bay | {"id": "bay-18", "area": "999999999"}])
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert (error["index"], error["field"]) == (1, "area")
    assert "999999999" in error["detail"]
    assert "must be" in error["detail"]
    assert client.get("/v1/devices").json()["items"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "a/b"),
        ("id", "ü" * 129),
        ("attributes", {"watermark": {"from": -1}}),
        ("id", 5),
        ("kind", "toaster"),
        ("kind", ["bus"]),
        ("area", "310104003 "),
        ("location", {"type": "Point", "coordinates": [200, 31]}),
        ("location", {"type": "Polygon", "coordinates": []}),
        ("name", "x" * 257),
        ("name", "nul\x00"),
        ("attributes", []),
        ("attributes", {"deep": "nul\x00"}),
        ("attributes", {"big": "x" * 20_000}),
        ("attributes", {"reportingInterval": 0}),
        ("attributes", {"reportingInterval": 1e-300}),
        ("attributes", {"reportingInterval": 1e300}),
        ("attributes", {"reportingInterval": True}),
        ("attributes", json.loads("[" * 500 + "]" * 500)),
        ("attributes", {"deep": json.loads("[" * 500 + "]" * 500)}),
        ("attributes", {"measures": ["speed"]}),
        ("attributes", {"retired": "yes"}),
        ("attributes", {"gateway": 5}),
        ("colour", "red"),
    ],
)
def test_each_wrong_value_is_named(client: httpx.Client, bay: dict[str, Any], field: str, value: Any) -> None:
    answer = client.post("/v1/devices", json=bay | {field: value})
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["errors"][0]["detail"]
    assert "must be" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_another_hosts_page_changes_nothing(client: httpx.Client, bay: dict[str, Any], origin: str) -> None:
    headers = {"Origin": origin, "Content-Type": "text/plain"}  # what a browser sends without asking first
    for path in ("/v1/devices", "/v1/rejects/replay", f"/v1/devices/{bay['id']}/marks", "/v1/marks/1/lift"):
        answer = client.post(path, content=json.dumps(bay), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:cityvitals:problem:foreign_origin")
    assert client.get("/v1/devices").json()["items"] == []
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/v1/devices", json=bay, headers=own).status_code == 201


def test_an_id_twice_in_a_list_is_refused(client: httpx.Client, bay: dict[str, Any]) -> None:
    answer = client.post("/v1/devices", json=[bay, bay])
    assert answer.status_code == 422
    assert "also at index 0" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[1]", b"null", b"\xff", b"[" * 5000])
def test_a_body_that_is_no_registration_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/devices", content=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_device_keeps_its_kind(client: httpx.Client, bay: dict[str, Any]) -> None:
    register(client, bay)
    answer = client.post("/v1/devices", json=[bay | {"id": "bus-1", "kind": "bus"}, bay | {"kind": "bus"}])
    assert answer.status_code == 409
    assert answer.json()["errors"] == [
        {
            "index": 1,
            "field": "kind",
            "value": "bus",
            "detail": "item 1: kind is bus, must be parking_bay, as device bay-17 is registered; "
            "another kind needs another id",
        }
    ]
    assert client.get("/v1/devices/bus-1").status_code == 404, "nothing of the list was written"


def test_ten_thousand_devices_are_registered_at_once_and_one_more_is_refused(
    client: httpx.Client, codes: dict[str, str]
) -> None:
    fleet = [{"id": f"meter-{n}", "kind": "energy_meter", "area": codes["third"]} for n in range(10_001)]
    assert client.post("/v1/devices", json=fleet).status_code == 422
    assert set(register(client, fleet[:-1]).values()) == {"created"}


def test_a_body_beyond_the_limit_is_refused(client: httpx.Client) -> None:
    def endless() -> Any:
        for _ in range(9):
            yield b" " * 1024 * 1024

    announced = client.post("/v1/devices", content=b" " * (9 * 1024 * 1024))
    streamed = client.post("/v1/devices", content=endless())
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert streamed.json()["type"].endswith("too_large")


def test_devices_are_filtered_by_kind_area_and_text(
    client: httpx.Client, bay: dict[str, Any], codes: dict[str, str]
) -> None:
    bus = {"id": "Bus_1%", "kind": "bus", "area": codes["third"], "name": "Linie"}
    register(client, [bay, bay | {"id": "bay-18", "area": codes["second"]}, bus])

    def ids(**filters: str) -> list[str]:
        return [device["id"] for device in client.get("/v1/devices", params=filters).json()["items"]]

    assert ids() == ["Bus_1%", "bay-17", "bay-18"] or ids() == ["bay-17", "bay-18", "Bus_1%"]
    assert ids(kind="bus") == ["Bus_1%"]
    assert ids(area=codes["east"]) == ["bay-17", "bay-18"]
    assert ids(area=codes["second"]) == ["bay-18"]
    assert ids(q="linie") == ids(q="s_1%") == ["Bus_1%"]
    assert ids(q="天平路", area=codes["first"]) == ["bay-17"]
    assert client.get("/v1/devices", params={"kind": "toaster"}).status_code == 422


def test_pages_of_devices_meet_without_gap_or_overlap(client: httpx.Client, codes: dict[str, str]) -> None:
    fleet = [{"id": f"m-{n:02d}", "kind": "energy_meter", "area": codes["third"]} for n in range(25)]
    register(client, fleet)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "10"} | ({"cursor": cursor} if cursor else {})
        page = models.Page[models.RegisteredDevice].model_validate(client.get("/v1/devices", params=params).json())
        seen += [device.id for device in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [device["id"] for device in fleet]


def test_a_device_shows_its_newest_reading_by_observation(
    client: httpx.Client, database_url: str, bay: dict[str, Any]
) -> None:
    register(client, bay)
    insert_reading(database_url, "parking_bay", "bay-17", datetime(2026, 11, 20, 0, 5, tzinfo=UTC), status="occupied")
    insert_reading(database_url, "parking_bay", "bay-17", datetime(2026, 11, 20, 0, 1, tzinfo=UTC), status="free")
    last = client.get("/v1/devices/bay-17").json()["last"]["parking_bay"]
    assert (last["dateObserved"], last["status"]) == ("2026-11-20T08:05:00+08:00", "occupied")


@pytest.mark.parametrize("device", ["nobody", "%00", "北"])
def test_an_unknown_device_is_a_404(client: httpx.Client, device: str) -> None:
    assert client.get(f"/v1/devices/{device}").json()["type"].endswith("unknown_device")
