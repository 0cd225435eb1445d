"""The engine says the same of the same readings, whatever their order, batches and devices."""

import math
import random

import numpy as np
import pytest
from engine_material import KERB, Readings, bays, city_day, fleet, folded, reason
from processing_material import (
    CITY,
    EAST,
    FIRST,
    MINUTE,
    NOW,
    PARENTS,
    SECOND_STREET,
    STREETS,
    THIRD,
    WEST,
    device,
    digest,
    observed,
)

from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.method import SUMS


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
