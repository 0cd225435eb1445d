"""Who is expected and who reports: a dead device never looks like a healthy street."""

import math

import numpy as np
from engine_material import KERB, Readings, bays, city_day, folded, reason
from processing_material import (
    CITY,
    FIRST,
    MINUTE,
    NOW,
    SECOND,
    batch,
    device,
    engine,
    observed,
)

from processing.indicators import INDICATORS


def test_when_half_the_devices_fall_silent_coverage_falls_and_then_the_value_goes() -> None:
    devices = [device(100 + n, "parking_bay", reportingInterval=10) for n in range(1, 5)]
    made = engine(devices)
    states: list[tuple[float, str | None]] = []
    for second in range(0, 61, 5):
        alive = 4 if second <= 10 else 2
        made.fold(batch("parking_bay", [(100 + n, observed(second, status="free")) for n in range(1, alive + 1)]))
        snapshot = made.evaluate(NOW + second * SECOND)
        states.append((snapshot.indicators[KERB].coverage[FIRST], reason(snapshot, KERB)))
        assert math.isnan(snapshot.indicators[KERB].value[FIRST]) == (reason(snapshot, KERB) is not None)
    # last heard at 10 s, stale after 3 intervals of 10 s: gone at the first look after 40 s
    assert states[:9] == [(1.0, None)] * 9
    assert states[9:] == [(0.5, "coverage")] * 4
    later = made.evaluate(NOW + 91 * SECOND)
    assert (later.indicators[KERB].coverage[FIRST], reason(later, KERB)) == (0.0, "stale")
    assert reason(later, "parking") == "stale"
    assert reason(later, "composite") == "stale"
    assert later.indicators[KERB].freshness[FIRST] == 31.0


def test_nothing_stays_green_when_everything_is_silent() -> None:
    made = folded(city_day(1))
    snapshot = made.evaluate(NOW + 30 * MINUTE)
    counts = {row.id for row in INDICATORS if row.aggregation == "devices_heard"}
    others = [values for name, values in snapshot.indicators.items() if name not in counts]
    for values in (snapshot.composite, *snapshot.domains.values(), *others):
        assert np.isnan(values.score).all()
        assert np.isnan(values.value).all()
        assert not values.coverage.any()
    assert {reason(snapshot, name, CITY) for name in snapshot.indicators.keys() - counts} == {"stale"}
    for name in counts:  # who counts the silent has a value, and it is the worst
        assert not snapshot.indicators[name].value.any()
        assert not snapshot.indicators[name].score.any()
    assert sum(int(counts.sum()) for counts in snapshot.reporting.values()) == 0


def test_closed_bays_are_not_missing_and_bays_that_do_not_know_are() -> None:
    devices = [device(100 + n, "parking_bay") for n in range(1, 11)]
    closed = folded(bays(10, -1, "closed", "closed", "closed", "occupied", "free"), devices=devices).evaluate(NOW)
    assert closed.indicators[KERB].coverage[FIRST] == 1.0
    assert closed.indicators[KERB].value[FIRST] == 0.5
    unknown = folded(bays(10, -1, "unknown", "free"), devices=devices).evaluate(NOW)
    assert (reason(unknown, KERB), unknown.indicators[KERB].coverage[FIRST]) == ("coverage", 0.5)
    none_known = folded(bays(10, -1, "unknown"), devices=devices).evaluate(NOW)
    assert reason(none_known, KERB) == "coverage", "they are alive, so not stale"
    assert none_known.reporting["parking_bay"][FIRST] == 10
    all_closed = folded(bays(10, -1, "closed"), devices=devices).evaluate(NOW)
    assert reason(all_closed, KERB) == "not_applicable"
    assert reason(all_closed, "composite") == "not_applicable"
    dead = folded(bays(10, -1000, "closed"), devices=devices).evaluate(NOW)
    assert reason(dead, KERB) == "stale", "a sensor that died on a closed bay is dead"


def test_a_quiet_hut_that_lives_has_no_dumping_and_a_dead_one_says_nothing() -> None:
    hut = [device(1, "garbage_hut")]
    alive = folded([("garbage_hut", 1, observed(-1, temperature=20))], devices=hut).evaluate(NOW)
    assert alive.indicators["waste.illegal_dumping"].value[FIRST] == 0.0
    dead = folded([("garbage_hut", 1, observed(-1000, temperature=20))], devices=hut).evaluate(NOW)
    assert reason(dead, "waste.illegal_dumping") == "stale"


def test_a_device_is_expected_only_where_its_measures_say_so() -> None:
    devices = [
        device(1, "garbage_hut", measures=["fillingLevelFood"]),
        device(2, "garbage_hut", measures=["nh3", "h2s"]),
    ]
    made = folded(
        [("garbage_hut", 1, observed(-1, fillingLevelFood=0.2)), ("garbage_hut", 2, observed(-1, nh3=1, h2s=0))],
        devices=devices,
    )
    snapshot = made.evaluate(NOW)
    for name in ("waste.overflow_share", "waste.nh3_exceedance", "waste.h2s_exceedance"):
        assert (snapshot.indicators[name].coverage[FIRST], reason(snapshot, name)) == (1.0, None)
    # neither has a camera: no dumping seen is no news, not good news
    assert reason(snapshot, "waste.illegal_dumping") == "no_devices"
    assert reason(snapshot, "waste") is None


def test_meters_that_cannot_shed_load_do_not_lower_the_coverage_of_those_that_can() -> None:
    devices = [device(400 + n, "energy_meter", measures=["totalActivePower"]) for n in range(1, 9)]
    devices.append(device(409, "energy_meter"))
    readings: Readings = [("energy_meter", 400 + n, observed(-1, totalActivePower=10)) for n in range(1, 9)]
    readings.append(("energy_meter", 409, observed(-1, totalActivePower=100, adjustablePower=4, powerFactor=1)))
    snapshot = folded(readings, devices=devices).evaluate(NOW)
    assert snapshot.indicators["energy.adjustable_share"].value[FIRST] == 0.04
    assert snapshot.indicators["energy.adjustable_share"].coverage[FIRST] == 1.0
    assert snapshot.indicators["energy.load"].value[FIRST] == 180


def test_a_new_device_is_expected_at_once_and_its_interval_can_change() -> None:
    made = folded(bays(1, -100, "free"), devices=[device(101, "parking_bay")])
    assert reason(made.evaluate(NOW), KERB) is None
    made.register([device(101, "parking_bay", reportingInterval=10)])
    assert reason(made.evaluate(NOW), KERB) == "stale"
    made.register([device(101, "parking_bay"), device(102, "parking_bay")])
    assert reason(made.evaluate(NOW), KERB) == "coverage"


def test_readings_of_a_device_that_is_not_registered_are_left_out() -> None:
    made = engine()
    made.fold(batch("parking_bay", [(7, observed(-1, status="free"))]))
    assert reason(made.evaluate(NOW), KERB) == "no_devices"
    made.register([device(101, "parking_bay")])
    made.fold(batch("parking_bay", [(7, observed(-1, status="free")), (101, observed(-1, status="occupied"))]))
    assert made.evaluate(NOW).indicators[KERB].value[FIRST] == 1.0


def test_devices_of_a_kind_that_is_no_longer_declared_are_left_out() -> None:
    made = engine([device(1, "steam_engine")])
    assert all(counts.sum() == 0 for counts in made.evaluate(NOW).expected.values())
