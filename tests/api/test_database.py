import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from live_api import Cable, RunningApi, running_api, wait_until

from api.config import ApiConfig

ROUTES = ["/v1/devices", "/v1/devices/x", "/v1/readings/bus", "/v1/rejects", "/v1/ledger"]


@pytest.fixture
def cable(config: ApiConfig) -> Iterator[Cable]:
    server = urlsplit(config.database_url)
    cable = Cable(str(server.hostname), int(server.port or 5432))
    yield cable
    cable.close()


@pytest.fixture
def api(config: ApiConfig, cable: Cable) -> Iterator[RunningApi]:
    server = urlsplit(config.database_url)
    moved = server._replace(netloc=f"{server.username}:{server.password}@127.0.0.1:{cable.port}")
    with running_api(dataclasses.replace(config, database_url=moved.geturl())) as running:
        yield running


def is_away(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and answer.json()["type"] == "urn:cityvitals:problem:database_away"


def answers(client: httpx.Client, paths: list[str]) -> list[httpx.Response]:
    """Answers of all paths, asked for at once."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(client.get, paths))


def test_a_database_that_refuses_is_a_503_with_the_live_routes_unharmed(
    config: ApiConfig, codes: dict[str, str]
) -> None:
    away = dataclasses.replace(config, database_url="postgresql://x@127.0.0.1:1/x")
    with running_api(away) as api, httpx.Client(base_url=api.url, timeout=30) as client:
        for answer in answers(client, [*ROUTES, f"/v1/areas/{codes['city']}/vitals/history"]):
            assert is_away(answer)
            assert answer.headers["content-type"] == "application/problem+json"
            assert "retry-after" in answer.headers
        assert client.get(f"/v1/areas/{codes['city']}/vitals").status_code == 200


def test_a_database_that_hangs_is_a_503_and_is_used_again_once_it_answers(client: httpx.Client, cable: Cable) -> None:
    assert client.get("/v1/devices").status_code == 200
    cable.cut()
    assert all(is_away(answer) for answer in answers(client, ROUTES))
    cable.mend()
    wait_until(lambda: client.get("/v1/devices").status_code == 200, "the database")


def test_a_server_whose_database_hangs_still_ends(client: httpx.Client, cable: Cable, api: RunningApi) -> None:
    assert client.get("/v1/devices").status_code == 200
    cable.cut()
    assert is_away(client.get("/v1/devices"))
    assert api.stop(), "the server waits for its database"


def test_a_database_without_schema_says_what_to_do(config: ApiConfig, empty_database_url: str) -> None:
    with running_api(dataclasses.replace(config, database_url=empty_database_url)) as api:
        answer = httpx.get(f"{api.url}/v1/devices", timeout=30)
        assert answer.status_code == 503
        assert "cityvitals migrate" in answer.json()["detail"]
