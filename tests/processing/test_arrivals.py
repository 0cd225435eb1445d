"""The arrivals of a window come back as they were put in, whatever bytes they are kept in."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_material import MINUTE, NOW, SECOND

from processing.arrivals import ArrivalStore
from tests.processing import naive

HOUR = 60 * MINUTE
FIRST_YEAR = -62_135_596_800_000_000
LAST_YEAR = 253_402_300_799_999_999
DAYS_24 = (2**31 - 1) * 1000

Row = tuple[int, ...]

millis = st.integers(0, 120).map(lambda half_minutes: half_minutes * 30 * SECOND)
odd = st.sampled_from([1, 999, 1001, DAYS_24, DAYS_24 + 1000, -DAYS_24, -DAYS_24 - 1000, -DAYS_24 - 2000])
instants = millis | millis | millis | odd | st.sampled_from([FIRST_YEAR - NOW, LAST_YEAR - NOW])
arrivals = st.tuples(millis, st.integers(-2, 2), instants, instants, st.integers(0, 3))


def put(store: ArrivalStore, rows: list[Row]) -> None:
    kinds = np.int64, np.int64, np.int64, np.int64, np.int32
    store.add(*(np.array([row[k] for row in rows], kind) for k, kind in enumerate(kinds)))


def kept(store: ArrivalStore, end: int) -> list[Row]:
    columns: list[Any] = [column.astype(np.int64) for column in store.until(end)]
    for place in (0, 2, 3):
        columns[place] = columns[place] * store.unit + store.base
    return [tuple(row) for row in np.column_stack(columns).tolist()]


def arrival(seconds: float, planned: int | None = None) -> Row:
    time = NOW + round(seconds * SECOND)
    return time, 1, time if planned is None else planned, time, 0


def bytes_each(store: ArrivalStore) -> int:
    return sum(column.itemsize for column in store.until(NOW + 100 * HOUR))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.lists(arrivals, max_size=12), st.integers(0, 30)), max_size=8), st.integers(0, 3600))
def test_what_is_kept_is_what_a_sorted_list_holds(steps: list[Any], early: int) -> None:
    store, expected, start = ArrivalStore(), list[Row](), NOW
    for more, minutes in steps:
        rows = [(NOW + time, entity, NOW + plan, NOW + seen, area) for time, entity, plan, seen, area in more]
        put(store, rows)
        start += minutes * MINUTE
        store.forget(start)
        expected = [row for row in naive.merge_in(expected, naive.merge_in(rows, [])) if row[0] > start]
        end = start + early * SECOND
        assert sorted(kept(store, end)) == sorted(row for row in expected if row[0] <= end)
        order = [(row[1], row[2], row[4]) for row in kept(store, end)]
        assert order == sorted(order)
        assert len(store) == len(expected)


def test_whole_milliseconds_of_some_days_take_four_bytes() -> None:
    store = ArrivalStore()
    put(store, [arrival(0.001 * k) for k in range(100)])
    store.forget(NOW - HOUR)
    assert bytes_each(store) == 24
    assert kept(store, NOW + HOUR) == [arrival(0.001 * k) for k in range(100)]


def test_an_instant_that_needs_more_bytes_takes_them_while_it_is_there() -> None:
    #  odd ─┐                    forgotten
    #   ────┴──────── 36 bytes ─────┴──────── 24 bytes
    store = ArrivalStore()
    rows = [arrival(0), arrival(10, planned=FIRST_YEAR), arrival(20)]
    put(store, rows[:1])
    store.forget(NOW - HOUR)
    put(store, rows[1:])
    store.forget(NOW - HOUR + SECOND)
    assert bytes_each(store) == 36
    assert sorted(kept(store, NOW + HOUR)) == sorted(rows)
    store.forget(NOW + 10 * SECOND)
    assert bytes_each(store) == 36, "tried again when everything that was there may have gone"
    put(store, [arrival(30)])
    store.forget(NOW + 20 * SECOND)
    assert bytes_each(store) == 24
    assert kept(store, NOW + HOUR) == [arrival(30)]


def test_months_go_by_in_few_bytes() -> None:
    store = ArrivalStore()
    for hours in range(0, 24 * 60, 7):
        put(store, [arrival(hours * 3600 + 600 * k) for k in range(3)])
        store.forget(NOW + hours * HOUR - HOUR)
        assert bytes_each(store) == 24, f"after {hours} h"
        assert len(kept(store, NOW + 2000 * HOUR)) == 3


def test_room_follows_the_arrivals() -> None:
    store = ArrivalStore()
    put(store, [arrival(0.01 * k) for k in range(20_000)])
    store.forget(NOW - HOUR)
    assert store.nbytes <= 20_000 * 26
    store.forget(NOW + 150 * SECOND)
    assert len(store) == 4_999
    assert store.nbytes <= 5_000 * 26
