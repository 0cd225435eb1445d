"""What-ifs over a real database: readings of an hour are stored, and what the engine said of them as final minutes."""

import socket
import threading
from typing import Any

import httpx
import numpy as np
import orjson
import psycopg
import pytest
from live_api import PATIENCE, RunningApi, wait_until
from processing_material import MINUTE, NOW, batch, observed, store

from api import whatif_models as models
from devices.city import City
from devices.kinds import kinds
from ingest.registry import Device
from processing.documents import Documents
from processing.engine import Engine
from processing.legends import legend_of
from processing.policy import SHIPPED, Policy, changed
from processing.recompute import recompute
from processing.store import write_history

SPAN = {"from": "2026-11-20T08:02:00+08:00", "to": "2026-11-20T08:09:00+08:00"}
FIRST, LAST = NOW + 2 * MINUTE, NOW + 9 * MINUTE
BAYS, HUTS = 9, 4


def readings() -> list[Any]:
    """Ten minutes: bays that fill up one after the other, huts whose smell comes and goes."""
    bays = [
        (key, observed(second, status="occupied" if second / 60 >= key else "free"))
        for second in range(0, 600, 30)
        for key in range(1, BAYS + 1)
    ]
    huts = [
        (20 + key, observed(second + key, nh3=3.0 if (second // 60 + key) % 3 == 0 else 0.2, fillingLevelFood=key / 5))
        for second in range(0, 600, 60)
        for key in range(1, HUTS + 1)
    ]
    return [batch("parking_bay", bays), batch("garbage_hut", huts)]


def new_engine(city: City, policy: Policy) -> Engine:
    return Engine([a.code for a in city.areas], city.parents, kinds(), policy.indicators, policy.domains)


@pytest.fixture
def hour(database_url: str, city: City, codes: dict[str, str]) -> str:
    """The database with devices, readings and final minutes."""
    streets = [codes["first"], codes["second"], codes["third"]]
    members = [Device(key, f"bay-{key}", "parking_bay", streets[key % 3]) for key in range(1, BAYS + 1)]
    members += [Device(20 + key, f"hut-{key}", "garbage_hut", streets[key % 3]) for key in range(1, HUTS + 1)]
    with psycopg.connect(database_url) as connection:
        store(connection, members, *readings())
    with psycopg.connect(database_url) as connection, psycopg.connect(database_url) as writer:
        documents = Documents(city, new_engine(city, SHIPPED))
        for snapshot in recompute(connection, lambda: new_engine(city, SHIPPED), FIRST, LAST):
            write_history(writer, documents.history(snapshot, "final"))
    return database_url


def ask(client: httpx.Client, **question: Any) -> dict[str, Any]:
    answer = client.post("/v1/whatif", json=SPAN | question)
    assert answer.status_code == 200, answer.text
    models.WhatIf.model_validate(answer.json())
    body: dict[str, Any] = answer.json()
    return body


def refused(client: httpx.Client, **question: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/whatif", json=SPAN | question)
    assert answer.status_code == 422, answer.text
    errors: list[dict[str, Any]] = answer.json()["errors"]
    return errors


def line(body: dict[str, Any], area: str, index: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in body["items"] if (item["area"], item["index"]) == (area, index))
    return found


def by_engine(database_url: str, city: City, policy: Policy, area: str, index: str) -> list[float | None]:
    """Scores of an index at each minute as the engine makes them under a policy."""
    with psycopg.connect(database_url) as connection:
        scores = []
        for snapshot in recompute(connection, lambda: new_engine(city, policy), FIRST, LAST):
            groups = {"composite": snapshot.composite, **snapshot.domains, **snapshot.indicators}
            score = float(groups[index].score[city.index[area]])
            scores.append(None if score != score else score)
        return scores


CHANGES = {
    "domains": {"waste": {"weight": 3}},
    "indicators": {
        "parking.kerb_occupancy": {"goalposts": [[0.1, 100], [0.5, 20], [1.0, 0]]},
        "waste.nh3_exceedance": {"weight": 4},
    },
}


def test_changed_weights_and_goalposts_score_as_the_engine_would(
    hour: str, client: httpx.Client, city: City, codes: dict[str, str]
) -> None:
    areas = [codes["city"], codes["first"]]
    body = ask(client, areas=areas, policy=CHANGES, indices=["composite", "parking", "waste", "parking.kerb_occupancy"])
    policy = changed(SHIPPED, CHANGES)
    assert body["basis"] == "vitals"
    assert body["methodVersion"] == {"was": SHIPPED.version, "would": policy.version}
    assert {change["path"] for change in body["changes"]} == {
        "domains.waste.weight",
        "indicators.parking.kerb_occupancy.goalposts",
        "indicators.waste.nh3_exceedance.weight",
    }
    moved = 0
    for item in body["items"]:
        for name, table in (("was", SHIPPED), ("would", policy)):
            expected = by_engine(hour, city, table, item["area"], item["index"])
            assert [point[name]["score"] for point in item["points"]] == pytest.approx(expected, abs=1e-12)
        moved += item["score"]["difference"] != 0
    assert moved >= 6


def test_without_a_change_both_lines_are_the_same(hour: str, client: httpx.Client, codes: dict[str, str]) -> None:
    body = ask(client, areas=[codes["east"]], indices=["composite", "waste", "waste.nh3_exceedance"])
    assert body["changes"] == []
    for item in body["items"]:
        assert len(item["points"]) == 8
        assert all(point["was"] == point["would"] for point in item["points"])
        assert item["score"]["largest"] == 0


def test_without_some_devices_the_rest_is_measured_from_the_readings(
    hour: str, client: httpx.Client, codes: dict[str, str]
) -> None:
    body = ask(
        client,
        areas=[codes["city"]],
        indices=["parking.kerb_occupancy"],
        devices={"exclude": {"ids": ["bay-1", "bay-2", "bay-8"], "kinds": ["parking_bay"]}},
    )
    assert (body["basis"], body["devices"]) == ("readings", {"counted": BAYS + HUTS - 3, "registered": BAYS + HUTS})
    for minute, point in enumerate(body["items"][0]["points"], 2):
        bays = [key for key in range(1, BAYS + 1) if key not in (1, 2, 8)]
        assert point["was"]["value"] == pytest.approx(sum(key <= minute for key in range(1, BAYS + 1)) / BAYS)
        assert point["would"]["value"] == pytest.approx(sum(key <= minute for key in bays) / len(bays))


def test_only_the_devices_of_an_area_leave_the_others_without(
    hour: str, client: httpx.Client, codes: dict[str, str]
) -> None:
    body = ask(client, areas=[codes["east"], codes["west"]], devices={"only": {"areas": [codes["east"]]}})
    east, west = line(body, codes["east"], "parking"), line(body, codes["west"], "parking")
    assert all(point["was"] == point["would"] for point in east["points"])
    assert {point["would"]["reason"] for point in west["points"]} == {"no_devices"}
    assert west["score"]["unknownWould"] == 8


@pytest.mark.parametrize("change", [{"window": 120}, {"minimum_coverage": 0.9}])
def test_another_window_or_coverage_is_measured_from_the_readings(
    hour: str, client: httpx.Client, city: City, codes: dict[str, str], change: dict[str, Any]
) -> None:
    tables = {"domains": {}, "indicators": {"waste.nh3_exceedance": change}}
    body = ask(client, areas=[codes["city"]], policy=tables)
    assert body["basis"] == "readings"
    item = line(body, codes["city"], "waste.nh3_exceedance")
    expected = by_engine(hour, city, changed(SHIPPED, tables), codes["city"], "waste.nh3_exceedance")
    assert [point["would"]["score"] for point in item["points"]] == expected


def test_a_longer_step_takes_fewer_minutes(hour: str, client: httpx.Client, codes: dict[str, str]) -> None:
    body = ask(client, areas=[codes["city"]], step="3m", indices=["composite"])
    times = [point["at"][11:16] for point in body["items"][0]["points"]]
    assert (body["step"], times) == (180, ["08:02", "08:05", "08:08"])


def test_minutes_that_are_not_final_are_left_out(hour: str, client: httpx.Client, codes: dict[str, str]) -> None:
    body = ask(client, areas=[codes["city"]], indices=["composite"], to="2026-11-20T12:00:00+08:00")
    assert body["to"] == "2026-11-20T08:09:00+08:00"


def test_a_span_without_final_minutes_is_refused(client: httpx.Client, codes: dict[str, str]) -> None:
    assert "no minute with final vital signs" in refused(client, areas=[codes["city"]])[0]["detail"]


@pytest.mark.parametrize(
    ("question", "detail"),
    [
        ({"areas": ["1"]}, 'areas is "1", must be a code of GET /v1/areas'),
        ({"areas": []}, "areas is"),
        ({"indices": ["parking.kerb"]}, 'indices is "parking.kerb", must be one of composite, '),
        ({"step": "90s"}, "must be full minutes"),
        ({"from": "2026-11-20T09:00:00+08:00"}, "must not lie after to"),
        ({"from": "2026-09-20T09:00:00+08:00"}, "must lie at most 31 days before to"),
        ({"from": "yesterday"}, "from is"),
        ({"from": "2026-11-01T09:00:00+08:00"}, "100000 are the most"),
        ({"devices": {"exclude": {}}}, "must name ids, kinds or areas"),
        ({"policy": {"indicator": {}}}, "indicator is"),
    ],
)
def test_a_wrong_question_is_refused_with_what_would_be_right(
    client: httpx.Client, codes: dict[str, str], question: dict[str, Any], detail: str
) -> None:
    wrong = {"areas": [codes["city"]]} | question
    assert any(detail in error["detail"] for error in refused(client, **wrong))


def test_everything_wrong_with_the_policy_is_named(hour: str, client: httpx.Client, codes: dict[str, str]) -> None:
    wrong = {
        "domains": {"parking": {"weight": -1}},
        "indicators": {"parking.kerb_occupancy": {"goalposts": [[1, 0], [0, 100]]}, "parking.kerb": {}},
    }
    details = [error["detail"] for error in refused(client, areas=[codes["city"]], policy=wrong)]
    assert len(details) == 3
    assert any("weight is -1" in detail for detail in details)


def test_no_more_than_a_few_run_at_a_time(
    hour: str, api: RunningApi, client: httpx.Client, codes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = api.services
    monkeypatch.setattr(services.whatif, "_most", 0)
    answer = client.post("/v1/whatif", json=SPAN | {"areas": [codes["city"]]})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")


def test_nobody_waits_any_more_and_the_run_ends(
    hour: str, api: RunningApi, codes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller hangs up while a query hangs: the query is cancelled, the thread ends, its place is free again."""
    services = api.services
    entered = threading.Event()

    def hanging(connection: psycopg.Connection, *_: Any) -> None:
        entered.set()
        connection.execute("SELECT pg_sleep(600)")

    monkeypatch.setattr("api.whatif.what_if", hanging)
    body = orjson.dumps(SPAN | {"areas": [codes["city"]]})
    with socket.create_connection(("127.0.0.1", api.port)) as line:
        line.sendall(
            b"POST /v1/whatif HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        assert entered.wait(PATIENCE)
    wait_until(lambda: services.whatif._running == 0, "the run to end")


def test_what_takes_too_long_is_ended(
    hour: str, api: RunningApi, client: httpx.Client, codes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = api.services
    monkeypatch.setattr(services.whatif, "_deadline", 0.1)
    monkeypatch.setattr("api.whatif.what_if", lambda connection, *_: connection.execute("SELECT pg_sleep(600)"))
    answer = client.post("/v1/whatif", json=SPAN | {"areas": [codes["city"]]})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:cityvitals:problem:query_too_long")
    wait_until(lambda: services.whatif._running == 0, "the run to end")


def test_a_load_is_compared_with_what_is_usual_unless_a_meter_is_left_out(
    hour: str, client: httpx.Client, city: City, codes: dict[str, str]
) -> None:
    streets = {1: codes["first"], 2: codes["third"]}
    with psycopg.connect(hour) as connection:
        meters = [Device(40 + key, f"meter-{key}", "energy_meter", street) for key, street in streets.items()]
        rows = [(40 + key, observed(second, totalActivePower=12.0)) for second in range(0, 600, 60) for key in streets]
        store(connection, meters, batch("energy_meter", rows))
        areas = [area.code for area in city.areas]
        usual = np.full((24, len(areas)), 1.0)
        usual[8] = 10.0  # the hour of the span by the city's clock, not by UTC
        flat = usual.ravel().tolist()
        connection.execute(
            "INSERT INTO baselines (index, day, legend, median, spread, weeks)"
            " VALUES ('energy.load', '2026-11-20', %s, %s, %s, %s)",
            [legend_of(connection, areas), flat, flat, [3] * len(flat)],
        )
    asked = {"areas": [codes["city"], *streets.values()], "indices": ["energy.baseline_deviation"]}

    def would(**filtered: Any) -> list[tuple[float | None, str | None]]:
        items = ask(client, devices={"exclude": filtered}, **asked)["items"]
        return [(item["points"][-1]["would"]["value"], item["points"][-1]["would"]["reason"]) for item in items]

    assert would(kinds=["parking_bay"]) == [(pytest.approx(1.4), None), *[(pytest.approx(0.2), None)] * 2]
    unknown = (None, "no_baseline")
    assert would(ids=["meter-1"]) == [unknown, (None, "no_devices"), (pytest.approx(0.2), None)]
