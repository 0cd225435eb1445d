"""Every kernel does what its naive twin does, on seeded and on generated data, and its sums do not depend on order."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing import kernels
from processing.sequences import distinct_slots
from tests.processing import naive
from tests.processing.kernel_material import (
    AREAS,
    DEVICES,
    EXAMPLES,
    JIT,
    PANES,
    PARENTS,
    assert_same,
    columns,
    exact,
    floats,
    ints,
    labels,
    marks,
    numbers,
    run_without_compilation,
    slots,
    times,
)


def empty_latest(size: int) -> np.ndarray:
    latest = np.zeros(size, kernels.LATEST)
    latest["time"], latest["value"], latest["per"] = kernels.NEVER, np.nan, np.nan
    return latest


def as_naive(latest: np.ndarray) -> list[naive.Latest]:
    return [naive.Latest(int(r["time"]), int(r["seq"]), float(r["value"]), float(r["per"])) for r in latest]


def fold_latest(rows: list[tuple[Any, ...]], latest: np.ndarray | None = None) -> np.ndarray:
    latest = empty_latest(DEVICES) if latest is None else latest
    slot, time, seq, value, per = columns(rows, 5)
    kernels.fold_latest(marks(slot), ints(time), ints(seq), floats(value), floats(per), latest)
    return latest


def fold_panes(rows: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
    pane_of, panes = np.full(PANES, -1, np.int64), kernels.empty_partials((PANES, AREAS))
    area, pane, value, per = columns(rows, 4)
    kernels.fold_panes(marks(area), ints(pane), 1, floats(value), floats(per), pane_of, panes)
    return pane_of, panes


def window(pane_of: np.ndarray, panes: np.ndarray, first: int, last: int) -> np.ndarray:
    partials = kernels.empty_partials(AREAS)
    kernels.reduce_panes(first, last, pane_of, panes, partials)
    return partials


@st.composite
def distinct_readings(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Readings with an identity each: a device says one thing at one (time, seq)."""
    keys = draw(st.lists(st.tuples(slots, times, st.integers(-1, 3)), unique=True, max_size=40))
    return [(*key, draw(numbers), draw(numbers)) for key in keys]


@given(distinct_readings(), st.randoms())
@settings(max_examples=EXAMPLES, deadline=None)
def test_newest_reading_wins_by_time_and_seq_whatever_the_order_of_arrival(rows: list[Any], random: Any) -> None:
    expected = [naive.Latest() for _ in range(DEVICES)]
    naive.fold_latest(*columns(rows, 5), expected)  # type: ignore[call-arg,misc]  # five columns
    in_order = fold_latest(rows)
    assert repr(as_naive(in_order)) == repr(expected)
    shuffled = rows[:]
    random.shuffle(shuffled)
    cut = random.randint(0, len(rows))
    twice = fold_latest(shuffled[cut:], fold_latest(shuffled[:cut]))
    assert twice.tobytes() == in_order.tobytes() or repr(as_naive(twice)) == repr(expected)
    assert repr(as_naive(fold_latest(shuffled + rows))) == repr(expected)


@given(st.lists(st.tuples(slots, times), max_size=40), st.randoms())
@settings(max_examples=EXAMPLES, deadline=None)
def test_last_heard_is_the_newest_time_of_each_device(rows: list[Any], random: Any) -> None:
    expected = [naive.NEVER] * DEVICES
    naive.fold_seen(*columns(rows, 2), expected)  # type: ignore[call-arg]
    random.shuffle(rows)
    seen = np.full(DEVICES, kernels.NEVER)
    slot, time = columns(rows, 2)
    kernels.fold_seen(marks(slot), ints(time), seen)
    assert seen.tolist() == expected


pane_rows = st.lists(st.tuples(labels, st.integers(0, 12), numbers, numbers), max_size=60)


@given(pane_rows)
@settings(max_examples=EXAMPLES, deadline=None)
def test_panes_hold_what_their_naive_twin_holds(rows: list[Any]) -> None:
    expected_of = [-1] * PANES
    expected = [[naive.Partial() for _ in range(AREAS)] for _ in range(PANES)]
    naive.fold_panes(*columns(rows, 4), expected_of, expected)  # type: ignore[call-arg]
    pane_of, panes = fold_panes(rows)
    assert pane_of.tolist() == expected_of
    for place in range(PANES):
        assert_same(panes[place], expected[place])
    summed = [naive.Partial() for _ in range(AREAS)]
    naive.reduce_panes(5, 8, expected_of, expected, summed)
    assert_same(window(pane_of, panes, 5, 8), summed)


def assert_dense_sums_are_those_of_single_readings(
    area: np.ndarray, time: np.ndarray, length: int, value: np.ndarray, ring: int
) -> None:
    """One batch, which is long enough for dense sums, gives the bits that its readings give one by one."""
    found = np.full(ring, -1, np.int64), np.zeros((ring, AREAS), kernels.SUMS)
    kernels.fold_panes(area, time, length, value, np.empty(0), *found)
    single = np.full(ring, -1, np.int64), np.zeros((ring, AREAS), kernels.SUMS)
    kernels.fold_panes(area, time, length, value, np.ones(len(value)), *single)
    assert found[0].tolist() == single[0].tolist()
    assert found[1].tobytes() == single[1].tobytes()


long_batches = st.tuples(
    st.integers(0, 2**32),  # seed
    st.integers(kernels.FEW, 3 * kernels.FEW),  # readings
    st.sampled_from([0, 1, 3, 50]),  # panes that the times scatter over
    st.sampled_from([1, 2, PANES, 64]),  # panes of the ring
    st.sampled_from([1, 7, 10_000_000]),  # length of a pane
    st.sampled_from([0, 1_795_161_600_000_000]),  # first time
)


@given(long_batches, st.lists(numbers, min_size=1, max_size=20))
@settings(max_examples=EXAMPLES, deadline=None)
def test_dense_sums_of_a_batch_are_bit_identical_to_those_of_single_readings(shape: Any, odd: list[float]) -> None:
    seed, count, scatter, ring, length, first = shape
    dice = np.random.default_rng(seed)
    value = dice.choice([*odd, *dice.normal(0, 1000, 20)], count)
    time = first + np.arange(count) * length // 100 + dice.integers(0, scatter * length + 1, count)
    area = dice.integers(-3, AREAS, count).astype(np.int32)
    assert_dense_sums_are_those_of_single_readings(area, time, length, value, ring)


@pytest.mark.skipif(not JIT, reason="hundred thousand readings are for compiled code")
@pytest.mark.parametrize("most", [1.0, 2.0**20, 2.0**21, 2.0**40])
@pytest.mark.parametrize("pattern", ["largest", "smallest", "in turn", "hi = -1, lo = 2⁵⁰"])
def test_dense_sums_hold_as_many_values_as_a_block_has(most: float, pattern: str) -> None:
    # all in one area and all but as large as a dense sum takes: what would overflow first is there
    count = 50_000
    largest = np.nextafter(most, 0.0)
    value = {
        "largest": np.full(count, largest),
        "smallest": np.full(count, -largest),
        "in turn": np.where(np.arange(count) % 2, -largest, -5e-324),
        "hi = -1, lo = 2⁵⁰": np.full(count, -5e-324),
    }[pattern]
    time = np.arange(count) // 20_000
    assert_dense_sums_are_those_of_single_readings(np.ones(count, np.int32), time, 1, value, 3)


LONG = 20_000
SECOND = 1_000_000
TIMES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {  # panes of 10 s
    "in order": lambda dice: np.arange(LONG) * 100 + dice.integers(0, 3 * SECOND, LONG),
    "some late": lambda dice: np.arange(LONG) * 100 - 3600 * SECOND * (dice.random(LONG) < 0.02),
    "rising through many panes": lambda dice: np.arange(LONG) * 20_000,
    "scattered": lambda dice: dice.integers(0, 600 * SECOND, LONG),
    "scattered over more panes than readings": lambda dice: dice.integers(0, 10**6 * SECOND, LONG),
    "two panes far apart": lambda dice: dice.integers(0, 2, LONG) * 10**7 * SECOND,
    "edges of panes": lambda dice: dice.integers(0, 8, LONG) * 10 * SECOND - dice.integers(0, 2, LONG),
    "ends that mislead": lambda dice: np.where(
        np.arange(LONG) % 16_000 // 300 % 2, dice.integers(0, 500 * SECOND, LONG), dice.integers(0, SECOND, LONG)
    ),
}


@pytest.mark.skipif(not JIT, reason="twenty thousand readings are for compiled code")
@pytest.mark.parametrize("ring", [3, 64])
@pytest.mark.parametrize("lacking", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("times", TIMES)
def test_whatever_a_block_is_like_it_gives_the_bits_of_its_single_readings(
    times: str, lacking: float, ring: int
) -> None:
    dice = np.random.default_rng(len(times))
    time = 1_795_161_600 * SECOND + TIMES[times](dice)
    value = dice.normal(0, 1000, LONG)
    odd = [math.nan, math.inf, -math.inf, 2.0**20, -(2.0**20), np.nextafter(2.0**20, 0), 2.0**40, -0.0, -1e-20]
    value[dice.random(LONG) < 0.05] = dice.choice(odd)
    area = np.where(dice.random(LONG) < 0.05, -1 - dice.integers(0, 3, LONG), dice.integers(0, AREAS, LONG))
    value[dice.random(LONG) < lacking] = math.nan
    assert_dense_sums_are_those_of_single_readings(area.astype(np.int32), time, 10 * SECOND, value, ring)


def test_a_reading_of_an_unknown_device_belongs_nowhere() -> None:
    places = np.array([(3, 0), (-1, 1), (2, 0)], kernels.PLACE)
    area = np.full(4, 9, np.int32)
    kernels.areas_of(marks([2, -1, 1, 0]), places, area)
    assert area.tolist() == [2, -1, -1, 3]


@given(pane_rows, st.randoms())
@settings(max_examples=EXAMPLES, deadline=None)
def test_window_sums_are_bit_identical_in_any_order_and_any_batches(rows: list[Any], random: Any) -> None:
    newest = max((pane for area, pane, v, p in rows if area >= 0 and naive.known(v) and naive.known(p)), default=0)
    reference = window(*fold_panes(rows), newest - PANES + 1, newest)
    for _ in range(3):
        random.shuffle(rows)
        pane_of, panes = np.full(PANES, -1, np.int64), kernels.empty_partials((PANES, AREAS))
        for area, pane, value, per in rows:  # a batch each
            kernels.fold_panes(marks([area]), ints([pane]), 1, floats([value]), floats([per]), pane_of, panes)
        assert window(pane_of, panes, newest - PANES + 1, newest).tobytes() == reference.tobytes()


def test_ring_overwrites_the_pane_one_round_older_and_leaves_out_what_is_older_still() -> None:
    #   ring of 4:  position 0   1   2   3
    #   first        pane 8      9   10  11
    #   then 12      pane 12 takes the place of 8
    #   then 8 again: too old, left out
    rows = [(3, pane, 1.0, 1.0) for pane in (8, 9, 10, 11, 12, 8)]
    pane_of, panes = fold_panes(rows)
    assert pane_of.tolist() == [12, 9, 10, 11]
    assert panes["count"][:, 3].tolist() == [1, 1, 1, 1]


@given(
    st.lists(st.tuples(labels, times, times, numbers, numbers), max_size=30),
    st.randoms(),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_reduction_of_newest_readings_does_not_depend_on_the_order_of_devices(rows: list[Any], random: Any) -> None:
    results = []
    for _ in range(3):
        area, oldest, time, value, per = columns(rows, 5)
        latest = empty_latest(len(rows))
        latest["time"], latest["value"], latest["per"] = time, value, per
        partials = kernels.empty_partials(AREAS)
        kernels.reduce_latest(marks(area), ints(oldest), latest, partials)
        results.append(partials.tobytes())
        expected = [naive.Partial() for _ in range(AREAS)]
        naive.reduce_latest(area, oldest, as_naive(latest), expected)
        assert_same(partials, expected)
        random.shuffle(rows)
    assert len(set(results)) == 1


@given(st.lists(st.tuples(labels, times, times), max_size=30))
@settings(max_examples=EXAMPLES, deadline=None)
def test_devices_heard_are_counted_by_area(rows: list[Any]) -> None:
    area, oldest, seen = columns(rows, 3)
    partials = kernels.empty_partials(AREAS)
    kernels.reduce_seen(marks(area), ints(oldest), ints(seen), partials)
    expected = [naive.Partial() for _ in range(AREAS)]
    naive.reduce_seen(area, oldest, seen, expected)
    assert_same(partials, expected)


def sums(rows: list[tuple[int, float, float]]) -> np.ndarray:
    _, panes = fold_panes([(area, 0, value, per) for area, value, per in rows])
    return panes[0].copy()


value_rows = st.lists(st.tuples(labels, numbers, numbers), max_size=30)


def merged(*parts: np.ndarray) -> np.ndarray:
    """Merge partials of the same areas, by way of a window over one pane each."""
    partials = kernels.empty_partials(AREAS)
    kernels.reduce_panes(0, len(parts), np.arange(len(parts)), np.array(parts), partials)
    return partials


@given(value_rows, value_rows, value_rows)
@settings(max_examples=EXAMPLES, deadline=None)
def test_merge_is_associative_and_commutative_and_equals_the_sum_of_all(a: Any, b: Any, c: Any) -> None:
    x, y, z = sums(a), sums(b), sums(c)
    whole = merged(sums(a + b + c)).tobytes()
    assert merged(merged(x, y), z).tobytes() == whole
    assert merged(x, merged(y, z)).tobytes() == whole
    assert merged(z, y, x).tobytes() == whole


@given(value_rows)
@settings(max_examples=EXAMPLES, deadline=None)
def test_roll_up_gives_every_area_all_that_lies_below_it(rows: list[Any]) -> None:
    partials = sums(rows)
    expected = [naive.Partial() for _ in range(AREAS)]
    for area, value, per in rows:
        if area >= 0 and naive.known(value) and naive.known(per):
            expected[area].add(value, per)
    naive.roll_up(PARENTS.tolist(), expected)
    kernels.roll_up(PARENTS, partials)
    assert_same(partials, expected)


def test_a_sum_of_many_values_neither_overflows_nor_drifts() -> None:
    # 0.1 is 0.1000000000000000055…: three hundred thousand of it in floating point would be off in the ninth digit
    rounds = 30 if JIT else 1
    partial, value = kernels.empty_partials(AREAS), np.full(10_000, 0.1)
    pane_of, panes = np.full(PANES, -1, np.int64), kernels.empty_partials((PANES, AREAS))
    for _ in range(rounds):
        kernels.fold_panes(np.zeros(10_000, np.int32), np.zeros(10_000, np.int64), 1, value, value, pane_of, panes)
    kernels.reduce_panes(0, 0, pane_of, panes, partial)
    assert exact(partial["hi"][0], partial["lo"][0]) == rounds * 10_000 * Fraction(int(0.1 * 2**60), 2**60)
    for _ in range(20):  # 2²⁰ times as much, by merging the sum with itself
        partial = merged(partial, partial)
    assert exact(partial["hi"][0], partial["lo"][0]) == rounds * 10_000 * 2**20 * Fraction(int(0.1 * 2**60), 2**60)
    assert 0 <= partial["lo"][0] < 2**50


@given(st.lists(st.floats(-1e9, 1e9), max_size=50))
@settings(max_examples=EXAMPLES, deadline=None)
def test_total_is_the_float_nearest_to_the_exact_sum(values: list[float]) -> None:
    partials = sums([(0, value, 1.0) for value in values])
    total = kernels.total(partials["hi"], partials["lo"])[0]
    assert total == pytest.approx(float(sum(map(Fraction, values))), rel=1e-15, abs=2.0**-53)


@given(value_rows)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_ratio_is_the_quotient_of_the_totals_where_there_is_something_to_divide_by(rows: list[Any]) -> None:
    partials = sums(rows)
    value, base = np.empty(AREAS), np.empty(AREAS)
    kernels.ratios(partials, value, base)
    above = kernels.total(partials["hi"], partials["lo"])
    below = kernels.total(partials["per_hi"], partials["per_lo"])
    assert base.tobytes() == below.tobytes()
    for area in range(AREAS):
        expected = above[area] / below[area] if below[area] > 0 else math.nan
        assert value[area] == expected or (math.isnan(value[area]) and math.isnan(expected))


@given(st.lists(st.integers(-1, 6).map(lambda n: n * 1024)))
@settings(max_examples=EXAMPLES, deadline=None)
def test_slots_are_numbered_in_the_order_of_their_first_rows(slots: list[int]) -> None:
    slot = marks([max(s, -1) for s in slots])
    touched, place = distinct_slots(slot)
    assert touched.tolist() == list(dict.fromkeys(s for s in slot.tolist() if s >= 0))
    assert [int(touched[p]) if p >= 0 else -1 for p in place.tolist()] == slot.tolist()


ranked = st.one_of(st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(-5, 5).map(float))


@given(st.lists(st.tuples(labels, ranked), max_size=40), st.sampled_from([-1, 1]), st.integers(1, 4))
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_lowest_ranks_of_an_area_are_the_first_of_its_members_sorted(rows: list[Any], sign: int, most: int) -> None:
    area, value = columns(rows, 2)
    slots = np.empty((AREAS, most), np.int64)
    kernels.lowest_ranks(marks(area), floats(value), float(sign), slots)
    assert slots.tolist() == naive.lowest_ranks([-1] * AREAS, area, value, sign, most)
    kernels.roll_up_lowest(PARENTS, floats(value), float(sign), slots)
    assert slots.tolist() == naive.lowest_ranks(PARENTS.tolist(), area, value, sign, most)


code_rows = st.lists(
    st.tuples(labels, st.integers(0, 12), st.sampled_from([0.0, 1.0, math.nan, math.inf])), max_size=60
)


@given(code_rows)
@settings(max_examples=EXAMPLES, deadline=None)
def test_values_that_are_0_or_1_sum_up_as_any_others(rows: list[Any]) -> None:
    area, pane, value = columns(rows, 3)
    pane_of, codes = np.full(PANES, -1, np.int64), np.zeros((PANES, AREAS), kernels.CODES)
    kernels.fold_codes(marks(area), ints(pane), 1, floats(value), pane_of, codes)
    expected_of, panes = fold_panes([(a, p, v, 1.0) for a, p, v in rows])
    assert pane_of.tolist() == expected_of.tolist()
    for first, last in ((0, 12), (5, 8)):
        partials = kernels.empty_partials(AREAS)
        kernels.reduce_codes(first, last, pane_of, codes, partials)
        assert partials.tobytes() == window(expected_of, panes, first, last).tobytes()


@pytest.mark.skipif(not JIT, reason="this is the run without compilation")
def test_all_of_this_holds_for_the_plain_python_of_the_kernels() -> None:
    run_without_compilation(__file__)
