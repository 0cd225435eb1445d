"""What a device that asks is told on …/ack, through a real broker and a real database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ingest_material import count_rows
from mqtt_client import PATIENCE, MqttClient, eventually, mqtt_client
from ports import free_port
from running_ingest import STREET, end_process, running_ingest

from deploy.embedded import broker
from deploy.embedded.server import running
from devices.topics import Topics

START = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def arguments(database_url: str, broker_url: str, topics: Topics, tmp_path: Path) -> dict[str, Any]:
    return {"database_url": database_url, "broker_url": broker_url, "topics": topics, "spool": tmp_path / "spool"}


def reading(number: int, **more: Any) -> dict[str, Any]:
    at = (START + timedelta(milliseconds=number)).isoformat()
    return {"dateObserved": at, "seq": number, "status": "free", **more}


def born(device: MqttClient, topics: Topics, name: str, kind: str = "parking_bay", **attributes: Any) -> None:
    device.publish(topics.meta(kind, name), {"area": STREET, "attributes": attributes}, retain=True)


def send(device: MqttClient, topics: Topics, name: str, *numbers: int) -> None:
    device.publish(topics.telemetry("parking_bay", name), [reading(n) for n in numbers])


def ack(device: MqttClient, topics: Topics, name: str) -> Any:
    """The newest answer: (committed, highest, gaps)."""
    bodies = device.bodies(topics.watermark(topics.kinds["parking_bay"].stream, name))
    return (bodies[-1]["committed"], bodies[-1]["highest"], bodies[-1]["gaps"]) if bodies else None


def committed(device: MqttClient, topic: str) -> list[int]:
    return [body["committed"] for body in device.bodies(topic)]


def await_ack(device: MqttClient, topics: Topics, name: str, committed: int, highest: int, gaps: Any) -> None:
    eventually(lambda: ack(device, topics, name) == (committed, highest, gaps), f"{name} at {committed}, {gaps}")


def test_a_device_that_asks_reads_what_is_committed_and_what_is_missing(
    arguments: dict[str, Any], device: MqttClient, topics: Topics
) -> None:
    with running_ingest(**arguments):
        device.subscribe(f"cv1/{topics.city}/+/+/ack")
        born(device, topics, "bay-1", watermark=True)
        await_ack(device, topics, "bay-1", -1, -1, [])
        send(device, topics, "bay-1", 0, 1, 4, 5, 9)
        await_ack(device, topics, "bay-1", 1, 9, [[2, 3], [6, 8]])
        send(device, topics, "bay-1", 8, 2, 3, 3)
        await_ack(device, topics, "bay-1", 5, 9, [[6, 7]])
        told = len(device.received)
        send(device, topics, "bay-1", 2)
        eventually(lambda: len(device.received) > told, "an answer also where nothing moved")
        assert device.received[-1].topic == f"cv1/{topics.city}/parking_bay/bay-1/ack"
        with mqtt_client(arguments["broker_url"]) as later:
            later.subscribe(f"cv1/{topics.city}/parking_bay/bay-1/ack")
            await_ack(later, topics, "bay-1", 5, 9, [[6, 7]])
            assert later.received[0].retain


def test_refused_readings_are_settled_and_what_cannot_be_read_stays_a_gap(
    arguments: dict[str, Any], device: MqttClient, topics: Topics
) -> None:
    with running_ingest(**arguments):
        device.subscribe(f"cv1/{topics.city}/+/+/ack")
        born(device, topics, "bay-1", watermark=True)
        device.publish(topics.telemetry("parking_bay", "bay-1"), [reading(0), reading(1, status="on fire")])
        device.publish(topics.telemetry("parking_bay", "bay-1"), b'{"seq": 2, "status": "fr')
        send(device, topics, "bay-1", 3)
        await_ack(device, topics, "bay-1", 1, 3, [[2, 2]])


def test_each_device_behind_a_gateway_and_each_stream_has_its_own(
    arguments: dict[str, Any], device: MqttClient, topics: Topics
) -> None:
    with running_ingest(**arguments):
        device.subscribe(f"cv1/{topics.city}/+/+/ack/#")
        for name in ("bay-1", "bay-2"):
            born(device, topics, name, gateway="gw-1", watermark=True)
        born(device, topics, "hut-1", "garbage_hut", watermark={"from": 10})
        pack = [reading(0, device="bay-1"), reading(1, device="bay-2"), reading(1, device="bay-1")]
        device.publish(topics.telemetry("parking_bay", "gw-1"), pack)
        dumping = {"dateObserved": START.isoformat(), "seq": 10, "violation": "mixed", "confidence": 0.5}
        device.publish(topics.event("garbage_hut", "hut-1", "illegal_dumping"), dumping)
        await_ack(device, topics, "bay-1", 1, 1, [])
        await_ack(device, topics, "bay-2", -1, 1, [[0, 0]])
        event = f"cv1/{topics.city}/garbage_hut/hut-1/ack/illegal_dumping"
        eventually(lambda: committed(device, event)[-1:] == [10], "the event's own")
        assert device.bodies(event)[-1]["stream"] == "garbage_hut_illegal_dumping"
        telemetry = f"cv1/{topics.city}/garbage_hut/hut-1/ack"
        eventually(lambda: set(committed(device, telemetry)) == {9}, "that of telemetry")


def test_after_a_restart_everybody_is_told_again_and_a_new_count_begins_with_a_new_birth(
    arguments: dict[str, Any], device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    with running_ingest(**arguments):
        born(device, topics, "bay-1", watermark=True)
        send(device, topics, "bay-1", 0, 1, 2)
        eventually(lambda: count_rows(connection, "watermarks") == 1, "committed")
    topic = f"cv1/{topics.city}/parking_bay/bay-1/ack"
    device.publish(topic, b"", retain=True)  # the broker forgot
    device.subscribe(f"cv1/{topics.city}/+/+/ack")
    with running_ingest(**arguments):
        await_ack(device, topics, "bay-1", 2, 2, [])
        born(device, topics, "bay-1", watermark={"since": (START + timedelta(milliseconds=10)).isoformat()})
        await_ack(device, topics, "bay-1", -1, -1, [])
        assert "since" in device.bodies(topic)[-1]
        device.publish(topics.telemetry("parking_bay", "bay-1"), reading(11) | {"seq": 0})
        await_ack(device, topics, "bay-1", 0, 0, [])
        born(device, topics, "bay-1")
        eventually(lambda: device.received[-1].payload == b"", "nothing retained for who asks no more")


def test_while_the_database_is_away_nothing_is_told_though_it_is_acknowledged(
    arguments: dict[str, Any], device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    with running_ingest(**arguments) as ingest:
        device.subscribe(f"cv1/{topics.city}/+/+/ack")
        born(device, topics, "bay-1", watermark=True)
        send(device, topics, "bay-1", 0)
        await_ack(device, topics, "bay-1", 0, 0, [])
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'shutting down' USING ERRCODE = '57P01'; END $$"
        )
        connection.execute("CREATE TRIGGER away BEFORE INSERT ON parking_bay FOR EACH ROW EXECUTE FUNCTION refuse()")
        send(device, topics, "bay-1", 1, 2)
        eventually(lambda: ingest.service.protocol.spooled == 1, "spooled")
        assert ack(device, topics, "bay-1") == (0, 0, [])
        connection.execute("DROP TRIGGER away ON parking_bay")
        await_ack(device, topics, "bay-1", 2, 2, [])


def test_a_broker_that_forgot_everything_is_told_everything(
    arguments: dict[str, Any], topics: Topics, servers: Path, tmp_path: Path
) -> None:
    port = free_port()
    first, second = (broker.prepare(tmp_path / name, port, servers) for name in ("first", "second"))
    with ExitStack() as stack:
        with running(first, tmp_path / "log"):
            stack.enter_context(running_ingest(**(arguments | {"broker_url": first.url})))
            with mqtt_client(first.url) as device:
                born(device, topics, "bay-1", watermark=True)
                device.subscribe(f"cv1/{topics.city}/+/+/ack")
                send(device, topics, "bay-1", 0, 1)
                await_ack(device, topics, "bay-1", 1, 1, [])
        with running(second, tmp_path / "log"):
            with mqtt_client(second.url) as device:
                device.subscribe(f"cv1/{topics.city}/+/+/ack")
                await_ack(device, topics, "bay-1", 1, 1, [])
            stack.close()


@contextmanager
def ingest_process(arguments: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).parents[1] / "running_ingest.py"
    root = script.parents[1]
    words = [arguments["database_url"], arguments["broker_url"], arguments["topics"].city, str(arguments["spool"])]
    process = subprocess.Popen(
        [sys.executable, str(script), *words], env={**os.environ, "PYTHONPATH": str(root)}, cwd=root
    )
    try:
        yield process
    finally:
        end_process(process)


def test_killed_again_and_again_it_never_tells_more_than_is_committed_and_in_the_end_all(
    arguments: dict[str, Any], device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    numbers = 3_000
    device.subscribe(f"cv1/{topics.city}/+/+/ack")
    with ingest_process(arguments):
        born(device, topics, "bay-1", watermark=True)
        await_ack(device, topics, "bay-1", -1, -1, [])
    for kill in range(3):
        before = count_rows(connection, "parking_bay")
        with ingest_process(arguments) as process:
            for number in range(kill * numbers // 3, (kill + 1) * numbers // 3):
                device.send(topics.telemetry("parking_bay", "bay-1"), reading(number))
            eventually(lambda: count_rows(connection, "parking_bay") > before, "some are stored")  # noqa: B023
            process.kill()
            process.wait(PATIENCE)
        told = ack(device, topics, "bay-1")[0]
        row = connection.execute("SELECT count(DISTINCT seq) FROM parking_bay WHERE seq <= %s", [told]).fetchone()
        assert row == (told + 1,)
    with ingest_process(arguments):
        await_ack(device, topics, "bay-1", numbers - 1, numbers - 1, [])
    assert count_rows(connection, "parking_bay") == numbers
