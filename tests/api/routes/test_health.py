import dataclasses
from itertools import count

import httpx
import pytest
from live_api import Pipeline, RunningApi, own_api, own_city, running_api, wait_until

from api import models
from api.config import ApiConfig

city, api = own_city, own_api


def test_a_process_that_answers_is_alive(client: httpx.Client) -> None:
    assert models.Health.model_validate(client.get("/livez").json()).status == "ok"


def test_ready_means_that_database_broker_and_pipeline_are_there(client: httpx.Client, pipeline: Pipeline) -> None:
    assert client.get("/readyz").status_code == 503
    pipeline.tick(1)
    wait_until(lambda: client.get("/readyz").status_code == 200, "readiness")
    health = models.Health.model_validate(client.get("/readyz").json())
    assert (health.status, set(health.checks.values())) == ("ok", {"ok"})


def test_each_missing_part_is_named(config: ApiConfig) -> None:
    away = dataclasses.replace(config, database_url="postgresql://x@127.0.0.1:1/x", mqtt_url="mqtt://127.0.0.1:1")
    with running_api(away) as api, httpx.Client(base_url=api.url, timeout=30) as client:
        answer = client.get("/readyz")
        checks = models.Health.model_validate(answer.json()).checks
        assert answer.status_code == 503
        assert checks == {
            "database": "does not answer",
            "broker": "not connected",
            "pipeline": "no tick was seen yet",
            "spool": "ok",
        }


def test_a_pipeline_that_stopped_is_not_ready(config: ApiConfig, pipeline: Pipeline) -> None:
    numbers = count(1)
    with (
        running_api(dataclasses.replace(config, ready_within=0.5)) as api,
        httpx.Client(base_url=api.url, timeout=30) as client,
    ):

        def said() -> str:
            checks: dict[str, str] = client.get("/readyz").json()["checks"]
            return checks["pipeline"]

        def is_heard() -> bool:
            pipeline.tick(next(numbers))
            return said() == "ok"

        wait_until(is_heard, "a tick")
        wait_until(lambda: said() != "ok", "the silence")
        assert "must be at most 0.5 s" in said()


def test_a_full_spool_is_not_ready_and_alarms_are_told(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline
) -> None:
    alarm = {
        "id": "spool_full",
        "severity": "CRITICAL",
        "state": "ACTIVE_UNACK",
        "since": "2026-11-20T08:00:00+08:00",
        "clearedAt": None,
        "count": 0,
        "text": {"zh": "缓存已满", "en": "Spool full"},
    }
    pipeline.tick(2, pipeline={"spoolFull": True}, alarms=[alarm])
    wait_until(lambda: api.hub.snapshot.tick.number == 2, "the tick")
    answer = client.get("/readyz")
    health = models.Health.model_validate(answer.json())
    assert answer.status_code == 503
    assert "nothing more is acknowledged" in health.checks["spool"]
    assert [alarm.id for alarm in health.alarms] == ["spool_full"]


def test_metrics_tell_of_the_api_and_of_the_pipeline(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    pipeline.tick(6, pipeline={"pending": 3, "connected": True, "queueDepth": 2, "byReason": {"range": 4}, "note": "x"})
    wait_until(lambda: api.hub.snapshot.tick.number == 6, "the tick")
    client.get(f"/v1/areas/{codes['east']}")
    client.get("/v1/areas/999")
    client.get("/nowhere")
    lines = client.get("/metrics").text.splitlines()
    for expected in (
        "cityvitals_tick_number 6.0",
        "cityvitals_tick_silent 0.0",
        "cityvitals_pipeline_pending 3.0",
        "cityvitals_pipeline_connected 1.0",
        "cityvitals_pipeline_queue_depth 2.0",
        'cityvitals_pipeline_by_reason{of="range"} 4.0',
        'cityvitals_api_requests_total{method="GET",route="/v1/areas/{code}",status="200"} 1.0',
        'cityvitals_api_requests_total{method="GET",route="/v1/areas/{code}",status="404"} 1.0',
        'cityvitals_api_requests_total{method="GET",route="unmatched",status="404"} 1.0',
    ):
        assert expected in lines
    assert not any("note" in line for line in lines)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_health_is_open_where_keys_are_configured(config: ApiConfig, path: str) -> None:
    locked = dataclasses.replace(config, api_keys=("ops." + "A" * 43,))
    with running_api(locked) as api:
        assert httpx.get(api.url + path, timeout=30).status_code != 401
