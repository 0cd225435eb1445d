import dataclasses
from typing import Any

import httpx
import psycopg
import pytest
from live_api import RunningApi, heeding, running_api

from api import models
from api.config import ApiConfig
from devices.city import City


def reject(
    database_url: str, device: str, reason: str = "unknown_device", payload: bytes = b'{"status":"free"}'
) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "INSERT INTO rejects (received_at, topic, stream, device, reason, detail, payload)"
            " VALUES (now(), %s, 'parking_bay', %s, %s, 'what is wrong', %s) RETURNING id",
            [f"cv1/x/parking_bay/{device}/tele", device, reason, payload],
        ).fetchone()
    assert row is not None
    return int(row[0])


def resolve(database_url: str, ids: list[int], resolution: str = "stored") -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE rejects SET resolved_at = now(), resolution = %s WHERE id = ANY(%s)", [resolution, ids]
        )


def ids(client: httpx.Client, **filters: str) -> list[int]:
    page = models.Page[models.Reject].model_validate(client.get("/v1/rejects", params=filters).json())
    return [item.id for item in page.items]


def test_rejects_come_newest_first_and_are_filtered(client: httpx.Client, database_url: str) -> None:
    first = reject(database_url, "bay-1")
    second = reject(database_url, "bay-2", "range")
    resolve(database_url, [first])
    assert ids(client) == [second, first]
    assert ids(client, device="bay-1") == ids(client, resolved="true") == [first]
    assert ids(client, reason="range") == ids(client, resolved="false") == [second]
    assert ids(client, stream="bus") == []


def test_a_payload_is_shown_as_text_whatever_its_bytes(client: httpx.Client, database_url: str) -> None:
    number = reject(database_url, "bay-1", "syntax", b"\xff\x00{\xe5\x8c\x97")
    shown = models.Reject.model_validate(client.get(f"/v1/rejects/{number}").json())
    assert shown.payload == "\ufffd\x00{北"
    assert not shown.truncated


def test_a_long_payload_is_cut_and_says_so(client: httpx.Client, database_url: str) -> None:
    number = reject(database_url, "bay-1", "too_large", b"x" * 100_000)
    shown = client.get(f"/v1/rejects/{number}").json()
    assert (len(shown["payload"]), shown["truncated"]) == (65_536, True)


def test_pages_of_rejects_meet(client: httpx.Client, database_url: str) -> None:
    numbers = [reject(database_url, f"bay-{n}") for n in range(5)]
    page = client.get("/v1/rejects", params={"limit": 3}).json()
    rest = client.get("/v1/rejects", params={"limit": 3, "cursor": page["next"]}).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == numbers[::-1]
    assert rest["next"] is None


def test_a_replayed_reject_tells_how_it_ended(
    client: httpx.Client, database_url: str, broker_url: str, city: City
) -> None:
    number = reject(database_url, "bay-1")
    heard: list[Any] = []

    def act(command: Any) -> None:
        heard.append(command)
        resolve(database_url, command["rejects"])

    with heeding(broker_url, city, "replay", act):
        outcome = models.ReplayOutcome.model_validate(client.post(f"/v1/rejects/{number}/replay").json())
        assert (outcome.id, outcome.outcome) == (number, "stored")
        assert outcome.resolved_at is not None
        again = client.post(f"/v1/rejects/{number}/replay").json()
        assert again["outcome"] == "stored"
    assert heard == [{"rejects": [number]}], "what is resolved is not replayed"


def refuse(database_url: str, ids: list[int], reason: str, detail: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE rejects SET reason = %s, detail = %s WHERE id = ANY(%s)", [reason, detail, ids])


@pytest.mark.parametrize("reason", ["unknown_device", "range"])
def test_a_reject_that_is_refused_again_says_why_for_this_reason_or_another(
    api: RunningApi, database_url: str, broker_url: str, city: City, reason: str
) -> None:
    number = reject(database_url, "bay-1", "unknown_device")

    def act(command: Any) -> None:
        refuse(database_url, command["rejects"], reason, "what is wrong")

    with heeding(broker_url, city, "replay", act):
        outcome = httpx.post(f"{api.url}/v1/rejects/{number}/replay", timeout=30).json()
    assert (outcome["outcome"], outcome["reason"], outcome["detail"]) == ("rejected", reason, "what is wrong")
    assert outcome["resolvedAt"] is None


def test_a_replay_that_nobody_answers_ends(config: ApiConfig, database_url: str) -> None:
    number = reject(database_url, "bay-1", "range")
    with (
        running_api(dataclasses.replace(config, replay_wait=0.5)) as api,
        httpx.Client(base_url=api.url, timeout=30) as client,
    ):
        api.await_broker()
        assert client.post(f"/v1/rejects/{number}/replay").json()["outcome"] == "rejected"
        assert client.post("/v1/rejects/replay").json()["rejected"] == 1


def test_open_rejects_of_a_filter_are_replayed_together(
    client: httpx.Client, database_url: str, broker_url: str, city: City
) -> None:
    wanted = [reject(database_url, "bay-1") for _ in range(4)]
    other = reject(database_url, "bay-1", "range")
    resolve(database_url, wanted[:1])
    heard: list[int] = []

    def act(command: Any) -> None:
        heard.extend(command["rejects"])
        resolve(database_url, wanted[1:3])
        resolve(database_url, wanted[3:], "duplicate")

    with heeding(broker_url, city, "replay", act):
        answer = client.post("/v1/rejects/replay", params={"reason": "unknown_device"}).json()
    assert models.BulkReplay.model_validate(answer) == models.BulkReplay(requested=3, stored=2, duplicate=1, rejected=0)
    assert heard == wanted[1:]
    assert ids(client, resolved="false") == [other]


def test_replaying_nothing_is_no_error(client: httpx.Client) -> None:
    assert client.post("/v1/rejects/replay").json() == {"requested": 0, "stored": 0, "duplicate": 0, "rejected": 0}


@pytest.mark.parametrize("number", ["1", "9223372036854775807"])
@pytest.mark.usefixtures("database_url")
def test_an_unknown_reject_is_a_404(client: httpx.Client, number: str) -> None:
    assert client.get(f"/v1/rejects/{number}").status_code == 404
    assert client.post(f"/v1/rejects/{number}/replay").status_code == 404


@pytest.mark.parametrize("number", ["0", "x", "9223372036854775808"])
def test_what_is_no_number_is_a_422(client: httpx.Client, number: str) -> None:
    assert client.post(f"/v1/rejects/{number}/replay").status_code == 422
