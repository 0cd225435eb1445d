"""What dies under load, ingest, database, broker or connection, loses nothing and repeats nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
from ingest_material import count_rows
from mqtt_client import PATIENCE, MqttClient, eventually, mqtt_client
from ports import free_port
from running_ingest import Ingest, end_process, running_ingest
from service_material import born, state, total

from deploy.embedded import broker, database
from deploy.embedded.server import running
from devices.topics import Topics
from ingest.database import connect, migrate
from ingest.subscriber import Subscriber


@contextmanager
def ingest_process(
    database_url: str, broker_url: str, topics: Topics, spool: Path
) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).parents[1] / "running_ingest.py"
    root = script.parents[1]
    process = subprocess.Popen(
        [sys.executable, str(script), database_url, broker_url, topics.city, str(spool)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
    )
    try:
        yield process
    finally:
        end_process(process)


def lost(subscriber: Subscriber, links: int) -> bool:
    """Whether the connection is gone that was the last one of so many."""
    return not subscriber.state.connected or subscriber.state.connections > links


def test_killed_in_the_middle_nothing_is_lost_and_nothing_is_stored_twice(
    database_url: str,
    broker_url: str,
    device: MqttClient,
    topics: Topics,
    connection: psycopg.Connection,
    tmp_path: Path,
) -> None:
    messages = 6_000
    with ingest_process(database_url, broker_url, topics, tmp_path / "spool"):
        born(device, topics, "bay-1")
        eventually(lambda: count_rows(connection, "devices") == 1, "subscribed: from here on the broker keeps all")
    for kill in range(3):
        before = count_rows(connection, "parking_bay")
        with ingest_process(database_url, broker_url, topics, tmp_path / "spool") as process:
            for number in range(kill * messages // 3, (kill + 1) * messages // 3):
                device.send(topics.telemetry("parking_bay", "bay-1"), state(number))
            eventually(lambda: count_rows(connection, "parking_bay") > before, "some are stored")  # noqa: B023
            process.kill()
    with ingest_process(database_url, broker_url, topics, tmp_path / "spool"):
        eventually(lambda: count_rows(connection, "parking_bay") == messages, "all are stored")
        stored, _, rejected = total(connection)
        assert (stored, rejected) == (messages, 0)


def test_a_database_that_restarts_under_load_loses_nothing(
    tmp_path: Path, servers: Path, broker_url: str, device: MqttClient, topics: Topics
) -> None:
    messages = 3_000
    server = database.prepare(tmp_path / "database", free_port(), servers, tuning=database.Tuning(durable=False))
    arguments = {"database_url": server.url, "broker_url": broker_url, "topics": topics, "spool": tmp_path / "spool"}
    with running(server, tmp_path / "log"):
        database.ensure_database(server.url)
        migrate(server.url)
        with running_ingest(**arguments) as ingest:
            born(device, topics, "bay-1")
            for number in range(messages // 3):
                device.send(topics.telemetry("parking_bay", "bay-1"), state(number))
            eventually(lambda: ingest.service.counters.stored > 0, "some are stored")
    with running_ingest(**arguments) as ingest:
        for number in range(messages // 3, 2 * messages // 3):
            device.send(topics.telemetry("parking_bay", "bay-1"), state(number))
        eventually(lambda: ingest.service.link.away, "the database is found to be away")
        with running(server, tmp_path / "log"):
            for number in range(2 * messages // 3, messages):
                device.send(topics.telemetry("parking_bay", "bay-1"), state(number))
            with connect(server.url) as connection:
                connection.autocommit = True
                eventually(lambda: count_rows(connection, "parking_bay") == messages, "all are stored")
                eventually(lambda: ingest.service.pending == 0, "nothing pending")
                stored, _, rejected = total(connection)
                assert (stored, rejected) == (messages, 0)


def test_a_broker_that_restarts_under_load_loses_nothing(
    tmp_path: Path, servers: Path, database_url: str, topics: Topics, connection: psycopg.Connection
) -> None:
    messages = 2_000
    server = broker.prepare(tmp_path / "broker", free_port(), servers)
    arguments = {"database_url": database_url, "broker_url": server.url, "topics": topics, "spool": tmp_path / "spool"}
    with running(server, tmp_path / "log"), running_ingest(**arguments):
        with mqtt_client(server.url) as device:
            born(device, topics, "bay-1")
        eventually(lambda: count_rows(connection, "devices") == 1, "registered")
    with running(server, tmp_path / "log"), mqtt_client(server.url) as device:
        for number in range(messages // 2):
            device.publish(topics.telemetry("parking_bay", "bay-1"), state(number))
        ingest = Ingest(**arguments)
        ingest.subscriber.start()
        assert ingest.subscriber.wait_subscribed(PATIENCE)
        eventually(lambda: ingest.subscriber.waiting > 0, "taken and not committed")
    ingest.subscriber.stop()
    with running(server, tmp_path / "log"), running_ingest(**arguments), mqtt_client(server.url) as device:
        for number in range(messages // 2, messages):
            device.send(topics.telemetry("parking_bay", "bay-1"), state(number))
        eventually(lambda: count_rows(connection, "parking_bay") == messages, "all are stored")
    assert total(connection)[2] == 0


def test_what_a_new_connection_brings_is_acknowledged_on_it(
    database_url: str,
    broker_url: str,
    device: MqttClient,
    topics: Topics,
    connection: psycopg.Connection,
    tmp_path: Path,
) -> None:
    own = f"ingest-{topics.city}"
    with running_ingest(database_url=database_url, broker_url=broker_url, topics=topics, spool=tmp_path) as ingest:
        born(device, topics, "bay-1")
        for number in range(3):
            before, links = sum(total(connection)), ingest.subscriber.state.connections
            with mqtt_client(broker_url, client_id=own, session=True):  # takes the connection over for a moment
                eventually(partial(lost, ingest.subscriber, links), "the connection is lost")
                device.publish(topics.telemetry("parking_bay", "bay-1"), state(number))
            eventually(lambda seen=links: ingest.subscriber.state.connections > seen, "connected again")  # type: ignore[misc]
            eventually(lambda seen=before: sum(total(connection)) > seen, "stored")  # type: ignore[misc]
        eventually(lambda: ingest.service.pending == 0, "nothing pending")
    with mqtt_client(broker_url, client_id=own, session=True) as successor:
        device.publish(topics.telemetry("parking_bay", "bay-1"), state(99))
        eventually(lambda: bool(successor.received), "the message of now")
        assert len(successor.received) == 1, "something was never acknowledged"
