"""From a device's message to a committed row and an answer, through a real broker and a real database."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from ingest_material import count_rows, ledger, rejects
from mqtt_client import MqttClient, eventually
from running_ingest import STREET, Ingest, running_ingest
from service_material import START, await_total, born, state, total

from devices.topics import Topics
from ingest.reopened_store import load_notes


def test_a_birth_and_a_reading_are_committed_and_handed_on(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    place = {"type": "Point", "coordinates": [121.43, 31.19]}
    born(device, topics, "bay-17", location=place)
    device.publish(topics.telemetry("parking_bay", "bay-17"), state(seq=9))
    await_total(connection, (1, 0, 0))
    assert connection.execute("SELECT id, kind, area, lon, lat, name FROM devices").fetchall() == [
        ("bay-17", "parking_bay", STREET, 121.43, 31.19, "bay-17")
    ]
    assert connection.execute("SELECT device, date_observed, seq, status FROM readings.parking_bay").fetchall() == [
        ("bay-17", START, 9, "free")
    ]
    eventually(lambda: ingest.readings == 1, "handed on")
    assert ingest.devices == ["bay-17"]
    eventually(lambda: ingest.service.pending == 0, "nothing pending")


def test_late_readings_are_handed_on_with_the_note_that_was_committed_with_them(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    born(device, topics, "bay-18")
    device.publish(
        topics.telemetry("parking_bay", "bay-18"), {**state(), "dateObserved": datetime.now(UTC).isoformat()}
    )
    eventually(lambda: ingest.readings == 1, "a punctual one is handed on")
    assert load_notes(connection) == []
    device.publish(topics.telemetry("parking_bay", "bay-18"), state())
    eventually(lambda: ingest.readings == 2, "one of an hour ago is handed on")
    assert [committed.notes for committed in ingest.committed if committed.notes] == [(load_notes(connection)[0].id,)]


def test_a_pack_with_seven_flaws_keeps_its_ninety_three_good_readings(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    born(device, topics, "hut-1", kind="garbage_hut", attributes={"gateway": "gw-1"})
    future = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    pack = [{"device": "hut-1", "fillingLevelFood": 0.5, **state(n, status=0)} for n in range(93)]
    bad: list[tuple[Any, str, list[str]]] = [
        ({"fillingLevelFood": 1.4}, "range", ["fillingLevelFood is 1.4", "must be 0–1"]),
        ({"temperature": "warm"}, "schema", ['temperature is "warm"', "must be a number, -60–1200 °C"]),
        ({"dateObserved": future, "nh3": 1}, "clock", ["dateObserved is ", "5 minutes after the time of receipt"]),
        ({"dateObserved": "20 Nov", "nh3": 1}, "schema", ['dateObserved is "20 Nov"', "must be RFC 3339"]),
        ({"device": "hut-2", "nh3": 1}, "unknown_device", ['device is "hut-2"', "must be registered"]),
        ({}, "schema", ["the reading has no measurement", "must have at least one of fillingLevelResidual"]),
        (17, "schema", ["a reading is 17", "must be a JSON object"]),
    ]
    for place, (flawed, _, _) in enumerate(bad):
        at = 10 * place
        pack.insert(
            at, {"device": "hut-1", **state(1000 + at, status=0), **flawed} if isinstance(flawed, dict) else flawed
        )
    device.subscribe(topics.error("garbage_hut", "gw-1"))
    device.publish(topics.telemetry("garbage_hut", "gw-1"), pack)
    await_total(connection, (93, 0, 7))
    details = {(reason, detail) for _, reason, detail, _ in rejects(connection)}
    for _, reason, words in bad:
        assert any(reason == found and all(word in detail for word in words) for found, detail in details), words
    eventually(lambda: len(device.received) == 7, "seven answers")
    answers = device.bodies(topics.error("garbage_hut", "gw-1"))
    assert {(answer["reason"], answer["detail"]) for answer in answers} == details
    assert sorted(answer["item"] for answer in answers) == [0, 10, 20, 30, 40, 50, 60]
    device.publish(topics.telemetry("garbage_hut", "gw-1"), pack)
    await_total(connection, (93, 93, 14))
    assert count_rows(connection, "garbage_hut") == 93
    eventually(lambda: ingest.readings == 93, "new readings are handed on once")


def test_what_is_not_json_is_one_reject_and_answered_where_the_sender_asked(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    born(device, topics, "bay-1")
    device.subscribe(f"replies/{topics.city}")
    device.publish(
        topics.telemetry("parking_bay", "bay-1"),
        b"{not json",
        response_topic=f"replies/{topics.city}",
        correlation=b"7",
    )
    eventually(lambda: bool(device.received), "the answer")
    (message,) = device.received
    assert message.properties.CorrelationData == b"7"
    assert json.loads(message.payload)["reason"] == "syntax"
    assert total(connection) == (0, 0, 1)


def test_readings_the_broker_had_retained_are_not_news_and_births_are(
    database_url: str,
    broker_url: str,
    device: MqttClient,
    topics: Topics,
    connection: psycopg.Connection,
    tmp_path: Path,
) -> None:
    born(device, topics, "bay-1")
    device.publish(topics.telemetry("parking_bay", "bay-1"), state(1), retain=True)
    device.publish(f"cv1/{topics.city}/nonsense", b"x", retain=True)
    with running_ingest(database_url=database_url, broker_url=broker_url, topics=topics, spool=tmp_path / "spool"):
        device.publish(topics.telemetry("parking_bay", "bay-1"), state(2), retain=True)
        await_total(connection, (1, 0, 0))
    assert connection.execute("SELECT date_observed FROM parking_bay").fetchall() == [
        (START + timedelta(milliseconds=2),)
    ]


def test_with_registration_closed_only_the_api_registers(
    database_url: str,
    broker_url: str,
    device: MqttClient,
    topics: Topics,
    connection: psycopg.Connection,
    tmp_path: Path,
) -> None:
    arguments = {"database_url": database_url, "broker_url": broker_url, "topics": topics, "spool": tmp_path / "spool"}
    with running_ingest(**arguments, registration="closed") as ingest:
        device.subscribe(topics.error("parking_bay", "bay-1"))
        born(device, topics, "bay-1")
        device.publish(topics.telemetry("parking_bay", "bay-1"), [state(1), state(2)])
        await_total(connection, (0, 0, 3))
        assert [reason for _, reason, _, _ in rejects(connection)] == ["unknown_device"] * 3
        eventually(lambda: len(device.received) == 3, "answers")
        answers = device.bodies(topics.error("parking_bay", "bay-1"))
        assert ["registration is closed" in answer["detail"] for answer in answers].count(True) == 1

        connection.execute("INSERT INTO devices (id, kind, area) VALUES ('bay-1', 'parking_bay', %s)", [STREET])
        device.publish(topics.command("registry"), {"devices": ["bay-1"]})
        eventually(lambda: ingest.devices == ["bay-1"], "the device is handed on")
        ids = [id_ for id_, *_ in rejects(connection)]
        device.publish(topics.command("replay"), {"rejects": ids})
        eventually(lambda: total(connection)[2] == 0, "all rejects are resolved")
        assert [resolution for *_, resolution in rejects(connection)] == ["stored"] * 3
        assert ledger(connection) == {"meta": (1, 0, 0), "parking_bay": (2, 0, 0)}
        assert count_rows(connection, "parking_bay") == 2

        device.publish(topics.command("replay"), {"rejects": ids})
        born(device, topics, "bay-1")  # known by now: changing it is allowed
        device.publish(topics.telemetry("parking_bay", "bay-1"), state(3))
        await_total(connection, (4, 0, 0))
        assert len(device.received) == 3
        assert connection.execute("SELECT name FROM devices").fetchall() == [("bay-1",)]


def test_a_device_registered_without_a_word_is_found_when_it_speaks(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    device.publish(topics.telemetry("parking_bay", "bay-1"), state(1))
    await_total(connection, (0, 0, 1))
    connection.execute("INSERT INTO devices (id, kind, area) VALUES ('bay-1', 'parking_bay', %s)", [STREET])
    device.publish(topics.telemetry("parking_bay", "bay-1"), state(2))
    await_total(connection, (1, 0, 1))
    eventually(lambda: ingest.devices == ["bay-1"] and ingest.readings == 1, "handed on")


def test_a_birth_of_another_kind_is_a_conflict(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    born(device, topics, "x-1")
    born(device, topics, "x-1", kind="bus")
    await_total(connection, (0, 0, 1))
    ((_, reason, detail, _),) = rejects(connection)
    assert (reason, detail) == ("conflict", 'kind is "bus", must be "parking_bay" as registered')
    eventually(lambda: bool(ingest.devices), "handed on")
    assert ingest.devices == ["x-1"]


def test_what_is_ended_and_what_is_pending_never_sum_up_to_less_than_before(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    seen: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.0005):
            if (stock := ingest.service.stock) is not None:
                seen.append(stock.ended + stock.pending)

    watching = threading.Thread(target=watch)
    watching.start()
    born(device, topics, "bay-1")
    for number in range(600):
        topic = topics.telemetry("parking_bay", "bay-1")
        device.publish(topic, [state(2 * number), state(2 * number + 1)] if number % 3 else b"poison")
        device.publish(topics.status("parking_bay", "bay-1"), b"online")
        device.publish(topics.meta("parking_bay", f"bay-{number % 20}"), {"area": STREET}, retain=True)
        if number % 7 == 0:
            device.publish(topics.command("nothing"), b"{}")
            device.publish("/".join(topic.split("/")[:4]), b"{}")
    total = 400 * 2 + 200 + 86
    eventually(lambda: sum(sum(counts) for counts in ledger(connection).values()) == total, "all is in the ledger")
    eventually(lambda: bool(seen) and seen[-1] == total, "the sum of the ledger")
    ended.set()
    watching.join()
    assert seen == sorted(seen)


def test_a_status_is_noted_with_its_device(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    def status() -> Any:
        return connection.execute("SELECT status FROM devices").fetchone()

    born(device, topics, "bay-1")
    device.publish(topics.status("parking_bay", "bay-1"), b"online", retain=True)
    eventually(lambda: status() == ("online",), "online")
    device.publish(topics.status("parking_bay", "bay-1"), b"offline", retain=True)
    eventually(lambda: status() == ("offline",), "offline")


POISON = [
    ("in/registry", b'{"devices": ["a\\u0000b", 7, "' + b"x" * 500 + b'"]}'),
    ("in/registry", b"[[["),
    ("in/registry", b'{"devices": {"a": 1}}'),
    ("in/replay", b'{"rejects": [99999999999999999999, -1, true, "1", 424242]}'),
    ("parking_bay/bay-1/tele", b"[" * 900 + b"]" * 900),
    ("parking_bay/bay-1/tele", b'[{"device": "a\\u0000b"}, {"device": {"x": 1}}]'),
    ("parking_bay/bay-1/meta", b'{"area": ' + b"[" * 900 + b"]" * 900 + b"}"),
    ("parking_bay/bay-1/meta", b'{"area": "310104003", "attributes": {"a": ' + b"[" * 600 + b"]" * 600 + b"}}"),
    ("parking_bay/bay-1/status", b"\xff\x00"),
    ("bus/bus-1/event/arrival", b'{"route": "\\u0000"}'),
    ("garbage_hut/" + "h" * 300 + "/tele", b"{}"),
    ("parking_bay/bay-1/tele", b"\x00" * 1_500_000),
]


def test_no_bytes_stop_the_loop(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    born(device, topics, "bay-1")
    for number, (rest, payload) in enumerate(POISON):
        device.publish(f"cv1/{topics.city}/{rest}", payload)
        device.publish(topics.telemetry("parking_bay", "bay-1"), state(number))
    eventually(lambda: total(connection)[0] == len(POISON), "all good readings stored")
    assert ingest.failure is None


def test_a_message_the_database_refuses_is_rejected_alone(
    ingest: Ingest, device: MqttClient, topics: Topics, connection: psycopg.Connection
) -> None:
    """A rule the contract does not know of: validation lets pass what the table does not take."""
    born(device, topics, "bay-1")
    connection.execute("ALTER TABLE parking_bay ADD CHECK (status <> 'closed')")
    for number in range(20):
        device.send(topics.telemetry("parking_bay", "bay-1"), state(number, "closed" if number == 13 else "free"))
    await_total(connection, (19, 0, 1))
    ((_, reason, detail, _),) = rejects(connection)
    assert reason == "schema"
    assert "the database refused the message" in detail
    eventually(lambda: ingest.readings == 19, "the others are handed on")
