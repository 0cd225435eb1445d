"""The engine says the same of the same readings, whatever their order, and falls silent with the devices."""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from processing_material import (
    CITY,
    EAST,
    FIRST,
    MINUTE,
    NOW,
    PARENTS,
    SECOND,
    SECOND_STREET,
    STREETS,
    THIRD,
    WEST,
    batch,
    device,
    digest,
    engine,
    instant,
    observed,
)

from ingest.registry import Device
from processing.engine import Engine, Snapshot
from processing.indicators import INDICATORS
from processing.method import SUMS, Indicator
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


def test_the_same_readings_in_any_order_batches_and_number_give_the_very_same_snapshot() -> None:
    readings = city_day(1)
    reference = digest(folded(readings).evaluate(NOW))
    rng = random.Random(2)
    for size in (1, 7, 1000):
        shuffled = readings[:]
        rng.shuffle(shuffled)
        assert digest(folded(shuffled, size).evaluate(NOW)) == reference
    snapshot = folded(readings).evaluate(NOW)
    for indicator in INDICATORS:
        if not indicator.baseline_of:  # nobody has fixed one yet
            assert not math.isnan(snapshot.indicators[indicator.id].value[CITY]), indicator.id
    assert not math.isnan(snapshot.composite.score[CITY])


def test_newest_readings_that_come_twice_count_once() -> None:
    # (ingest hands a reading on once; after a restart the newest may come again)
    newest = [row for row in city_day(1) if row[0] in ("parking_bay", "car_park", "energy_meter")]
    table = [row for row in INDICATORS if row.aggregation.startswith("latest")]
    twice = folded(newest + newest[::2], table=table)
    assert digest(twice.evaluate(NOW)) == digest(folded(newest, table=table).evaluate(NOW))


def test_permutation_of_devices_changes_nothing() -> None:
    readings, devices = city_day(3), fleet()
    reference = digest(folded(readings, devices=devices).evaluate(NOW))
    for seed in range(3):
        random.Random(seed).shuffle(devices)
        assert digest(folded(readings, devices=devices).evaluate(NOW)) == reference


def test_roll_up_from_streets_equals_the_computation_over_all_devices_below() -> None:
    readings = city_day(5)
    table = [row for row in INDICATORS if row.aggregation != "latest_areas"]  # counts areas; here they become one
    snapshot = folded(readings, table=table).evaluate(NOW)
    for area, streets in ((CITY, {FIRST, SECOND_STREET, THIRD}), (EAST, {FIRST, SECOND_STREET}), (WEST, {THIRD})):
        moved = [device(d.key, d.kind, FIRST) for d in fleet() if STREETS.index(d.area) + FIRST in streets]
        kept = {d.key for d in moved}
        direct = folded([row for row in readings if row[1] in kept], devices=moved, table=table).evaluate(NOW)
        for name, values in snapshot.indicators.items():
            for field in ("value", "score", "coverage", "freshness", "reason"):
                ours, theirs = getattr(values, field)[area], getattr(direct.indicators[name], field)[FIRST]
                assert ours == theirs or (np.isnan(ours) and np.isnan(theirs)), (name, field, area)
        assert snapshot.composite.score[area] == direct.composite.score[FIRST]


def test_an_areas_value_is_the_mean_of_its_parts_weighed_by_their_base() -> None:
    snapshot = folded(city_day(5)).evaluate(NOW)
    ratios = {name for name, values in snapshot.indicators.items() if not np.isnan(values.base).all()}
    assert len(ratios) > 15
    for name in ratios - {row.id for row in INDICATORS if row.aggregation in SUMS}:
        values, base = snapshot.indicators[name].value, snapshot.indicators[name].base
        for area, parts in ((CITY, [EAST, WEST]), (EAST, [FIRST, SECOND_STREET])):
            total = np.nansum(base[parts])  # where there is nothing to relate to, there is neither value nor weight
            assert values[area] == pytest.approx(np.nansum(values[parts] * base[parts]) / total), name
            assert base[area] == pytest.approx(total)
    load = snapshot.indicators["energy.load"]
    assert load.value[CITY] == pytest.approx((load.value * load.base)[[EAST, WEST]].sum())
    assert np.isnan(snapshot.indicators["transit.excess_wait"].base).all()
    silent = folded(city_day(5)).evaluate(NOW + 30 * MINUTE)
    assert all(np.isnan(v.base[np.isnan(v.value)]).all() for v in silent.indicators.values()), "no value, no weight"


def test_points_add_up_to_every_domain_and_to_the_composite() -> None:
    for seed in range(5):
        snapshot = folded(city_day(seed)).evaluate(NOW)
        indices = [(snapshot.composite, snapshot.composite_points)]
        indices += [(snapshot.domains[name], snapshot.domain_points[name]) for name in snapshot.domains]
        for values, points in indices:
            total = np.nansum(list(points.values()), axis=0)
            scored = ~np.isnan(values.score)
            assert scored.any()
            assert np.abs(total - values.score)[scored].max() < 1e-9


def test_latest_is_the_newest_by_date_observed_not_by_arrival() -> None:
    devices = [device(100 + n, "parking_bay") for n in (1, 2, 3)]
    made = folded(bays(3, -10, "occupied") + bays(3, -100, "free"), size=3, devices=devices)
    assert made.evaluate(NOW).indicators[KERB].value[CITY] == 1.0


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


def test_a_device_that_moves_takes_its_newest_reading_with_it() -> None:
    devices = [device(101, "parking_bay", FIRST), device(102, "parking_bay", THIRD)]
    made = folded([("parking_bay", k, observed(-1, status="free")) for k in (101, 102)], devices=devices)
    made.register([device(101, "parking_bay", THIRD)])
    snapshot = made.evaluate(NOW)
    assert snapshot.expected["parking_bay"].tolist() == [2, 0, 2, 0, 0, 2]
    assert reason(snapshot, KERB, FIRST) == "no_devices"
    assert snapshot.indicators[KERB].coverage[THIRD] == 1.0


def test_a_device_may_stand_in_a_district_or_the_city_itself() -> None:
    devices = [device(101, "parking_bay", CITY), device(102, "parking_bay", EAST), device(103, "parking_bay", FIRST)]
    made = folded([("parking_bay", k, observed(-1, status="free")) for k in (101, 102, 103)], devices=devices)
    assert made.evaluate(NOW).expected["parking_bay"].tolist() == [3, 2, 0, 1, 0, 0]


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


def test_the_worst_devices_are_named_up_to_the_city() -> None:
    huts = [device(n, "garbage_hut", FIRST + n % 3) for n in range(1, 10)]
    readings: Readings = [
        ("garbage_hut", n, observed(-1, fillingLevelFood=0.99 if n in (3, 4) else 0.1)) for n in range(1, 10)
    ]
    made = folded(readings, devices=huts)
    worst = made.worst(NOW)["waste.overflow_share"]
    assert {label: [w.device for w in found] for label, found in worst.items()} == {
        FIRST: ["garbage_hut-3"],
        SECOND_STREET: ["garbage_hut-4"],
        EAST: ["garbage_hut-3", "garbage_hut-4"],
        CITY: ["garbage_hut-3", "garbage_hut-4"],
    }
    assert made.worst(NOW + 10 * MINUTE)["waste.overflow_share"] == {}, "a silent device is not to blame"


def test_closed_bays_and_zero_loads_are_never_among_the_worst() -> None:
    meters = [device(401, "energy_meter"), device(402, "energy_meter")]
    made = folded(
        [
            ("energy_meter", 401, observed(-1, totalActivePower=-5, adjustablePower=1)),
            ("energy_meter", 402, observed(-1, totalActivePower=100, adjustablePower=1)),
        ],
        devices=meters,
    )
    worst = made.worst(NOW)["energy.adjustable_share"][FIRST]
    assert [(w.device, w.value) for w in worst] == [("energy_meter-402", pytest.approx(0.01))]
    assert KERB not in made.worst(NOW), "a target band has no direction"


def test_parents_may_be_given_as_any_integers() -> None:
    from devices.kinds import kinds

    Engine(["c", "d"], PARENTS[:2].astype(np.int64), kinds()).evaluate(NOW)  # type: ignore[arg-type]
