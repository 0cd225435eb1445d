import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from live_api import Pipeline, RunningApi, document, own_api, own_city, running_api, wait_until

from api import models
from api.config import ApiConfig

city, api = own_city, own_api


@pytest.fixture
def tick(api: RunningApi, pipeline: Pipeline, codes: dict[str, str]) -> str:
    at = pipeline.tick(4, {codes["east"]: 61.0})
    wait_until(lambda: api.hub.snapshot.tick.number == 4, "tick 4")
    return at


def test_an_area_is_served_as_published(
    client: httpx.Client, api: RunningApi, tick: str, codes: dict[str, str]
) -> None:
    answer = client.get(f"/v1/areas/{codes['east']}/vitals")
    assert answer.json() == document(api.config.city, codes["east"], 4, tick, 61.0)
    vitals = models.Vitals.model_validate(answer.json())
    assert vitals.domains["parking"].indicators["parking.kerb_occupancy"].score == 61.0


def test_a_level_is_served_compact(client: httpx.Client, tick: str, codes: dict[str, str]) -> None:
    answer = client.get("/v1/vitals", params={"level": "district"})
    page = models.LevelVitals.model_validate(answer.json())
    assert (page.tick, page.level, page.method_version) == (4, "district", "test-1")
    assert [(item.area, item.composite.score) for item in page.items] == [(codes["east"], 61.0), (codes["west"], 80.0)]
    assert "contributions" not in answer.text


@pytest.mark.parametrize("index", ["composite", "parking", "parking.kerb_occupancy"])
def test_a_level_is_served_with_one_index_alone(
    client: httpx.Client, tick: str, codes: dict[str, str], index: str
) -> None:
    whole = client.get("/v1/vitals", params={"level": "district"}).json()["items"][0]
    item = client.get("/v1/vitals", params={"level": "district", "index": index}).json()["items"][0]
    frame = {key: whole[key] for key in ("area", "level", "name")}
    parking = dict(whole["domains"]["parking"])
    indicators = parking.pop("indicators")
    expected: dict[str, object] = {"composite": whole["composite"]}
    if index == "parking":
        expected = {"domains": {"parking": parking}}
    elif index != "composite":
        expected = {"domains": {"parking": {"indicators": {index: indicators[index]}}}}
    assert item == frame | expected


def test_an_index_that_nobody_knows_is_a_422(client: httpx.Client, tick: str) -> None:
    answer = client.get("/v1/vitals", params={"index": "parking.kerb"})
    assert answer.status_code == 422
    assert "must be one of composite, " in answer.json()["detail"]


def test_the_etag_holds_until_the_next_tick(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, tick: str, codes: dict[str, str]
) -> None:
    path = f"/v1/areas/{codes['east']}/vitals"
    etag = client.get(path).headers["etag"]
    assert etag.startswith('"')
    same = client.get(path, headers={"If-None-Match": f'"other", {etag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    pipeline.tick(5)
    wait_until(lambda: api.hub.snapshot.tick.number == 5, "tick 5")
    fresh = client.get(path, headers={"If-None-Match": etag})
    assert fresh.status_code == 200
    assert fresh.headers["etag"] != etag


def test_vital_signs_of_an_unknown_area_are_a_404(client: httpx.Client) -> None:
    assert client.get("/v1/areas/999999/vitals").json()["type"].endswith("unknown_area")


def test_a_level_that_is_none_is_a_422(client: httpx.Client) -> None:
    assert client.get("/v1/vitals", params={"level": "block"}).status_code == 422


@pytest.fixture
def impatient(config: ApiConfig) -> Iterator[RunningApi]:
    with running_api(dataclasses.replace(config, silent_after=1.5)) as api:
        yield api


def test_a_silent_pipeline_is_served_as_unknown_until_it_speaks(
    impatient: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    numbers = count(1)
    with httpx.Client(base_url=impatient.url, timeout=30) as client:

        def composite() -> dict[str, Any]:
            shown: dict[str, Any] = client.get(f"/v1/areas/{codes['east']}/vitals").json()["composite"]
            return shown

        def is_known() -> bool:
            pipeline.tick(next(numbers))
            return composite()["score"] == 80.0

        wait_until(is_known, "a tick")
        wait_until(lambda: impatient.hub.snapshot.silent, "the silence")
        east = models.Vitals.model_validate(client.get(f"/v1/areas/{codes['east']}/vitals").json())
        everything = [east.composite, *east.domains.values(), *east.domains["parking"].indicators.values()]
        assert {(v.value, v.score, v.reason) for v in everything} == {(None, None, "pipeline_silent")}
        listed = client.get("/v1/vitals", params={"level": "street"}).json()["items"]
        assert {item["composite"]["score"] for item in listed} == {None}
        wait_until(is_known, "the pipeline's return")


def test_what_a_dead_pipeline_left_at_the_broker_is_not_shown_as_living(
    config: ApiConfig, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    pipeline.tick(9, at=datetime.now(UTC) - timedelta(minutes=1))
    with (
        running_api(dataclasses.replace(config, silent_after=10)) as api,
        httpx.Client(base_url=api.url, timeout=30) as client,
    ):
        wait_until(lambda: api.hub.snapshot.tick.number == 9, "the retained tick")
        east = client.get(f"/v1/areas/{codes['east']}/vitals").json()
        assert east["composite"]["reason"] == "pipeline_silent"
        assert east["composite"]["freshness"] > 60


def test_a_start_in_the_middle_of_things_shows_what_the_broker_kept(
    config: ApiConfig, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    pipeline.tick(9, {codes["west"]: 33.0})
    with running_api(config) as api, httpx.Client(base_url=api.url, timeout=30) as client:
        wait_until(lambda: api.hub.snapshot.read(codes["west"])["composite"]["score"] == 33.0, "the retained tick")
        assert client.get(f"/v1/areas/{codes['west']}/vitals").json()["tick"] == 9


def test_nonsense_on_output_topics_hurts_nobody(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    for name in (codes["east"], "tick", "unknown"):
        pipeline.publish(name, b"\xff{nonsense")
        pipeline.publish(name, {"area": 3})
    pipeline.tick(3, skip=(codes["east"],))
    wait_until(lambda: api.hub.snapshot.tick.number == 3, "tick 3")
    assert client.get(f"/v1/areas/{codes['west']}/vitals").json()["composite"]["score"] == 80.0
    assert client.get(f"/v1/areas/{codes['east']}/vitals").json()["composite"]["score"] is None
