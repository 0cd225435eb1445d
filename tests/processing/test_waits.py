"""Excess wait: what passengers wait beyond the timetable, where buses come often enough not to need one."""

import math
import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from processing_material import CITY, EAST, FIRST, NOW, PARENTS, SECOND, THIRD, batch, instant, observed
from standing_material import standing

from processing.indicators import INDICATORS
from processing.scoring import NOT_APPLICABLE, Evidence, judge
from processing.standing import Measured, Rows
from processing.waits import WaitTracker

ROW = next(row for row in INDICATORS if row.id == "transit.excess_wait")
AREA = np.array([FIRST, THIRD], np.int32)

Reading = tuple[int, dict[str, Any]]


def arrival(scheduled: float, delay: float = 0, slot: int = 0, stop: str = "s1", route: str = "r1") -> Reading:
    """An arrival at a stop, ``scheduled`` seconds from NOW, observed when it happens."""
    happened = scheduled + delay
    fields = {"route": route, "trip": "t", "stop": stop, "scheduledAt": instant(scheduled)}
    return slot, observed(happened, **fields, arrivedAt=instant(happened))


def measure(readings: list[Reading], at: int = NOW, fewest: int = 1, parts: int = 1) -> Measured:
    tracker = WaitTracker(replace(ROW, fewest=fewest), PARENTS)
    for part in range(parts):
        made = batch("bus_arrival", readings[part::parts])
        tracker.fold(Rows(made, made.device.astype(np.int32), AREA[made.device]))
    return tracker.measure(at, standing(AREA, at, stale=90))


def every(minutes: float, count: int, **more: Any) -> list[Reading]:
    """Buses that come as scheduled, the last one a minute ago."""
    return [arrival(-60 - 60 * minutes * n, **more) for n in range(count)]


def test_buses_that_keep_their_headways_cost_no_wait_even_when_all_are_late() -> None:
    readings = [arrival(-600 - 300 * n, delay=240) for n in range(6)]
    assert measure(readings).value[FIRST] == 0.0


def test_bunched_buses_cost_wait() -> None:
    # scheduled   ├─300─┼─300─┼─300─┼─300─┤      Σs²/2Σs = 4·300²/(2·1200) = 150 s
    # observed    ├───600─────┼0┼──600────┤      Σh²/2Σh = 2·600²/(2·1200) = 300 s → 150 s in excess
    scheduled = [-1500, -1200, -900, -600, -300]
    delays = [0, 300, 0, 300, 0]
    readings = [arrival(s, d) for s, d in zip(scheduled, delays, strict=True)]
    assert measure(readings).value[FIRST] == pytest.approx(150)


def test_the_formula_equals_exact_arithmetic_on_random_arrivals_in_any_order_and_batches() -> None:
    rng = random.Random(7)
    readings = [
        arrival(-300 - 300 * n + rng.randrange(-20, 20), rng.randrange(0, 200), stop=stop, slot=slot)
        for slot, stops in enumerate((("a", "b"), ("c",)))
        for stop in stops
        for n in range(9)
    ]
    expected = wait(readings, "arrivedAt") - wait(readings, "scheduledAt")
    reference = measure(readings).value
    assert reference[CITY] == pytest.approx(float(expected), rel=1e-12)
    for parts in (1, 3, len(readings)):
        rng.shuffle(readings)
        assert measure(readings, parts=parts).value.tobytes() == reference.tobytes()


def wait(readings: list[Reading], field: str) -> Fraction:
    stops: dict[str, list[int]] = {}
    for _, fields in readings:
        if fields["dateObserved"] > NOW / 1000 - 3_600_000:
            stops.setdefault(fields["stop"], []).append(fields[field])
    steps = [
        Fraction(b - a, 1000)
        for times in stops.values()
        for a, b in zip(sorted(times), sorted(times)[1:], strict=False)
    ]
    return sum((h * h for h in steps), Fraction()) / (2 * sum(steps, Fraction()))


def test_a_service_of_fewer_than_five_buses_an_hour_is_left_out() -> None:
    rare = [arrival(-60 - 900 * n, delay=300 * (n % 2), stop="rare") for n in range(4)]
    result = measure([*every(10, 6), *rare])
    assert result.value[FIRST] == 0.0
    assert result.partials[FIRST]["count"] == 5
    alone = measure(rare)
    assert math.isnan(alone.value[FIRST])
    assert alone.idle[FIRST], "buses arrive, none of them often enough"


def test_where_no_bus_arrives_there_are_no_readings() -> None:
    result = measure([])
    assert np.isnan(result.value).all()
    assert not result.idle.any()


def test_too_few_headways_say_nothing_about_waiting() -> None:
    result = measure(every(5, 5), fewest=5)
    assert math.isnan(result.value[FIRST])
    assert result.idle[FIRST]
    assert measure(every(5, 6), fewest=5).value[FIRST] == 0.0
    counts = {"expected": 1, "fresh": 1, "excused": 0, "reporting": 1}
    evidence = Evidence(
        **{name: np.full(len(PARENTS), count) for name, count in counts.items()},
        freshness=np.zeros(len(PARENTS)),
        idle=result.idle,
        base=result.base,
    )
    assert judge(result.value, evidence, ROW.goalposts, 2 / 3).reason[FIRST] == NOT_APPLICABLE


def test_only_arrivals_of_the_window_count_and_those_before_are_forgotten() -> None:
    #   −3660   −3600                    now
    #     x      [──────── window ────────]      the first bus has left the window, and its headway with it
    readings = [arrival(-3660), *(arrival(-3500 + 300 * n) for n in range(10))]
    assert measure(readings).partials[FIRST]["count"] == 9
    tracker = WaitTracker(ROW, PARENTS)
    made = batch("bus_arrival", readings)
    tracker.fold(Rows(made, made.device.astype(np.int32), AREA[made.device]))
    later = NOW + 3600 * SECOND
    assert tracker.measure(later, standing(AREA, later)).partials["count"].sum() == 0
    assert tracker.held == 0


def test_arrivals_merged_in_one_by_one_measure_as_all_at_once() -> None:
    dice = np.random.default_rng(3)
    readings = [arrival(-int(dice.integers(0, 4000))) for _ in range(60)]
    tracker = WaitTracker(ROW, PARENTS)
    for reading in readings:
        made = batch("bus_arrival", [reading])
        tracker.fold(Rows(made, made.device.astype(np.int32), AREA[made.device]))
        merged = tracker.measure(NOW, standing(AREA))
    at_once = measure(readings)
    np.testing.assert_array_equal(merged.value, at_once.value)
    np.testing.assert_array_equal(merged.partials["count"], at_once.partials["count"])


def test_arrivals_of_the_future_wait_for_their_time() -> None:
    tracker = WaitTracker(ROW, PARENTS)
    made = batch("bus_arrival", [arrival(300 * n) for n in range(-3, 4)])
    tracker.fold(Rows(made, made.device.astype(np.int32), AREA[made.device]))
    assert tracker.measure(NOW, standing(AREA)).partials[FIRST]["count"] == 3
    assert tracker.measure(NOW + 900 * SECOND, standing(AREA)).partials[FIRST]["count"] == 6


def test_an_absurd_timetable_does_not_reach_the_sums() -> None:
    absurd = [arrival(-100, stop="x"), arrival(-90, stop="x")]
    absurd[0][1]["scheduledAt"] = "0003-01-01T00:00:00Z"
    result = measure([*every(5, 6), *absurd])
    assert result.value[FIRST] == 0.0


def test_a_headway_belongs_to_the_area_of_the_bus_that_ends_it() -> None:
    readings = [arrival(-1500 + 300 * n, slot=n % 2) for n in range(5)]
    result = measure(readings)
    assert result.partials["count"].tolist() == [4, 2, 2, 2, 0, 2]
    assert result.value[EAST] == 0.0


def test_a_service_may_be_told_by_numbers_too() -> None:
    readings = every(5, 10)
    for k, (_, fields) in enumerate(readings):
        fields["predictedAt"] = instant(-k % 2)
    for entity, headways in ((("route", "stop"), 9), (("route", "stop", "predictedAt"), 8)):
        tracker = WaitTracker(replace(ROW, entity=entity), PARENTS)
        made = batch("bus_arrival", readings)
        tracker.fold(Rows(made, made.device.astype(np.int32), AREA[made.device]))
        assert tracker.measure(NOW, standing(AREA)).partials[FIRST]["count"] == headways
