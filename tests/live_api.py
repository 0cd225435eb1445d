"""What the API's tests work with: a small city, a server under uvicorn in a thread, and the pipeline's side of MQTT."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from api.config import ApiConfig
from deploy.serve import ApiServer, Listener, build_server
from devices.area import parse_areas
from devices.city import City, build_city
from devices.outline import parse_outlines
from devices.publisher import Publisher, Server

ZONE = ZoneInfo("Asia/Shanghai")
PATIENCE = 150.0
"""seconds that anything may take on a busy machine"""
_cities = count(1)


def small_city() -> City:
    """A city of two districts with three streets; its code is its own, so that tests share a broker in peace."""
    code = f"{next(_cities):03d}000"
    areas = f"""code,level,parent,name_zh,name_en
{code},city,,小城,Smallville
{code[:3]}101,district,{code},东区,East
{code[:3]}102,district,{code},西区,West
{code[:3]}101001,street,{code[:3]}101,甲街,First
{code[:3]}101002,street,{code[:3]}101,乙街,Second
{code[:3]}102001,street,{code[:3]}102,丙街,Third
"""
    squares = {
        "type": "FeatureCollection",
        "features": [_square(f"{code[:3]}101", 121.0), _square(f"{code[:3]}102", 121.1)],
    }
    settings = (
        f'code = "{code}"\ntimezone = "Asia/Shanghai"\ncentre = [121.1, 31.05]\n'
        '[map_note]\nzh = "示意"\nen = "Schematic"\n'
    )
    return build_city(settings, parse_areas(areas), parse_outlines(json.dumps(squares)))


def _square(code: str, west: float) -> dict[str, Any]:
    ring = [[west, 31.0], [west + 0.1, 31.0], [west + 0.1, 31.1], [west, 31.1], [west, 31.0]]
    return {
        "type": "Feature",
        "properties": {"code": code, "label": [west + 0.05, 31.05]},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def value(score: float | None = 80.0, **changes: Any) -> dict[str, Any]:
    """A VALUE as the pipeline publishes it."""
    return {
        "value": 0.7,
        "unit": "1",
        "score": score,
        "coverage": 1.0,
        "freshness": 1.5,
        "state": "provisional",
        "revision": 0,
        "reason": None,
        "contributions": [{"id": "parking.kerb_occupancy", "weight": 1.0, "score": score, "points": score}],
        **changes,
    }


def document(city: City, code: str, tick: int, at: str, score: float = 80.0, freshness: float = 1.5) -> dict[str, Any]:
    """Vital signs of an area: parking with two indicators, energy with one that says nothing."""
    area = city.area(code)
    fresh = {"freshness": freshness}
    parking = (
        {"name": {"zh": "停车", "en": "Parking"}}
        | value(score, unit=None, **fresh)
        | {
            "indicators": {
                "parking.kerb_occupancy": value(score, **fresh, contributions=[{"device": "bay-1", "value": 1.0}]),
                "parking.unknown_share": value(90.0, **fresh, contributions=[]),
            }
        }
    )
    mute = {"value": None, "reason": "coverage", "coverage": 0.2, "contributions": []}
    energy = value(None, **mute) | {"indicators": {"energy.load_factor": value(None, unit="kW", **mute)}}
    return {
        "area": code,
        "level": area.level,
        "name": area.name,
        "tick": tick,
        "at": at,
        "methodVersion": "test-1",
        "devices": {"parking_bay": {"expected": 10, "reporting": 10}},
        "composite": value(score, **fresh),
        "domains": {"parking": parking, "energy": energy},
    }


class Pipeline:
    """Publishes ticks as the pipeline does."""

    def __init__(self, publisher: Publisher, city: City) -> None:
        self._publisher, self._city = publisher, city

    def tick(
        self,
        number: int,
        scores: dict[str, float] | None = None,
        *,
        at: datetime | None = None,
        freshness: float = 1.5,
        pipeline: dict[str, Any] | None = None,
        alarms: list[dict[str, Any]] | None = None,
        skip: tuple[str, ...] = (),
    ) -> str:
        """Publish the vital signs of all areas, then the closing message; the tick's time."""
        moment = (at or datetime.now(UTC)).astimezone(ZONE).isoformat()
        for area in self._city.areas:
            if area.code not in skip:
                score = (scores or {}).get(area.code, 80.0)
                self.publish(area.code, document(self._city, area.code, number, moment, score, freshness))
        closing = {"tick": number, "at": moment, "methodVersion": "test-1", "pipeline": pipeline or {"pending": 0}}
        self.publish("tick", closing | {"alarms": alarms or []})
        assert self._publisher.flush(PATIENCE)
        return moment

    def publish(self, name: str, message: Any) -> None:
        payload = message if isinstance(message, bytes) else orjson.dumps(message)
        self._publisher.publish(f"cv1/{self._city.code}/out/{name}", payload, retain=True)


class RunningApi:
    """An API under uvicorn, in a thread of this process."""

    def __init__(self, config: ApiConfig, port: int = 0) -> None:
        self.config = config
        self.server: ApiServer = build_server(config, Listener(port=0))
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self._socket]})

    @property
    def services(self) -> Any:
        return self.server.config.app.state.services  # type: ignore[union-attr] # a FastAPI application

    @property
    def hub(self) -> Any:
        return self.services.hub

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self.server.started, "the server to start")

    def await_broker(self) -> None:
        """The server answers before it has a connection to the broker; wait for that too."""
        wait_until(lambda: self.services.subscriber.connected, "the API's connection to the broker")

    def stop(self, within: float = PATIENCE) -> bool:
        """Ask the server to end; whether it did."""
        self.server.should_exit = True
        self._thread.join(within)
        return not self._thread.is_alive()


@contextmanager
def running_api(config: ApiConfig) -> Iterator[RunningApi]:
    api = RunningApi(config)
    api.start()
    try:
        yield api
    finally:
        assert api.stop(), "the server did not end"


@pytest.fixture
def own_city() -> City:
    return small_city()


@pytest.fixture
def own_api(config: ApiConfig) -> Iterator[RunningApi]:
    with running_api(config) as running:
        yield running


def wait_until(condition: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
    """Wait for something that happens in another thread or process."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"waited {within:g} s in vain for {what}"
        time.sleep(0.02)


class Events:
    """Reads server-sent events of an open response."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, str, Any]:
        """Event, id and data of the next event; comments and ``retry`` are passed over."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and "data" in fields:
                return fields["event"], fields.get("id", ""), orjson.loads(fields["data"])
            if not line:
                fields = {}
            elif not line.startswith(":"):
                name, _, text = line.partition(": ")
                fields[name] = text
        raise AssertionError("the stream ended")

    def until(self, condition: Callable[[Any], bool]) -> tuple[str, str, Any]:
        """The first event whose data meets a condition."""
        while True:
            event = self.next()
            if condition(event[2]):
                return event


def insert_reading(database_url: str, stream: str, device: str, observed: datetime, **fields: Any) -> None:
    """Put a reading into its table as ingest does; fields are columns."""
    columns = ", ".join(["date_observed", "received_at", *fields])
    marks = ", ".join(["%s"] * (2 + len(fields)))
    with psycopg.connect(database_url) as connection:
        connection.execute(
            f"INSERT INTO {stream} (device, {columns})"  # type: ignore[arg-type] # names of the test itself
            f" SELECT key, {marks} FROM devices WHERE id = %s",
            [observed, datetime.now(UTC), *fields.values(), device],
        )


@contextmanager
def heeding(broker_url: str, city: City, command: str, act: Callable[[Any], None]) -> Iterator[None]:
    """Acts on the API's commands as the pipeline does, on a thread of its own."""
    server, subscribed = Server.parse(broker_url), threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda _client, _data, message: act(orjson.loads(message.payload))
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(server.host, server.port)
    client.subscribe(f"cv1/{city.code}/in/{command}", qos=1)
    client.loop_start()
    try:
        assert subscribed.wait(PATIENCE)
        yield
    finally:
        client.disconnect()
        client.loop_stop()


class Cable:
    """A TCP connection to a server that can be cut off without either side being told."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._ends: list[socket.socket] = [self._listener]
        self._closed, self._guard = False, threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self.mend()
        with self._guard:
            self._closed = True
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                with self._guard:
                    self._ends += [near, far]
                    if self._closed:
                        near.close()
                        far.close()
                        return
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._whole.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
