"""The kernels of arrivals and of texts do what their naive twins do."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.labels import code_labels
from processing import kernels
from tests.processing import naive
from tests.processing.kernel_material import (
    AREAS,
    EXAMPLES,
    JIT,
    assert_same,
    columns,
    ints,
    labels,
    marks,
    run_without_compilation,
    times,
)

arrivals = st.lists(st.tuples(st.integers(0, 3), labels, times), max_size=40)


@given(arrivals, st.integers(1, 20))
@settings(max_examples=EXAMPLES, deadline=None)
def test_headways_lie_between_consecutive_arrivals_of_one_entity(rows: list[Any], longest: int) -> None:
    rows.sort(key=lambda row: (row[0], row[2], row[1]))
    entity, area, time = columns(rows, 3)
    seconds = [t * 1_000_000 for t in time]
    partials = kernels.empty_partials(AREAS)
    kernels.headways(ints(entity), marks(area), ints(seconds), float(longest), partials)
    expected = [naive.Partial() for _ in range(AREAS)]
    naive.headways(entity, area, seconds, float(longest), expected)
    assert_same(partials, expected)


places = st.integers(0, AREAS - 1)
stops = st.lists(st.tuples(times, st.integers(0, 3), times, times, places), max_size=40)
narrow_or_wide = st.sampled_from([np.int32, np.int64])


def room_for(rows: list[Any], size: int, kind: Any) -> tuple[np.ndarray, ...]:
    kept = tuple(np.zeros(size, t) for t in (kind, np.int64, kind, kind, np.int32))
    for column, values in zip(kept, columns(rows, 5), strict=True):
        column[: len(rows)] = values
    return kept


@given(stops, stops, st.integers(0, 5), st.integers(0, 50), narrow_or_wide)
@settings(max_examples=EXAMPLES, deadline=None)
def test_arrivals_merge_in_place_as_sorting_all_would_and_old_ones_leave(
    one: Any, other: Any, spare: int, start: int, kind: Any
) -> None:
    held, more = naive.merge_in(one, []), naive.merge_in(other, [])
    kept = room_for(held, len(held) + len(more) + spare, kind)
    kernels.merge_in(kept, len(held), room_for(more, len(more), kind))
    expected = naive.merge_in(held, more)
    assert list(zip(*(column[: len(expected)].tolist() for column in kept), strict=True)) == expected
    count = kernels.keep_since(kept, len(expected), start)
    left = [row for row in expected if row[0] > start]
    assert list(zip(*(column[:count].tolist() for column in kept), strict=True)) == left


@given(stops, st.integers(1, 20), st.integers(1, 20), narrow_or_wide, st.sampled_from([1, 1000, 1_000_000]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_headways_of_arrivals_kept_once_are_those_of_all_orders(
    rows: Any, frequent: int, longest: int, kind: Any, unit: int
) -> None:
    bounds = frequent * unit / 1e6, longest * unit / 1e6, 0.5
    held = room_for(naive.merge_in(rows, []), len(rows), kind)
    count, partials = np.zeros(AREAS, np.int64), kernels.empty_partials((4, AREAS))
    kernels.sum_headways(held, unit, *bounds, count, partials)
    in_micros = [
        (time, entity, planned * unit, happened * unit, area) for time, entity, planned, happened, area in rows
    ]
    arrived, expected = naive.sum_headways(in_micros, *bounds, AREAS)
    assert count.tolist() == arrived
    for found, sums in zip(partials, expected, strict=True):
        assert_same(found, sums)


@given(stops, st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=EXAMPLES, deadline=None)
def test_headways_of_areas_and_of_routes_are_the_same_bits(rows: Any, frequent: int, longest: int) -> None:
    rows = [(time, entity, *(t * 300_000_001 for t in instants), area) for time, entity, *instants, area in rows]
    planned = room_for(naive.merge_in(rows, []), len(rows), np.int64)
    happened = room_for(sorted(rows, key=lambda row: (row[1], row[3], row[4])), len(rows), np.int64)
    bounds = frequent * 300.0, longest * 300.0
    found, expected = (kernels.empty_partials((4, AREAS)) for _ in range(2))
    kernels.sum_headways(planned, 1, *bounds, 0.5, np.zeros(AREAS, np.int64), found)
    often, mean = np.zeros(len(rows), np.bool_), np.empty(len(rows))
    kernels.mark_frequent(planned[1], planned[2], bounds[0], often)
    kernels.mean_headways(planned[1], planned[2], mean)
    of_plan, own = (np.where(often, of[4], -1).astype(np.int32) for of in (planned, happened))
    kernels.headways(planned[1], of_plan, planned[2], bounds[1], expected[kernels.PLANNED])
    kernels.headways(happened[1], own, happened[3], bounds[1], expected[kernels.HAPPENED])
    for place, bunched in ((kernels.RELATIVE, 0.0), (kernels.BUNCHED, 0.5)):
        kernels.relative_headways(happened[1], own, happened[3], mean, bounds[1], bunched, expected[place])
    assert found.tobytes() == expected.tobytes()


runs = st.tuples(st.integers(0, 400), st.sampled_from([1, 3, 1000]), st.integers(0, 2**32), st.sampled_from([0, 1, -1]))


@given(runs, narrow_or_wide)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_run_of_arrivals_is_sorted_by_time_and_area(run: Any, kind: Any) -> None:
    count, span, seed, order = run
    dice = np.random.default_rng(seed)
    time, area = dice.integers(-span, span, count).astype(kind), dice.integers(0, 3, count).astype(np.int32)
    if order:
        time = np.sort(time)[::order].copy()
    expected = sorted(zip(time.tolist(), area.tolist(), strict=True))
    kernels.sort_by_time(time, area)
    assert list(zip(time.tolist(), area.tolist(), strict=True)) == expected


names = st.tuples(st.none() | st.text(max_size=6), st.none() | st.text(max_size=6))


def numbers_of(rows: list[tuple[str | None, ...]]) -> list[int]:
    number = np.zeros(len(rows), np.uint64)
    for names in columns(rows, 2):
        codes, texts = code_labels(names)
        points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
        with np.errstate(over="ignore"):
            kernels.number_labels(points, np.cumsum([0, *map(len, texts)]), codes, number)
    return [int(one) for one in number]


@given(st.lists(names, max_size=30))
@settings(max_examples=EXAMPLES, deadline=None)
def test_rows_of_texts_have_the_same_number_where_all_texts_are_the_same(rows: list[Any]) -> None:
    together = numbers_of(rows)
    assert together == [numbers_of([row])[0] for row in rows]
    assert len(set(together)) == len(set(rows))


def test_the_numbers_of_texts_are_those_of_every_process() -> None:
    # the number is that of the texts, so any two runs of the system tell the same stops apart
    mixed, mask = 0, 2**64 - 1
    for point in (2 + 1, ord("7"), ord("1"), 1 + 1, ord("桥")):
        mixed = (mixed ^ point) * 0x9E3779B97F4A7C15 & mask
        mixed ^= mixed >> 32
    assert numbers_of([("71", "桥")]) == [mixed]


@given(arrivals, st.integers(1, 20))
@settings(max_examples=EXAMPLES, deadline=None)
def test_entities_with_a_short_mean_headway_are_frequent(rows: list[Any], longest: int) -> None:
    rows.sort(key=lambda row: (row[0], row[2]))
    entity, _, time = columns(rows, 3)
    seconds = [t * 1_000_000 for t in time]
    frequent = np.zeros(len(rows), np.bool_)
    kernels.mark_frequent(ints(entity), ints(seconds), float(longest), frequent)
    assert frequent.tolist() == naive.mark_frequent(entity, seconds, float(longest))


@pytest.mark.skipif(not JIT, reason="this is the run without compilation")
def test_all_of_this_holds_for_the_plain_python_of_the_kernels() -> None:
    run_without_compilation(__file__)
