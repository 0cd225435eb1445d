"""What tests of running ingest have in common: topics of their own, a look into the database, a device."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from mqtt_client import MqttClient, mqtt_client
from running_ingest import Ingest, own_topics, running_ingest

from devices.topics import Topics
from ingest.database import connect


@pytest.fixture
def topics() -> Topics:
    return own_topics()


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture
def device(broker_url: str) -> Iterator[MqttClient]:
    with mqtt_client(broker_url) as client:
        yield client


@pytest.fixture
def ingest(database_url: str, broker_url: str, topics: Topics, tmp_path: Path) -> Iterator[Ingest]:
    with running_ingest(
        database_url=database_url, broker_url=broker_url, topics=topics, spool=tmp_path / "spool"
    ) as ingest:
        yield ingest
