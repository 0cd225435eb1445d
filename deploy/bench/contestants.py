"""Whoever takes readings off the broker: each is started, given the same load, and timed from the first message sent to
the last one stored and acknowledged.

All have a persistent session, QoS 1 and the same Receive Maximum. A run begins with empty tables; the pipeline and
Node-RED, which compile while they run, are given a warm-up.
"""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.bench import machine
from deploy.bench.installed import mosquitto_sub, node_red, python_packages
from deploy.bench.load import Load, connect_packet, publish
from deploy.bench.peers import node_red as node_red_flow
from deploy.bench.world import PATIENCE, World, free_port, wait_for
from deploy.embedded.processes import spawn, stop
from deploy.embedded.server import last_line
from deploy.errors import DeployError
from deploy.supervisor import is_ready, own_command
from devices.contract import Stream
from devices.kinds import kinds
from ingest.database import connect
from ingest.reading_store import column_names
from ingest.subscriber import WINDOW

PIPELINE_CLIENT = "cityvitals-pipeline-{city}"
_PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Trial:
    """What a contestant is given."""

    world: World
    warm_up: Load
    load: Load
    readings_a_message: int = 1

    @property
    def readings(self) -> int:
        return len(self.load) * self.readings_a_message

    def publish(self) -> None:
        publish(self.load, *self.world.broker_address)


def pipeline_rate(trial: Trial, usage: dict[str, float] | None = None) -> float:
    """Readings a second of `cityvitals pipeline`: stored, in the ledger, acknowledged. ``usage``: is told processor
    seconds of each process."""
    world = trial.world
    world.empty()
    with pipeline(world) as process, connect(world.database_url) as connection:
        connection.autocommit = True
        warm_up(trial)
        before = world.stored(connection)
        marks = {name: machine.processor_seconds(pid) for name, pid in (*world.pids.items(), ("pipeline", process.pid))}
        started = time.perf_counter()
        trial.publish()
        published = time.perf_counter()
        done = wait_for(lambda: world.stored(connection), before + trial.readings, "the pipeline")
        if usage is not None:
            usage["published"] = published - started
            usage |= {
                name: machine.processor_seconds(pid) - marks[name]
                for name, pid in (*world.pids.items(), ("pipeline", process.pid))
            }
        return trial.readings / (done - started)


@contextmanager
def pipeline(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """A running pipeline that has subscribed; its session at the broker is forgotten afterwards."""
    client = PIPELINE_CLIENT.format(city=world.city.code)
    with (world.folder / "pipeline.log").open("ab") as log:
        process = spawn(own_command("pipeline"), environment=world.environment(), output=log)
    try:
        yield process
    finally:
        stop(process, signal.SIGTERM, patience=30)
        forget_session(world.broker_address, client)


@contextmanager
def api(world: World) -> Iterator[str]:
    """A running API that has its first vital signs; its address."""
    url = f"http://127.0.0.1:{free_port()}"
    log = world.folder / "api.log"
    with log.open("ab") as output:
        command = own_command("api", "--port", url.rsplit(":", 1)[1])
        process = spawn(command, environment=world.environment(), output=output)
    try:
        deadline = time.perf_counter() + 120
        while not is_ready(url):
            if process.poll() is not None or time.perf_counter() > deadline:
                raise DeployError(f"the api did not get ready: {last_line(log)}")
            time.sleep(0.1)
        yield url
    finally:
        stop(process, signal.SIGTERM)


def warm_up(trial: Trial) -> None:
    """Wait until the pipeline takes messages, then let it take the warm-up load."""
    world = trial.world
    with connect(world.database_url) as connection:
        connection.autocommit = True
        probe = trial.warm_up
        deadline = time.perf_counter() + PATIENCE
        while world.stored(connection) == 0:  # messages sent before it subscribes for the first time are lost
            if time.perf_counter() > deadline:
                raise DeployError(
                    f"the pipeline stored nothing within {PATIENCE:.0f} s: {last_line(world.folder / 'pipeline.log')}"
                )
            publish(probe, *world.broker_address)
            time.sleep(0.3)
        time.sleep(1.5)
        expected = world.stored(connection) + len(probe) * trial.readings_a_message
        publish(probe, *world.broker_address)
        wait_for(lambda: world.stored(connection), expected, "the warm-up")
        time.sleep(1.0)


def mosquitto_sub_rate(trial: Trial) -> float:
    """Readings a second of Mosquitto's C client, which only receives and acknowledges."""
    world = trial.world
    host, port = world.broker_address
    session = ["-V", "5", "-q", "1", "-c", "-i", "limit", "-x", "3600", "-D", "CONNECT", "receive-maximum", str(WINDOW)]
    address = ["-h", host, "-p", str(port), "-t", _telemetry(world), "-C", str(len(trial.load))]
    command: list[str | Path] = [mosquitto_sub(world.cache), *address, *session]
    process = spawn(command, output=subprocess.DEVNULL)
    try:
        time.sleep(0.7)
        started = time.perf_counter()
        trial.publish()
        if process.wait(120):
            raise DeployError(f"mosquitto_sub ended with exit code {process.returncode}")
        return trial.readings / (time.perf_counter() - started)
    finally:
        stop(process, signal.SIGTERM)
        forget_session(world.broker_address, "limit")


def insert_each_rate(trial: Trial) -> float:
    """Readings a second of plain paho with an INSERT and a COMMIT a message."""
    return _script_rate(trial, "insert_each")


def copy_batches_rate(trial: Trial) -> float:
    """Readings a second of gmqtt and asyncpg's COPY."""
    return _script_rate(trial, "copy_batches")


def _script_rate(trial: Trial, name: str) -> float:
    world = trial.world
    world.empty()
    file = world.folder / f"{name}.json"
    file.write_text(json.dumps(_configuration(world, name) | {"count": len(trial.load)}))
    environment = world.environment(PYTHONPATH=str(python_packages(world.cache)))
    log = world.folder / f"{name}.log"
    with log.open("wb") as output:
        process = spawn([sys.executable, _PEERS / f"{name}.py", file], environment=environment, output=output)
    try:
        _wait_until(lambda: b"subscribed" in log.read_bytes(), process, log)
        started = time.perf_counter()
        trial.publish()
        if process.wait(300):
            raise DeployError(f"{name} ended with exit code {process.returncode}: {last_line(log)}")
        rate = trial.readings / (time.perf_counter() - started)
    finally:
        stop(process, signal.SIGTERM)
        forget_session(world.broker_address, name)
    _check_stored(trial, name)
    return rate


def node_red_rate(trial: Trial) -> float:
    """Readings a second of Node-RED with `pg`."""
    world = trial.world
    folder = node_red(world.cache)
    if folder is None:
        raise DeployError("this machine has no npm to install it with")
    world.empty()
    configuration = _configuration(world, "node-red")
    settings = node_red_flow.write(world.folder, configuration, port=0)
    environment = world.environment(DATABASE_URL=world.database_url, STREAMS=json.dumps(configuration["streams"]))
    command: list[str | Path] = [
        "node",
        folder / "node_modules/node-red/red.js",
        "--userDir",
        folder,
        "--settings",
        settings,
    ]
    log = world.folder / "node-red.log"
    with log.open("wb") as output:
        process = spawn(command, folder=folder, environment=environment, output=output)
    try:
        with connect(world.database_url) as connection:
            connection.autocommit = True
            deadline = time.perf_counter() + 60
            while world.rows(connection) == 0:
                if process.poll() is not None or time.perf_counter() > deadline:
                    raise DeployError(f"Node-RED stored nothing: {last_line(log)}")
                publish(trial.warm_up, *world.broker_address)
                time.sleep(1.0)
            time.sleep(2.0)
            before = world.rows(connection)
            started = time.perf_counter()
            trial.publish()
            done = wait_for(lambda: world.rows(connection), before + trial.readings, "Node-RED", pause=0.1)
        return trial.readings / (done - started)
    finally:
        stop(process, signal.SIGTERM)
        forget_session(world.broker_address, "node-red")


def _telemetry(world: World) -> str:
    """A subscription to what devices send, without what the pipeline publishes (retained)."""
    return world.topics.telemetry("+", "+")


def _configuration(world: World, client: str) -> dict[str, Any]:
    host, port = world.broker_address
    return {
        "host": host,
        "port": port,
        "client": client,
        "window": WINDOW,
        "database": world.database_url,
        "topic": _telemetry(world),
        "streams": {kind.id: _as_sql(kind.stream) for kind in kinds().values()},
    }


def _as_sql(stream: Stream) -> dict[str, Any]:
    """How a peer stores a reading: where the values are in the JSON, and statements for each driver."""
    paths: list[list[str | int]] = []
    for spec in stream.fields:
        paths += (
            [[spec.name, "coordinates", 0], [spec.name, "coordinates", 1]] if spec.type == "point" else [[spec.name]]
        )
    columns = column_names(stream)
    names = ", ".join(columns)

    def statement(place: Callable[[int], str], kinds_of: Callable[[int, str], str]) -> str:
        types = ["timestamptz", "bigint", *(spec.sql_type for spec in stream.fields for _ in spec.columns)]
        values = [kinds_of(i, sql_type) for i, sql_type in enumerate(types, 1)]
        values.insert(2, "now()")
        return f"INSERT INTO {stream.name} ({names}) SELECT key, {', '.join(values)} FROM devices WHERE id = {place(len(types) + 1)}"  # noqa: S608,E501 - names of our own

    return {
        "paths": paths,
        "columns": columns,
        "psycopg": statement(lambda _: "%s", lambda _, sql_type: f"%s::{sql_type}"),
        "pg": statement(lambda i: f"${i}", lambda i, sql_type: f"${i}::{sql_type}"),
    }


def _check_stored(trial: Trial, name: str) -> None:
    with connect(trial.world.database_url) as connection:
        stored = trial.world.rows(connection)
    if stored != trial.readings:
        raise DeployError(f"{name} stored {stored} readings, must be {trial.readings}")


def _wait_until(done: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.perf_counter() + 30
    while not done():
        if process.poll() is not None or time.perf_counter() > deadline:
            raise DeployError(f"a peer did not start: {last_line(log)}")
        time.sleep(0.05)


def forget_session(address: tuple[str, int], client: str) -> None:
    """Have the broker drop a session and all that it has queued for it, by connecting with a clean one."""
    with socket.create_connection(address) as connection:
        connection.sendall(connect_packet(client))
        connection.recv(4)
        connection.sendall(b"\xe0\x00")
