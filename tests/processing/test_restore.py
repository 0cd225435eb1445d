"""What a restart reads back gives the very same vital signs as the readings gave live."""

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from processing_material import (
    CITY,
    FIRST,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    SECOND_STREET,
    THIRD,
    batch,
    device,
    digest,
    engine,
    instant,
    observed,
)

from devices.kinds import kinds, streams
from ingest.database import declared_columns
from ingest.packing import pack
from ingest.registry import Device, Devices
from processing import restore
from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.restore import few_readings, read_horizon, read_span
from processing.trackers import stream_windows

Rows = dict[str, list[tuple[int, dict[str, Any]]]]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def store(connection: psycopg.Connection, stream: str, rows: list[tuple[int, dict[str, Any]]]) -> None:
    made = batch(stream, rows)
    names = ", ".join(["device", "date_observed", "seq", "received_at", *declared_columns(made.stream)])
    with connection.cursor() as cursor, cursor.copy(f"COPY {stream} ({names}) FROM STDIN (FORMAT binary)") as copy:
        for block in pack(made):
            copy.write(block)


def restored(connection: psycopg.Connection, devices: list[Device], now: int = NOW) -> Engine:
    made = engine(devices)
    windows = stream_windows(INDICATORS)
    for kind in kinds().values():
        batches = list(read_horizon(connection, kind, Devices.of(devices), windows, now))
        random.Random(1).shuffle(batches)
        for one in batches:
            made.fold(one)
    return made


def live(devices: list[Device], rows: Rows) -> Engine:
    made = engine(devices)
    for stream, readings in rows.items():
        for start in range(0, len(readings), 50):
            made.fold(batch(stream, readings[start : start + 50]))
    return made


def hut(seconds: float, **fields: Any) -> dict[str, Any]:
    return observed(seconds, **fields)


def city() -> tuple[list[Device], Rows]:
    """All kinds over several hours, with every sort of presence: lively, late, seldom, silent, never heard."""
    rng = random.Random(11)
    places = (FIRST, SECOND_STREET, THIRD)
    devices = [
        device(key, kind, places[key % 3])
        for key, kind in enumerate(["garbage_hut", "parking_bay", "car_park", "bus", "energy_meter"] * 12, start=1)
    ]
    devices.append(device(90, "garbage_hut", THIRD, reportingInterval=21_600))  # four times a day
    devices.append(device(91, "garbage_hut", THIRD))  # never heard
    rows: Rows = {stream: [] for stream in streams()}
    for key in range(1, 61):
        kind = devices[key - 1].kind
        last = 4 * 3600 if key % 20 == 0 else 0  # some fell silent four hours ago
        for step in range(last // 60, last // 60 + 90):
            s = -60 * step - rng.randrange(60)
            rows[kind].append((key, reading(kind, key, s, step, rng)))
        if kind == "bus":
            rows["bus_arrival"] += [(key, arrival(-300 * n - 50, n, key, rng)) for n in range(1, 20)]
        if kind == "garbage_hut" and key % 2:
            for violation in ("wrong_stream", "outside_hours", "beside_bin")[: key % 4]:
                event = observed(-rng.randrange(90_000), violation=violation)
                rows["garbage_hut_illegal_dumping"].append((key, event))
    rows["garbage_hut"] += [(90, hut(-7200, fillingLevelFood=0.96)), (90, hut(-60, temperature=9, nh3=9))]
    for readings in rows.values():
        rng.shuffle(readings)
    return devices, rows


def reading(kind: str, key: int, s: float, step: int, rng: random.Random) -> dict[str, Any]:
    match kind:
        case "garbage_hut":
            names = ("fillingLevelFood", "fillingLevelRecyclable") if step % 2 else ("fillingLevelResidual",)
            level = {name: rng.random() for name in (*names, "fillingLevelHazardous")}
            if key % 3:  # fills slowly, is emptied, and now and then overflows
                cycle = 70 if key % 2 else 300
                level = {names[0]: round(min(1.0, ((key * 37 - step) % cycle) / cycle * 1.1 + rng.random() / 20), 3)}
                level |= {name: rng.random() / 50 for name in ("fillingLevelHazardous", *names[1:])}
            return observed(s, **level, nh3=rng.random() * 3, h2s=rng.random() / 9, seepageDetected=rng.random() < 0.2)
        case "parking_bay":
            return observed(s, status=rng.choice(["free", "occupied", "occupied", "closed", "unknown"]), seq=step)
        case "car_park":
            return observed(s, totalSpotNumber=100, occupiedSpotNumber=rng.randrange(100))
        case "bus":
            place = {"type": "Point", "coordinates": [121 + rng.random() / 100, 31 + s / 1e5]}
            trip = {"trip": f"t{key}-{step // 20}"} if rng.random() < 0.95 else {}
            return observed(s, speed=rng.random() * 50, position=place, **trip)
        case _:
            load = {"totalActivePower": rng.uniform(-5, 50), "adjustablePower": rng.random()}
            register = (99_900 + 1000 * key + s / 20 + rng.random()) % (100_000 if key % 2 else 99_990)
            return observed(s, powerFactor=rng.uniform(0.8, 1), totalActiveEnergyImport=register, **load)


def arrival(due: float, n: int, key: int, rng: random.Random) -> dict[str, Any]:
    happened = due + rng.randrange(50)
    forecast = {"predictedAt": instant(happened + rng.randrange(-90, 90))} if rng.random() < 0.8 else {}
    return observed(
        happened,
        route="r",
        trip=f"t{key}-{n}",
        stop=f"s{key % 3}",
        scheduledAt=instant(due),
        arrivedAt=instant(happened),
        **forecast,
    )


def test_a_restored_engine_says_the_very_same_as_the_one_that_was_fed_live(connection: psycopg.Connection) -> None:
    devices, rows = city()
    for stream, readings in rows.items():
        store(connection, stream, readings)
    ours, theirs = restored(connection, devices), live(devices, rows)
    reference = theirs.evaluate(NOW)
    valued = {name for name, values in reference.indicators.items() if values.value[CITY] == values.value[CITY]}
    assert valued >= {"waste.nh3_exceedance", "waste.illegal_dumping", "transit.excess_wait", "energy.load"}
    for at in (NOW, NOW + SECOND, NOW + 2 * MINUTE, NOW + HOUR):
        mine, other = digest(ours.evaluate(at)), digest(theirs.evaluate(at))
        assert {name for name in mine if mine[name] != other[name]} == set(), at
    assert ours.worst(NOW) == theirs.worst(NOW)


def test_every_type_of_field_comes_back_as_it_went(connection: psycopg.Connection) -> None:
    rows: Rows = {
        "bus": [
            (1, observed(-1.000001, speed=0.1, route="71路", position={"type": "Point", "coordinates": [121.1, 31.2]})),
            (2, observed(-1, trip="t", seq=7)),
        ],
        "bus_arrival": [(1, arrival(-100, 1, 1, random.Random(1)))],
        "garbage_hut": [(1, observed(-1, seepageDetected=True)), (2, observed(-1, seepageDetected=False, nh3=1e-3))],
        "parking_bay": [(n, observed(-1, status=s)) for n, s in enumerate(["free", "occupied", "unknown", "closed"])],
        "car_park": [(1, observed(-1, totalSpotNumber=7)), (2, observed(-1, occupiedSpotNumber=0))],
    }
    for stream, readings in rows.items():
        store(connection, stream, readings)
        went = batch(stream, readings)
        (came,) = read_span(connection, streams()[stream], NOW - HOUR)
        order = came.device.argsort()
        came = came.take(order)
        for name in ("device", "time", "seq", "received"):
            assert getattr(came, name).tolist() == getattr(went, name).tolist()
            assert getattr(came, name).dtype == getattr(went, name).dtype
        assert came.columns.keys() == went.columns.keys()
        for name, column in went.columns.items():
            assert came.columns[name].dtype == column.dtype
            said = (came.labels(name), went.labels(name)) if name in went.texts else (came.columns[name], column)
            assert [str(v) for v in said[0]] == [str(v) for v in said[1]]


def test_a_device_that_reports_four_times_a_day_is_not_stale_after_a_restart(connection: psycopg.Connection) -> None:
    devices = [device(1, "garbage_hut", reportingInterval=21_600)]
    store(connection, "garbage_hut", [(1, hut(-50_000, fillingLevelFood=0.97)), (1, hut(-60, temperature=5))])
    snapshot = restored(connection, devices).evaluate(NOW)
    assert snapshot.indicators["waste.overflow_share"].value[FIRST] == 1.0


def test_a_device_that_has_been_silent_for_days_still_has_an_age(connection: psycopg.Connection) -> None:
    store(connection, "parking_bay", [(1, observed(-86_400 * 30, status="free"))])
    snapshot = restored(connection, [device(1, "parking_bay")]).evaluate(NOW)
    assert snapshot.indicators["parking.kerb_occupancy"].freshness[FIRST] == 86_400 * 30


def test_last_words_scattered_over_months_are_all_found(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a history leaves them that was imported: few readings a day, of devices that fell silent on different days."""
    monkeypatch.setattr(restore, "MOST_PROBES", 10_000)
    devices = [device(n, "parking_bay") for n in range(1, 2001)]
    rows = [(d.key, observed(-86_400 * (1 + d.key % 30), status="free")) for d in devices]
    earlier = [(d.key, observed(-86_400 * (2 + d.key % 30), status="occupied")) for d in devices[::50]]
    store(connection, "parking_bay", rows + earlier)
    batches = list(
        read_horizon(connection, kinds()["parking_bay"], Devices.of(devices), stream_windows(INDICATORS), NOW)
    )
    newest: dict[int, int] = {}
    for one in batches:
        for key, time in zip(one.device.tolist(), one.time.tolist(), strict=True):
            newest[key] = max(time, newest.get(key, time))
    assert newest == {d.key: NOW - 86_400 * SECOND * (1 + d.key % 30) for d in devices}


@pytest.mark.parametrize("smallest", [restore.SMALLEST_ROW, 1])
def test_readings_of_devices_that_seldom_report_all_come_back(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, smallest: int
) -> None:
    """From chunks that are read whole, and (a row is said to take one byte, so many may be there) device by device."""
    monkeypatch.setattr(restore, "SMALLEST_ROW", smallest)
    devices = [device(n, "parking_bay", reportingInterval=86_400 * (1 + n % 9)) for n in range(1, 401)]
    rows = [
        (d.key, observed(-86_400 * day - d.key, status="free")) for d in devices for day in range(1, 30, 1 + d.key % 9)
    ]
    store(connection, "parking_bay", rows)
    batches = list(
        read_horizon(connection, kinds()["parking_bay"], Devices.of(devices), stream_windows(INDICATORS), NOW)
    )
    came = {reading for one in batches for reading in zip(one.device.tolist(), one.time.tolist(), strict=True)}
    sent = {(key, NOW - (86_400 * day + key) * SECOND) for key in range(1, 401) for day in range(1, 30, 1 + key % 9)}
    counting = {(key, time) for key, time in sent if NOW - time <= 3 * 86_400 * SECOND * (1 + key % 9)}
    assert counting <= came <= sent


@pytest.mark.parametrize(
    ("chunks", "devices", "said"),
    [
        ([10, 20, 30], 60, (True, 3)),
        ([10, 20, 30], 59, (True, 2)),
        ([10, 20, 30], 9, (False, 1)),
        ([0, 90, 10], 50, (True, 1)),
        ([90, 0, 10], 50, (False, 1)),
    ],
)
def test_chunks_are_read_whole_as_long_as_they_hold_fewer_readings_than_are_sought(
    chunks: list[int], devices: int, said: tuple[bool, int]
) -> None:
    assert few_readings(chunks, devices) == said


def test_an_empty_database_restores_to_an_empty_city(connection: psycopg.Connection) -> None:
    devices = [device(1, "parking_bay")]
    assert digest(restored(connection, devices).evaluate(NOW)) == digest(live(devices, {}).evaluate(NOW))
