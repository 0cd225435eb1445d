"""A small city whose readings an engine is given, in batches of any size."""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from processing_material import (
    FIRST,
    batch,
    device,
    engine,
    instant,
    observed,
)

from ingest.registry import Device
from processing.engine import Engine, Snapshot
from processing.indicators import INDICATORS
from processing.method import Indicator
from processing.scoring import REASONS

Readings = list[tuple[str, int, dict[str, Any]]]
"""(stream, device key, wire object)"""


KEYS = {"garbage_hut": 0, "parking_bay": 100, "car_park": 200, "bus": 300, "energy_meter": 400}


PER_KIND = 9


WASTES = ("Residual", "Food", "Recyclable", "Hazardous")


def fleet() -> list[Device]:
    """Nine devices of each kind over the three streets."""
    return [device(first + n, kind, FIRST + n % 3) for kind, first in KEYS.items() for n in range(1, PER_KIND + 1)]


def city_day(seed: int) -> Readings:
    """Some minutes of a whole city: several readings of every device, with gaps, late by up to ten minutes."""
    rng = random.Random(seed)
    readings: Readings = []
    for n in range(1, PER_KIND + 1):
        for step in range(6):
            s = -100 * step - rng.randrange(90)
            readings += [
                ("garbage_hut", n, observed(s, nh3=rng.random() * 3, h2s=0.07, seepageDetected=rng.random() < 0.1,
                                            **{f"fillingLevel{name}": rng.random() ** (n % 4) for name in WASTES})),
                ("parking_bay", 100 + n, observed(s, status=rng.choice(["free", "occupied", "occupied", "closed"]))),
                ("car_park", 200 + n, observed(s, totalSpotNumber=100, occupiedSpotNumber=rng.randrange(110))),
                ("bus", 300 + n, observed(s, speed=rng.random() * 50, trip=f"t{n}", position=somewhere(rng))),
                ("energy_meter", 400 + n, observed(s, powerFactor=0.8 + rng.random() / 5, adjustablePower=rng.random(),
                                                   totalActivePower=rng.uniform(-5, 50),
                                                   totalActiveEnergyImport=900 + 10 * rng.random())),
            ]  # fmt: skip
            if step > 2:
                power = {"totalActivePower": rng.uniform(-5, 50), "totalActiveEnergyImport": 900 - step + rng.random()}
                readings.append(("energy_meter", 400 + n, observed(-900 * step - rng.randrange(900), **power)))
                fill = {"fillingLevelFood": 0.5 - step / 20 + rng.random() / 10}
                readings.append(("garbage_hut", n, observed(-1800 * step, **fill)))
        for step in range(8):
            due = -60 - 400 * step - rng.randrange(60)
            happened = due + rng.randrange(-90, 500)
            fields = {"route": "r", "trip": f"t{n}", "stop": f"s{n % 3}", "scheduledAt": instant(due)}
            fields |= {"predictedAt": instant(happened + rng.randrange(-60, 60))} if rng.random() < 0.8 else {}
            if happened <= 0:
                readings.append(("bus_arrival", 300 + n, observed(happened, **fields, arrivedAt=instant(happened))))
        if rng.random() < 0.6:
            readings.append(("garbage_hut_illegal_dumping", n, observed(-rng.randrange(80_000), violation="x")))
    return readings


def somewhere(rng: random.Random) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [121 + rng.random() / 50, 31 + rng.random() / 50]}


def folded(
    readings: Readings, size: int = 1000, devices: list[Device] | None = None, table: Sequence[Indicator] = INDICATORS
) -> Engine:
    """An engine that was given the readings in batches of ``size`` rows, as they come."""
    made = engine(fleet() if devices is None else devices, table)
    for start in range(0, len(readings), size):
        streams: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        for stream, key, value in readings[start : start + size]:
            streams[stream].append((key, value))
        for stream, rows in streams.items():
            made.fold(batch(stream, rows))
    return made


def reason(snapshot: Snapshot, index: str, area: int = FIRST) -> str | None:
    values = {"composite": snapshot.composite, **snapshot.domains, **snapshot.indicators}[index]
    return REASONS[values.reason[area]]


def bays(count: int, seconds: float, *statuses: str) -> Readings:
    return [
        ("parking_bay", 100 + n, observed(seconds, status=statuses[n % len(statuses)])) for n in range(1, count + 1)
    ]


KERB = "parking.kerb_occupancy"
