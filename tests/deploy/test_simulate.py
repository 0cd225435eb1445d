"""The sending processes against the real broker: births first, then readings; a clean stop; honest exit codes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import orjson
import paho.mqtt.client as mqtt
import pytest
from mqtt_client import PATIENCE, eventually
from paho.mqtt.enums import CallbackAPIVersion
from running_ingest import running_ingest

from deploy.simulate import INTERRUPTED, run_replay, run_simulation
from devices.city import CITIES, load_city
from devices.kinds import kinds
from devices.publisher import Server
from devices.topics import Topics
from ingest.database import connect

_cities = count(1)
TRACE = """
files = "parks.csv"
kind = "car_park"
device.column = "id"
time = { column = "t", zone = "UTC" }
fields = { totalSpotNumber = "total", occupiedSpotNumber = "taken" }
"""


@pytest.fixture
def own_city(tmp_path: Path) -> tuple[Path, str]:
    """A city of this test alone, so that its topics are its own: Shanghai under another code."""
    code = f"98{next(_cities):04d}"
    folder = tmp_path / "city"
    folder.mkdir()
    for file in (CITIES / "shanghai").iterdir():
        (folder / file.name).write_text(file.read_text(encoding="utf-8").replace("310000", code), encoding="utf-8")
    return folder, code


@contextmanager
def listening(url: str, code: str) -> Iterator[list[mqtt.MQTTMessage]]:
    messages: list[mqtt.MQTTMessage] = []
    ready = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda _client, _data, message: messages.append(message)
    client.on_subscribe = lambda *_: ready.set()
    server = Server.parse(url)
    client.connect(server.host, server.port)
    client.loop_start()
    client.subscribe(f"cv1/{code}/#", qos=1)
    assert ready.wait(PATIENCE)
    try:
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()


def wait_for(messages: list[mqtt.MQTTMessage], wanted: int) -> None:
    eventually(lambda: len(messages) >= wanted, f"{wanted} messages")


def statuses(messages: list[mqtt.MQTTMessage]) -> list[str]:
    return sorted(message.payload.decode() for message in messages if message.topic.endswith("/status"))


def trace(folder: Path, rows: list[str]) -> Path:
    (folder / "trace.toml").write_text(TRACE, encoding="utf-8")
    (folder / "parks.csv").write_text("id,t,total,taken\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_a_simulated_city_is_born_reports_and_stops_when_told(
    broker_url: str, own_city: tuple[Path, str], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, code = own_city
    stop = threading.Event()
    codes: list[int] = []
    with listening(broker_url, code) as messages:
        arguments = (broker_url, folder, 60, 3, stop)
        thread = threading.Thread(
            target=lambda: codes.append(run_simulation(*arguments, interval=0.5, online=True, scenario="rush_hour"))
        )
        thread.start()
        wait_for(messages, 60 + 60 + 100)
        stop.set()
        thread.join(PATIENCE)
        said = sorted(["online"] * 60 + ["offline"] * 60)
        eventually(lambda: statuses(messages) == said, "each device to be on line and off line once")
    assert codes == [0]
    assert [message.topic.split("/")[4] for message in messages[:60]] == ["meta"] * 60
    assert {orjson.loads(m.payload)["attributes"]["reportingInterval"] for m in messages[:60]} == {0.5}
    observed = [orjson.loads(m.payload)["dateObserved"] for m in messages if m.topic.endswith("/tele")]
    assert all(datetime.fromisoformat(at) <= datetime.now(UTC) for at in observed)
    assert "simulating 60 devices" in capfd.readouterr().err


def test_through_a_gateway_nothing_is_missing_though_the_network_loses_and_damages(
    broker_url: str, database_url: str, own_city: tuple[Path, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, code = own_city
    scenario = tmp_path / "lossy.toml"
    scenario.write_text(
        'title = "A line that loses a tenth"\n[faults]\ndrop = 0.1\nduplicate = 0.05\ngarbage = 0.05\n'
        "reorder = 0.1\nreorder_s = 0.5\n",
        encoding="utf-8",
    )
    stop = threading.Event()
    arguments = (broker_url, folder, 20, 3, stop)
    thread = threading.Thread(
        target=lambda: run_simulation(*arguments, interval=0.2, scenario=scenario, through_gateway=True)
    )
    topics, areas = Topics(code, kinds()), frozenset(area.code for area in load_city(folder).areas)
    with (
        connect(database_url) as connection,
        running_ingest(
            database_url=database_url, broker_url=broker_url, topics=topics, spool=tmp_path / "spool", areas=areas
        ),
    ):
        connection.autocommit = True
        thread.start()
        try:
            sure = "SELECT count(*) FROM watermarks WHERE committed >= 30"
            eventually(lambda: (connection.execute(sure).fetchone() or (0,))[0] >= 12, "gaps are closed")
        finally:
            stop.set()
            thread.join(PATIENCE)
    (report,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("gateway: "))
    assert " 0 sent again" not in report


def test_a_replay_publishes_births_then_rows_and_reports_what_it_skipped(
    broker_url: str, own_city: tuple[Path, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, code = own_city
    rows = [f"p{i % 5},2020-01-01 00:00:{i:02d},100,{i}" for i in range(40)] + ["p1,soon,1,1"]
    with listening(broker_url, code) as messages:
        assert run_replay(trace(tmp_path, rows), broker_url, folder, threading.Event(), speed=40.0) == 0
        wait_for(messages, 45)
    assert [m.topic.split("/")[4] for m in messages] == ["meta"] * 5 + ["tele"] * 40
    readings = [orjson.loads(m.payload) for m in messages[5:]]
    assert [r["occupiedSpotNumber"] for r in readings] == list(range(40))
    first, last = (datetime.fromisoformat(r["dateObserved"]) for r in (readings[0], readings[-1]))
    assert (last - first).total_seconds() == 39 / 40
    output = capfd.readouterr().out
    assert "41 rows read, 40 of 40 readings published, 5 devices" in output
    assert "1 skipped, time cannot be read: parks.csv line 42: time is 'soon'" in output
    assert "all acknowledged by the broker" in output


def test_a_replay_that_is_stopped_says_so(
    broker_url: str, own_city: tuple[Path, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, code = own_city
    stop = threading.Event()
    codes: list[int] = []
    with listening(broker_url, code) as messages:
        path = trace(tmp_path, ["p,2020-01-01,5,1", "p,2020-01-02,5,2"])
        thread = threading.Thread(target=lambda: codes.append(run_replay(path, broker_url, folder, stop)))
        thread.start()
        wait_for(messages, 2)
        stop.set()
        thread.join(PATIENCE)
    assert codes == [INTERRUPTED]
    assert "1 of 2 readings published" in capfd.readouterr().out


def test_what_cannot_be_done_is_one_line_and_exit_code_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"mqtt://127.0.0.1:{taken.getsockname()[1]}"
    too_near = ["a,2020-01-01 00:00:00.000001,1,1", "a,2020-01-01,1,1"]
    assert run_simulation("http://x", "shanghai", 5, 1, stop) == 1
    assert run_simulation(nobody, "atlantis", 5, 1, stop) == 1
    assert run_replay(trace(tmp_path, too_near[:1]), "mqtt://x:99999", "shanghai", stop) == 1
    assert run_replay(trace(tmp_path, too_near), nobody, "shanghai", stop, speed=2.0) == 1
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["simulate", "simulate", "replay", "replay"]
    assert "the largest speed that keeps them apart is 1" in lines[3]
