"""Every SQL of docs/methodology.md on a simulated day and on the recordings that come along."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

import orjson
import psycopg
import pytest
from processing_material import AREAS, HOUR, NOW, SECOND, small_city

from devices.city import City, load_city
from devices.explaining import explain
from devices.kinds import kinds
from devices.replay import births, open_trace
from devices.simulation.fleet import Birth, Fleet
from devices.units import EPOCH
from ingest.registry import Device, Devices
from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.restore import read_horizon
from processing.trackers import stream_windows
from tests.processing.test_against_sql import compare, stored
from tests.processing.test_restore import Rows

DAY = 24 * HOUR


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def registered(born: list[Birth]) -> list[Device]:
    return [
        Device(key, birth.device, birth.kind, birth.meta["area"], attributes=birth.meta.get("attributes", {}))
        for key, birth in enumerate(born, start=1)
    ]


def restored(connection: psycopg.Connection, city: City, devices: list[Device]) -> Engine:
    engine = Engine([area.code for area in city.areas], city.parents, kinds())
    engine.register(devices)
    for kind in kinds().values():
        for one in read_horizon(connection, kind, Devices.of(devices), stream_windows(INDICATORS), NOW):
            engine.fold(one)
    return engine


def test_a_simulated_day(connection: psycopg.Connection) -> None:
    city, start = small_city(), EPOCH + timedelta(microseconds=NOW - DAY - HOUR)
    fleet = Fleet(city, kinds(), 40, 3, start, interval=180)
    devices = registered(fleet.births())
    keys = {device.id: device.key for device in devices}
    rows: Rows = defaultdict(list)
    for step in range(1, 25 * 12 + 1):
        for emission in fleet.readings(start + timedelta(minutes=5 * step)):
            rows[emission.stream].append((keys[emission.device], emission.reading))
    stored(connection, devices, rows)
    compared = compare(connection, restored(connection, city, devices), AREAS, NOW)
    silent = {name for name, count in compared.items() if not count} - {"energy.baseline_deviation"}
    assert len(silent) <= 3, silent


@pytest.mark.parametrize("trace", ["parking-birmingham", "bins-edinburgh", "energy-cambridge"])
def test_a_recording(connection: psycopg.Connection, trace: str) -> None:
    city = load_city("shanghai")
    recording, _ = open_trace(trace, city)
    devices = registered(births(recording, 1))
    keys = {device.id: device.key for device in devices}
    rows: Rows = defaultdict(list)
    for row in recording.rows:
        if row.time > recording.last - 30 * HOUR:
            reading = orjson.loads(row.payload(row.time - recording.last + NOW - 60 * SECOND))
            if explain(row.stream, reading) is None:
                rows[row.stream.name].append((keys[row.device], reading))
    stored(connection, devices, {name: unique(readings) for name, readings in rows.items()})
    engine = restored(connection, city, devices)
    places = {device.area for device in devices}
    inhabited = (city.areas[0].code, *islice((a.code for a in city.areas if a.code in places), 3))
    compared = compare(connection, engine, tuple(a.code for a in city.areas), NOW, set(inhabited))
    assert sum(compared.values()) > 0


def unique(readings: list[tuple[int, dict[str, object]]]) -> list[tuple[int, dict[str, object]]]:
    """One reading of each identity, as ingest keeps them."""
    return list({(key, value["dateObserved"], value.get("seq")): (key, value) for key, value in readings}.values())
