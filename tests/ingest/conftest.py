"""What tests of running ingest have in common: topics of their own, a look into the database, a device."""

from collections.abc import Iterator

import psycopg
import pytest
from mqtt_client import MqttClient, mqtt_client
from running_ingest import own_topics

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
