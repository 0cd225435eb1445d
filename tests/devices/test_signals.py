"""Shapes of simulated quantities: curves integrate exactly, walks keep their spread, clocks pass times of day."""

import math
import random
import statistics

import pytest

from devices.simulation.signals import DAY, HOUR, Curve, Walk, air_temperature, happens, passes, since, weekday

CURVE = Curve((6, 1.0), (9, 4.0), (20, 2.0))


def test_a_curve_goes_through_its_knots_and_closes_over_midnight() -> None:
    assert [CURVE.at(hour * HOUR) for hour in (6, 9, 20)] == [1.0, 4.0, 2.0]
    assert CURVE.at(0.0) == pytest.approx(CURVE.at(DAY - 1e-6), abs=1e-6)
    assert CURVE.at(3 * DAY + 9 * HOUR) == 4.0


SPANS = [(0, DAY), (5 * HOUR, 8 * HOUR), (20 * HOUR, DAY + 7 * HOUR), (-DAY, 2 * DAY)]


@pytest.mark.parametrize(("start", "end"), SPANS)
def test_the_integral_of_a_curve_equals_the_sum_of_thin_slices(start: float, end: float) -> None:
    step = (end - start) / 20_000
    slices = sum(CURVE.at(start + (i + 0.5) * step) for i in range(20_000)) * step
    assert CURVE.integral(start, end) == pytest.approx(slices, rel=1e-5)


@pytest.mark.parametrize("knots", [((1, 1.0),), ((5, 1.0), (5, 2.0)), ((7, 1.0), (3, 1.0)), ((1, 1.0), (24, 1.0))])
def test_knots_out_of_order_are_refused(knots: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="rising hours"):
        Curve(*knots)


def test_a_walk_keeps_its_standard_deviation_whatever_the_step() -> None:
    rng = random.Random(1)
    for step in (1.0, 50.0, 1000.0):
        walk = Walk.drawn(2.0, 100.0, rng)
        values = [walk.step(step, rng) for _ in range(40_000)]
        assert statistics.pstdev(values) == pytest.approx(2.0, rel=0.25)


def test_a_walk_does_not_move_without_time() -> None:
    walk = Walk(1.0, 60.0, 0.7)
    assert walk.step(0.0, random.Random(1)) == 0.7


def test_happenings_come_at_their_rate() -> None:
    rng = random.Random(3)
    hits = sum(happens(0.01, 10.0, rng) for _ in range(50_000))
    assert hits / 50_000 == pytest.approx(1 - math.exp(-0.1), abs=0.005)


def test_a_clock_passes_a_time_of_day_once() -> None:
    nine = 9 * HOUR
    steps = [i * 100.0 for i in range(1, 2 * 864 + 1)]
    assert sum(passes(local, 100.0, nine) for local in steps) == 2
    assert since(10 * HOUR, nine) == HOUR
    assert since(8 * HOUR, nine) == 23 * HOUR


def test_the_first_of_january_1970_was_a_thursday() -> None:
    assert [weekday(day * DAY) for day in range(5)] == [3, 4, 5, 6, 0]


def test_summer_is_warm_in_july_in_the_north_and_in_january_in_the_south() -> None:
    january, july = 15 * DAY, 196 * DAY
    assert air_temperature(july, 31.0) > 20 > 10 > air_temperature(january, 31.0)
    assert air_temperature(january, -33.0) > air_temperature(july, -33.0)
