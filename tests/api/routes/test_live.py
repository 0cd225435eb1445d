import dataclasses
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest
from live_api import Events, Pipeline, RunningApi, own_api, own_city, running_api, wait_until

from api.config import ApiConfig

city, api = own_city, own_api


@contextmanager
def listening(client: httpx.Client, last: str | None = None, **filters: Any) -> Iterator[Events]:
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", "/v1/live", params=filters, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)


def at_tick(api: RunningApi, number: int) -> None:
    wait_until(lambda: api.hub.snapshot.tick.number == number, f"tick {number}")


def test_a_snapshot_comes_first_then_each_tick_with_its_number(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    pipeline.tick(1)
    at_tick(api, 1)
    with listening(client) as events:
        name, number, snapshot = events.next()
        assert (name, number, snapshot["tick"]) == ("snapshot", "1", 1)
        assert snapshot["areas"].keys() == set(codes.values())
        assert snapshot["areas"][codes["east"]]["composite"]["score"] == 80.0
        at = pipeline.tick(2, {codes["east"]: 60.0})
        name, number, change = events.next()
        assert (name, number, change["tick"], change["at"]) == ("vitals", "2", 2, at)
        assert change["areas"][codes["east"]]["composite"]["score"] == 60.0
        assert codes["third"] not in change["areas"], "nothing changed there"


def test_a_tick_without_changes_is_an_event_too(client: httpx.Client, api: RunningApi, pipeline: Pipeline) -> None:
    pipeline.tick(1)
    at_tick(api, 1)
    with listening(client) as events:
        events.next()
        for number in (2, 3):
            pipeline.tick(number)
            assert events.next()[1] == str(number)


def test_merged_parts_give_the_published_document(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    """A client that follows docs/api.md holds, after any tick, what REST serves (but for freshness)."""
    pipeline.tick(1)
    at_tick(api, 1)
    with listening(client) as events:
        held = events.next()[2]["areas"]
        for number in range(2, 15):
            pipeline.tick(number, {codes["east"]: 100.0 - number, codes["third"]: 40.0 + number // 3})
            merge(held, events.next()[2]["areas"])
        for code in codes.values():
            now = client.get(f"/v1/areas/{code}/vitals").json()
            assert without_freshness(held[code]) == without_freshness(now)


def merge(held: dict[str, Any], parts: dict[str, Any]) -> None:
    for code, part in parts.items():
        if "level" in part:
            held[code] = part
            continue
        held[code].update({key: part[key] for key in part.keys() & {"composite", "devices"}})
        for domain, changed in part.get("domains", {}).items():
            mine = held[code]["domains"][domain]
            mine["indicators"].update(changed.pop("indicators", {}))
            mine.update(changed)


def without_freshness(document: dict[str, Any]) -> Any:
    if isinstance(document, dict):
        return {k: without_freshness(v) for k, v in document.items() if k not in ("freshness", "tick", "at")}
    return document


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"areas": "east,third"}, {"east", "third"}),
        ({"areas": ["east", "third"]}, {"east", "third"}),
        ({"level": "district"}, {"east", "west"}),
        ({"level": "city,district", "parent": "east"}, {"city", "east", "west", "first", "second"}),
    ],
)
def test_a_stream_is_about_the_areas_asked_for(
    client: httpx.Client, codes: dict[str, str], filters: dict[str, Any], expected: set[str]
) -> None:
    def coded(value: Any) -> Any:
        return (
            [coded(v) for v in value]
            if isinstance(value, list)
            else ",".join(codes.get(w, w) for w in value.split(","))
        )

    wanted = {name: value if name == "level" else coded(value) for name, value in filters.items()}
    with listening(client, **wanted) as events:
        assert events.next()[2]["areas"].keys() == {codes[name] for name in expected}


@pytest.mark.parametrize("filters", [{"areas": "123456"}, {"level": "block"}, {"parent": "x"}])
def test_a_wrong_filter_is_a_problem(client: httpx.Client, filters: dict[str, str]) -> None:
    answer = client.get("/v1/live", params=filters)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_client_resumes_after_the_last_event_it_had(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    for number, score in enumerate((80.0, 70.0, 60.0), 1):
        pipeline.tick(number, {codes["east"]: score})
        at_tick(api, number)
    with listening(client, last="2", areas=codes["east"]) as events:
        name, number, missed = events.next()
        assert (name, number) == ("vitals", "3")
        assert missed["areas"][codes["east"]]["composite"]["score"] == 60.0


@pytest.mark.parametrize("last", ["99", "x", "-1", "9" * 60])
def test_an_event_that_is_not_known_leads_to_a_snapshot(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, last: str
) -> None:
    pipeline.tick(1)
    at_tick(api, 1)
    with listening(client, last=last) as events:
        assert events.next()[:2] == ("snapshot", "1")


def test_a_stream_says_when_the_pipeline_falls_silent(
    config: ApiConfig, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    with (
        running_api(dataclasses.replace(config, silent_after=3)) as api,
        httpx.Client(base_url=api.url, timeout=30) as client,
        listening(client, areas=codes["city"]) as events,
    ):
        api.await_broker()
        at = pipeline.tick(1)
        events.until(lambda data: data["areas"][codes["city"]]["composite"]["score"] == 80.0)
        name, number, silence = events.until(lambda data: codes["city"] in data["areas"])
        document = silence["areas"][codes["city"]]
        assert (name, number) == ("vitals", "1")
        assert document["domains"]["parking"]["reason"] == "pipeline_silent"
        elapsed = (datetime.fromisoformat(silence["at"]) - datetime.fromisoformat(at)).total_seconds()
        assert document["composite"]["freshness"] == pytest.approx(1.5 + elapsed, abs=0.002)


def test_clients_that_do_not_read_hold_nobody_up(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stuck = stack.enter_context(socket.create_connection(("127.0.0.1", api.port)))
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with listening(client, areas=codes["city"]) as events:
            events.next()
            for number in range(1, 100):
                pipeline.tick(number, dict.fromkeys(codes.values(), number % 97 + 0.5))
            assert events.until(lambda data: data["tick"] == 99)
        wait_until(lambda: api.hub.listeners >= 20, "all streams")


def test_more_streams_than_allowed_are_refused(config: ApiConfig) -> None:
    with (
        running_api(dataclasses.replace(config, max_streams=1)) as api,
        httpx.Client(base_url=api.url, timeout=30) as client,
        listening(client) as events,
    ):
        events.next()
        answer = client.get("/v1/live")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:cityvitals:problem:too_many_streams")
        assert "retry-after" in answer.headers


def test_a_client_that_leaves_is_forgotten(client: httpx.Client, api: RunningApi) -> None:
    with listening(client) as events:
        events.next()
        assert api.hub.listeners == 1
    wait_until(lambda: api.hub.listeners == 0, "the stream to be forgotten")


def test_the_server_ends_with_streams_open(config: ApiConfig) -> None:
    with running_api(config) as api, httpx.Client(base_url=api.url, timeout=30) as client, listening(client) as events:
        events.next()
        assert api.stop(), "the server waits for streams that never end"
        with pytest.raises(AssertionError, match="the stream ended"):
            events.next()
