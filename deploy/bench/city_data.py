"""A city of a given size as arrays: what the benchmarks of the core work on. Seeded, no I/O."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.city import City
from processing.engine import Engine
from processing.rehearsal import NOW, SECOND, made_engine, made_readings


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
    engine = made_engine(city, devices)
    for batch in made_readings(devices, NOW):
        engine.fold(batch)
    return engine
