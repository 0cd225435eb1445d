"""What becomes of a device's readings in order of time does not depend on the order in which they came."""

import math
import random
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing import kernels
from processing.kernels.ages import sum_ages
from processing.kernels.points import Ring
from processing.sequences import hours_to_full
from tests.processing import naive

PANES, LENGTH = 6, 10_000_000
SLOTS = 3
times = st.integers(0, 12 * LENGTH)
slots = st.integers(-1, SLOTS - 1)
orders = st.randoms(use_true_random=False)

Reading = tuple[int, int, tuple[float, ...]]
"""(slot, time, values)"""


def disordered(readings: list[Reading], rng: random.Random) -> list[list[Reading]]:
    """All of them, some twice, shuffled, in batches of different size."""
    mixed = readings + rng.sample(readings, len(readings) // 2)
    rng.shuffle(mixed)
    cuts = sorted(rng.sample(range(len(mixed) + 1), min(3, len(mixed))))
    return [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True) if a < b]


def own(readings: list[Reading], slot: int) -> list[tuple[int, tuple[float, ...]]]:
    return [(time, values) for s, time, values in readings if s == slot]


def rings(batches: list[list[Reading]], values: int) -> Ring:
    newest, offset = np.full(SLOTS, -1), np.zeros((PANES, SLOTS), np.uint32)
    ring = newest, offset, np.zeros((PANES, SLOTS, values)), np.ones(values)
    for rows in batches:
        slot, time = np.array([r[0] for r in rows], np.int32), np.array([r[1] for r in rows], np.int64)
        value = np.array([r[2] for r in rows], np.float64)
        kernels.fold_points(slot, time, value, LENGTH, ring)
    return ring


def measured(kernel: Callable[..., None], kept: Ring, slot: int, setting: float | None, width: int):
    out = np.empty((1, width)) if width > 1 else np.empty(1)
    args = [] if setting is None else [setting]
    kernel(np.array([slot], np.int32), LENGTH, *args, kept, out)
    return out[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(slots, st.integers(0, 20), st.sampled_from([0, 1, 2])), min_size=1, max_size=60), orders)
def test_spells_equal_a_walk_through_sorted_readings(rows: list[tuple[int, int, int]], rng: random.Random) -> None:
    readings: list[Reading] = [(s, pane, (float(state),)) for s, pane, state in rows]
    newest = np.full(SLOTS, -1)
    states = np.zeros((SLOTS, -(-PANES // kernels.STATES_PER_BYTE)), np.uint8)
    for part in disordered(readings, rng):
        slot, pane = np.array([r[0] for r in part], np.int32), np.array([r[1] for r in part], np.int64)
        kernels.fold_states(slot, pane, np.array([r[2][0] for r in part], np.int8), PANES, newest, states)
    for slot in range(SLOTS):
        mine = [(pane, int(state)) for pane, (state,) in own(readings, slot)]
        if mine:
            found = np.empty(1, kernels.SPELLS)
            kernels.spells(np.array([slot], np.int32), PANES, newest, states, found)
            assert tuple(found[0].tolist()) == naive.spells(mine, PANES)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(slots, times, st.tuples(st.floats(0, 120))), min_size=1, max_size=40), orders)
def test_a_registers_rate_equals_the_sum_over_sorted_points(readings: list[Reading], rng: random.Random) -> None:
    kept = rings(disordered(readings, rng), 1)
    for slot in range(SLOTS):
        if mine := own(readings, slot):
            points = naive.last_of_panes(mine, LENGTH, PANES)
            got = measured(kernels.register_rates, kept, slot, LENGTH, 1)
            assert got == pytest.approx(naive.register_rate(points, LENGTH), rel=1e-9, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(slots, times, st.tuples(st.floats(0, 1))), min_size=1, max_size=40), orders)
def test_a_fills_slope_is_the_median_of_pairs_since_it_was_emptied(readings: list[Reading], rng: random.Random) -> None:
    kept = rings(disordered(readings, rng), 1)
    for slot in range(SLOTS):
        if mine := own(readings, slot):
            points = naive.last_of_panes(mine, LENGTH, PANES)
            slope, fill = measured(kernels.fill_slopes, kept, slot, 0.2, 2)
            assert slope == pytest.approx(naive.fill_slope(points, 0.2), rel=1e-9, abs=1e-15, nan_ok=True)
            assert fill == points[-1][1][0]


places = st.tuples(st.floats(121, 122), st.floats(31, 32), st.sampled_from([0.0, 1.0, 2.0]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(slots, times, places), min_size=1, max_size=40), orders)
def test_a_way_equals_the_sum_over_sorted_points_of_one_trip(readings: list[Reading], rng: random.Random) -> None:
    kept = rings(disordered(readings, rng), 3)
    for slot in range(SLOTS):
        if mine := own(readings, slot):
            expected = naive.way(naive.last_of_panes(mine, LENGTH, PANES))
            assert tuple(measured(kernels.ways, kept, slot, None, 2)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "rise"),
    [
        (100, 130, 30),  # it ran on
        (100, 100, 0),
        (99_990, 25, 35),  # five digits rolled over
        (9_999.5, 0.5, 1),
        (60_000, 25, 0),  # replaced: nobody knows what the old one would show
        (99_990, 20_000, 0),
        (0.95, 0.05, 0.1),
    ],
)
def test_a_register_that_falls_rolled_over_or_was_replaced(old: float, new: float, rise: float) -> None:
    assert kernels.risen(float(old), float(new)) == pytest.approx(rise)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4000), st.integers(0, 4000)), min_size=1, max_size=40))
def test_relative_headways_equal_those_of_sorted_lists(arrivals: list[tuple[int, int, int]]) -> None:
    entity, planned, happened = (np.array(column, np.int64) for column in zip(*arrivals, strict=True))
    planned, happened = planned * 1_000_000, happened * 1_000_000
    by_plan, by_event = np.lexsort((planned, entity)), np.lexsort((happened, entity))
    mean = np.empty(len(entity))
    kernels.mean_headways(entity[by_plan], planned[by_plan], mean)
    area = np.zeros(len(entity), np.int32)
    expected = [
        x
        for xs in naive.relative_headways(entity.tolist(), planned.tolist(), happened.tolist(), 3600).values()
        for x in xs
    ]
    for bunched in (0.0, 0.5):
        partials = kernels.empty_partials(1)
        kernels.relative_headways(entity[by_event], area, happened[by_event], mean, 3600.0, bunched, partials)
        values = [float(x < bunched) if bunched else x * x for x in expected]
        assert partials["count"][0] == len(expected)
        total = kernels.total(partials["hi"], partials["lo"])[0]
        assert total == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-12)


def test_ages_are_summed_over_the_fresh() -> None:
    at, ages = 1_795_161_600_000_000, [[10_000_001, 7], [30_000_000], [], [1] * 999_999]
    counts, partials = kernels.empty_counts(4), kernels.empty_partials(4)
    with np.errstate(over="ignore"):
        for count, micros in zip(counts, ages, strict=True):
            count["fresh"], count["times"] = len(micros), np.sum(at - np.array(micros, np.int64))
    sum_ages(counts, at, partials)
    assert kernels.total(partials["hi"], partials["lo"]).tolist() == [10.000008, 30.0, 0.0, 0.999999]
    assert partials["count"].tolist() == [2, 1, 0, 999_999]
    for partial, micros in zip(partials, ages, strict=True):
        exact = Fraction(int(partial["hi"]), 2**10) + Fraction(int(partial["lo"]), 2**60)
        assert 0 <= Fraction(sum(micros), 10**6) - exact < Fraction(1, 2**60)


def test_a_full_hut_has_no_hours_left_even_when_it_does_not_rise_any_more() -> None:
    slope = np.array([0.0, -1e-6, 1e-6, 0.0, 0.5 / (10 * 3600), math.nan])
    fill = np.array([1.0, 1.0, 1.0, 0.99, 0.5, 1.0])
    assert hours_to_full(slope, fill) == pytest.approx([0, 0, 0, 72, 10, math.inf])
