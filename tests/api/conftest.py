"""One running API for the tests that only ask it, with its tables emptied for each; others start their own.

A module whose tests publish ticks takes a city and a server of its own: ``city, api = own_city, own_api``.
"""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from live_api import PATIENCE, Pipeline, RunningApi, running_api, small_city

from api.config import ApiConfig
from devices.city import City
from devices.kinds import streams
from devices.publisher import Publisher

TABLES = ", ".join(["devices", "marks", "reopened", "ledger", "rejects", "vital_minutes", "policies", *streams()])


@pytest.fixture(scope="session")
def shared_database(database_server: str, migrated_template: str) -> str:
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE test_api TEMPLATE {migrated_template} STRATEGY file_copy")
    return f"{database_server.rsplit('/', 1)[0]}/test_api"


@pytest.fixture(scope="session")
def shared_city() -> City:
    return small_city()


@pytest.fixture(scope="session")
def shared_api(shared_database: str, broker_url: str, shared_city: City) -> Iterator[RunningApi]:
    with running_api(_patient(shared_database, broker_url, shared_city)) as running:
        running.await_broker()
        yield running


def _patient(database_url: str, broker_url: str, city: City) -> ApiConfig:
    """However slow the machine, a tick is not old, and who is asked has the time to answer."""
    return ApiConfig(database_url, broker_url, city, ready_within=600, silent_after=600, replay_wait=PATIENCE)


@pytest.fixture
def database_url(shared_database: str) -> str:
    """The shared database, empty."""
    with psycopg.connect(shared_database) as connection:
        filled = connection.execute(
            "SELECT EXISTS (SELECT FROM devices) OR EXISTS (SELECT FROM ledger) OR EXISTS (SELECT FROM rejects)"
            " OR EXISTS (SELECT FROM vital_minutes) OR EXISTS (SELECT FROM policies)"
        ).fetchone()
        if filled and filled[0]:
            connection.execute(f"TRUNCATE {TABLES} CASCADE")  # type: ignore[arg-type] # names from the declarations
    return shared_database


@pytest.fixture
def city(shared_city: City) -> City:
    return shared_city


@pytest.fixture
def codes(city: City) -> dict[str, str]:
    """The city's codes by what they are: city, east, west, first and second (in east), third (in west)."""
    return dict(zip(("city", "east", "west", "first", "second", "third"), (a.code for a in city.areas), strict=True))


@pytest.fixture
def config(database_url: str, broker_url: str, city: City) -> ApiConfig:
    return _patient(database_url, broker_url, city)


@pytest.fixture
def api(shared_api: RunningApi, database_url: str) -> RunningApi:
    return shared_api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, timeout=30) as session:
        yield session


@pytest.fixture
def publisher(broker_url: str) -> Iterator[Publisher]:
    with Publisher(broker_url, name="test") as connection:
        yield connection


@pytest.fixture
def pipeline(publisher: Publisher, city: City) -> Pipeline:
    return Pipeline(publisher, city)
