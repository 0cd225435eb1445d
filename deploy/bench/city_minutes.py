"""A city minute by minute as batches: what the benchmark `recompute` fills tables with. Seeded by the minute, no I/O.

Every device reports at the interval of its kind. Bays keep their state for a while, huts fill and are emptied,
registers rise, buses go round and arrive every two minutes, and one hut in a hundred sees dumping in an hour.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.contract import FieldSpec, Stream
from devices.kinds import kinds
from ingest.batch import MISSING, Batch, Column
from ingest.labels import Texts, code_labels

SECOND = 1_000_000
MINUTE = 60 * SECOND
ARRIVAL_EVERY_S = 120
DUMPING_SHARE_AN_HOUR = 0.01
ROUTES, STOPS, TRIP_MINUTES = 300, 25, 40
_TAKES_S = 2
"""seconds until a reading is received"""

Floats = NDArray[np.float64]


def minute_of_readings(devices: int, end: int) -> Iterator[Batch]:
    """What ``devices`` devices of all kinds, keys from 1 as ``readings.kind_of`` numbers them, say in the minute that
    ends at ``end`` (µs)."""
    dice = np.random.default_rng(end // MINUTE)
    for number, kind in enumerate(kinds().values()):
        keys = np.arange(number, devices, len(kinds()), dtype=np.int32) + 1
        for turn in range(max(1, round(60 / kind.reporting_interval))):
            length = min(MINUTE, int(kind.reporting_interval * SECOND))
            yield _batch(kind.stream, keys, end - turn * length, length, dice)
        for stream in kind.streams:
            if stream.is_event:
                share = 60 / ARRIVAL_EVERY_S if stream.name == "bus_arrival" else DUMPING_SHARE_AN_HOUR / 60
                some = keys[dice.random(len(keys)) < share]
                if len(some):
                    yield _batch(stream, some, end, MINUTE, dice)


def _batch(stream: Stream, keys: NDArray[np.int32], end: int, length: int, dice: np.random.Generator) -> Batch:
    count = len(keys)
    time = end - dice.integers(0, length, count)
    said = _said(stream.name, keys, time, dice)
    columns: dict[str, Column] = {}
    texts: dict[str, Texts] = {}
    for spec in stream.fields:
        for name in spec.columns:
            if spec.type == "label" and name in said:
                columns[name], texts[name] = code_labels(said[name].tolist())
            else:
                columns[name] = said.get(name, _nothing(spec, count)).astype(_nothing(spec, 0).dtype)
                texts |= {name: ()} if spec.type == "label" else {}
    nothing = np.zeros(count, np.int32)
    return Batch(
        stream, keys, time, np.full(count, -1, np.int64), time + _TAKES_S * SECOND, columns, nothing, nothing, texts
    )


def _said(stream: str, keys: NDArray[np.int32], time: NDArray[np.int64], dice: np.random.Generator) -> dict[str, Any]:
    count, minutes = len(keys), time / MINUTE
    phase: Floats = (keys * 0.618 % 1.0).astype(np.float64)
    day = 0.5 - 0.5 * np.cos(2 * np.pi * minutes / 1440)
    match stream:
        case "parking_bay":
            spell = np.sin(keys * 12.9898 + (minutes / 25 + phase).astype(np.int64) * 78.233) * 43758.5453 % 1
            return {"status": np.where(spell < 0.4 + 0.4 * day, 1, 0)}
        case "car_park":
            taken = 400 * (0.3 + 0.5 * day) + 20 * dice.standard_normal(count)
            return {"totalSpotNumber": np.full(count, 400), "occupiedSpotNumber": taken.clip(0, 400)}
        case "energy_meter":
            load = (5 + 60 * phase) * (0.4 + day) * (1 + 0.05 * dice.standard_normal(count))
            register = 9_000 + 1_000 * phase + (5 + 60 * phase) * (minutes % 100_000) / 60
            factor = (0.92 + 0.03 * dice.standard_normal(count)).clip(0, 1)
            power = {"totalActivePower": load.round(2), "totalActiveEnergyImport": register.round(2)}
            return power | {"powerFactor": factor.round(3), "adjustablePower": (load * 0.1).round(2)}
        case "garbage_hut":
            return _hut(minutes, phase, dice)
        case "bus":
            angle = 2 * np.pi * (minutes / TRIP_MINUTES + phase)
            place = {"position_lon": 121.4 + 0.2 * np.cos(angle), "position_lat": 31.2 + 0.2 * np.sin(angle)}
            return place | {"speed": (40 * dice.random(count)).round(1)} | _trip(keys, minutes)
        case "bus_arrival":
            late = dice.integers(-30, 240, count) * SECOND
            stop = _names("s", keys + (minutes * 60 / ARRIVAL_EVERY_S).astype(np.int64), STOPS)
            times = {"scheduledAt": time - late, "arrivedAt": time, "predictedAt": time - late // 2}
            return {"stop": stop} | times | _trip(keys, minutes)
        case "garbage_hut_illegal_dumping":
            return {"violation": _names("violation-", keys, 3), "confidence": dice.random(count).round(2)}
        case _:
            raise ValueError(f"stream is {stream!r}, must be one that a benchmark knows how to fill")


def _hut(minutes: Floats, phase: Floats, dice: np.random.Generator) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for number, part in enumerate(("Residual", "Food", "Recyclable", "Hazardous")):
        fill = (minutes / (600 + 200 * number) + phase + number / 4) % 1.05
        said[f"fillingLevel{part}"] = fill.clip(0, 1).round(3)
        said[f"cargoWeight{part}"] = (80 * fill).round(1)
    count = len(phase)
    said |= {"nh3": dice.gamma(2, 0.4, count).round(3), "h2s": dice.gamma(2, 0.012, count).round(4)}
    said |= {"seepageDetected": dice.random(count) < 0.02, "presenceDetected": dice.random(count) < 0.1}
    return said | {"temperature": (18 + 6 * dice.standard_normal(count)).round(1)}


def _trip(keys: NDArray[np.int32], minutes: Floats) -> dict[str, Any]:
    turn = (minutes / TRIP_MINUTES + keys * 0.618 % 1.0).astype(np.int64) % 1000
    trips = np.array([f"t{key}-{number}" for key, number in zip(keys.tolist(), turn.tolist(), strict=True)], object)
    return {"route": _names("r", keys, ROUTES), "trip": trips}


def _names(prefix: str, number: NDArray[Any], different: int) -> NDArray[np.object_]:
    """One of a few names for each number."""
    names: NDArray[np.object_] = np.array([f"{prefix}{one}" for one in range(different)], object)[number % different]
    return names


def _nothing(spec: FieldSpec, count: int) -> Column:
    """A column of a field that says nothing."""
    match spec.type:
        case "number" | "point":
            return np.full(count, np.nan)
        case "integer" | "instant":
            return np.full(count, MISSING, np.int64)
        case "boolean":
            return np.full(count, -1, np.int8)
        case "choice":
            return np.full(count, -1, np.int16)
        case "label":
            return np.full(count, -1, np.int32)
