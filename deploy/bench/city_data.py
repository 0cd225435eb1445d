"""A city of a given size as arrays and batches: what the benchmarks of the core work on. Seeded, no I/O."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.city import City
from devices.contract import FieldSpec, Stream
from devices.kinds import kinds
from ingest.batch import Batch, Column
from ingest.registry import Device
from processing.engine import Engine

SECOND = 1_000_000
NOW = 1_795_161_600 * SECOND
"""2026-11-20T08:00:00Z"""
NAMES = tuple(map(str, range(200)))
"""what labels say"""


@dataclass(frozen=True)
class Readings:
    """One measurement of many devices over ten minutes."""

    device: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    area: NDArray[np.int32]
    """by device: label of its street"""

    def first(self, count: int) -> "Readings":
        return Readings(self.device[:count], self.time[:count], self.value[:count], self.area)

    def shuffled(self) -> "Readings":
        order = np.random.default_rng(2).permutation(len(self.device))
        return Readings(self.device[order], self.time[order], self.value[order], self.area)


def readings(city: City, devices: int, count: int) -> Readings:
    """Readings in order of arrival: event time rises, with seconds of jitter; devices report in turn."""
    dice = np.random.default_rng(1)
    time = NOW - 600 * SECOND + np.arange(count, dtype=np.int64) * (600 * SECOND // count)
    time -= dice.integers(0, 3 * SECOND, count)
    area = dice.choice(streets(city), devices).astype(np.int32)
    device = (np.arange(count) % devices).astype(np.int32)
    return Readings(device, time, dice.random(count) * 100, area)


def streets(city: City) -> NDArray[np.int64]:
    """Labels of all streets."""
    return np.array([label for label, area in enumerate(city.areas) if area.level == "street"])


def full_engine(city: City, devices: int) -> Engine:
    """An engine that knows ``devices`` devices of all kinds and has a fresh reading of each on every stream."""
    engine = Engine([area.code for area in city.areas], city.parents, kinds())
    codes = [area.code for area in city.areas if area.level == "street"]
    names = list(kinds())
    made = [
        Device(
            number + 1, f"{names[number % len(names)]}-{number}", names[number % len(names)], codes[number % len(codes)]
        )
        for number in range(devices)
    ]
    engine.register(made)
    for batch in second_of_readings(devices, NOW, 0, 1):
        engine.fold(batch)
    return engine


def second_of_readings(devices: int, at: int, turn: int, turns: int) -> list[Batch]:
    """New readings of every ``turns``-th device on every stream, observed in the second before ``at`` (µs)."""
    dice = np.random.default_rng(at // SECOND)
    batches = []
    for number, kind in enumerate(kinds().values()):
        keys = np.arange(number + turn * len(kinds()), devices, turns * len(kinds()), dtype=np.int32) + 1
        batches += [_batch(stream, keys, at, dice) for stream in kind.streams]
    return batches


def _batch(stream: Stream, keys: NDArray[np.int32], at: int, dice: np.random.Generator) -> Batch:
    count = len(keys)
    time = at - dice.integers(0, SECOND, count)
    columns: dict[str, Column] = {}
    for spec in stream.fields:
        columns |= {name: _column(spec, count, at, dice) for name in spec.columns}
    texts = {spec.columns[0]: NAMES for spec in stream.fields if spec.type == "label"}
    nothing = np.zeros(count, np.int32)
    return Batch(stream, keys, time, np.full(count, -1, np.int64), time, columns, nothing, nothing, texts)


def _column(spec: FieldSpec, count: int, at: int, dice: np.random.Generator) -> Column:
    match spec.type:
        case "number" | "point":
            return dice.random(count)
        case "integer":
            return dice.integers(1, 100, count)
        case "instant":
            return at - dice.integers(0, 3000 * SECOND, count)
        case "boolean":
            return dice.integers(0, 2, count).astype(np.int8)
        case "choice":
            return dice.integers(0, 2, count).astype(np.int16)
        case "label":
            return dice.integers(0, len(NAMES), count).astype(np.int32)
