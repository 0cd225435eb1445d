"""Registers that roll over, and meters that are exchanged, leave the energy of a city as it was drawn."""

from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from processing_material import HOUR, NOW, batch, small_city

from devices.kinds import kinds
from devices.simulation.behaviour import Mood
from devices.simulation.fleet import Fleet
from devices.simulation.scenario import load_scenario
from devices.units import EPOCH, parse_instant
from ingest.registry import Device
from processing.engine import Engine
from processing.indicators import INDICATORS

HOURS, EVERY = 6, timedelta(minutes=5)
REGISTER = "totalActiveEnergyImport"
Series = dict[str, list[tuple[int, float]]]
"""of each meter: (µs, kWh)"""


def fleet(mood: Mood) -> Fleet:
    meters = {"energy_meter": kinds()["energy_meter"]}
    begin = EPOCH + timedelta(microseconds=NOW - HOURS * HOUR)
    return Fleet(small_city(), meters, 60, 5, begin, interval=EVERY.total_seconds(), mood=mood)


def registers(mood: Mood) -> Series:
    simulated, found = fleet(mood), defaultdict(list)
    for step in range(1, HOURS * 12 + 1):
        for emission in simulated.readings(EPOCH + timedelta(microseconds=NOW - HOURS * HOUR) + step * EVERY):
            found[emission.device].append((parse_instant(emission.reading["dateObserved"]), emission.reading[REGISTER]))
    return found


def falls(series: Series) -> dict[str, int]:
    """When a register showed less than before (µs)."""
    return {name: at for name, points in series.items() for (_, old), (at, new) in pairwise(points) if new < old}


def last_of_hours(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return list({at // HOUR: (at, kwh) for at, kwh in points}.values())


def co2e(series: Series) -> dict[str, float]:
    """What the engine says, by area."""
    city = small_city()
    births = [birth for birth in fleet(Mood()).births() if birth.device in series]
    devices = [
        Device(key, b.device, b.kind, b.meta["area"], attributes=b.meta["attributes"]) for key, b in enumerate(births)
    ]
    rows = [
        (device.key, {"dateObserved": at // 1000, REGISTER: kwh}) for device in devices for at, kwh in series[device.id]
    ]
    engine = Engine([area.code for area in city.areas], city.parents, kinds(), INDICATORS)
    engine.register(devices)
    engine.fold(batch("energy_meter", rows))
    said = engine.evaluate(NOW).indicators["energy.co2e"].value
    return {area.code: float(value) for area, value in zip(city.areas, said, strict=True) if np.isfinite(value)}


def test_registers_that_roll_over_tell_the_same_energy() -> None:
    calm, rolled = registers(Mood()), registers(Mood(rollover=1.0))
    assert len(falls(rolled)) > 0.8 * len(rolled)
    assert all(kwh < 1e5 for points in rolled.values() for _, kwh in points)
    assert co2e(rolled) == pytest.approx(co2e(calm), rel=1e-6)


def test_of_an_exchanged_meter_only_the_hour_of_the_exchange_is_missing() -> None:
    calm, exchanged = registers(Mood()), registers(Mood(replaced=1.0))
    assert falls(calm) == {}
    assert len(falls(exchanged)) == len(exchanged)
    expected = 0.0
    for name, points in calm.items():
        hours, at = last_of_hours(points), falls(exchanged)[name]
        rises = [new - old for (begin, old), (end, new) in pairwise(hours) if not begin < at <= end]
        expected += 0.42 * sum(rises) / (hours[-1][0] - hours[0][0]) * 24 * HOUR
    assert co2e(exchanged)[small_city().code] == pytest.approx(expected, rel=1e-6)


def test_the_scenario_has_both_and_the_same_seed_has_them_in_the_same_meters() -> None:
    mood = load_scenario("meter_exchange").mood
    calm, met = registers(Mood()), registers(mood)
    assert registers(mood) == met
    struck = falls(met)
    assert 0.2 < len(struck) / len(met) < 0.6
    assert all(kwh < 100 for name, when in struck.items() for at, kwh in met[name] if at == when)
    untouched = [name for name in met if met[name] == calm[name]]
    assert len(untouched) + len(struck) == len(met)
