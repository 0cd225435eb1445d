"""Readings that wait take little memory and come back as they were, to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from processing_material import NOW, SECOND, batch, observed

from ingest.batch import MISSING, Batch, Column
from processing.holding import PACKED_FROM, Holding, narrow, wide

NUMBERS = arrays.arrays(np.float64, st.integers(1, 200), elements=st.floats(width=64))
DECIMALS = st.lists(st.integers(-(10**8), 10**8), min_size=1).flatmap(
    lambda digits: st.integers(0, 7).map(lambda power: np.array(digits) / 10.0**power)
)


def same(column: Column, other: Column) -> bool:
    """Equal in type and bits."""
    return column.dtype == other.dtype and column.tobytes() == other.tobytes()


@given(st.one_of(NUMBERS, DECIMALS))
def test_numbers_come_back_to_the_bit(column: Column) -> None:
    assert same(wide(narrow(column), len(column)), column)


@given(st.sampled_from([np.int8, np.int16, np.int32, np.int64]), st.data())
def test_integers_come_back(dtype: type, data: st.DataObject) -> None:
    column = data.draw(arrays.arrays(dtype, st.integers(1, 200)))
    assert same(wide(narrow(column), len(column)), column)


@given(
    st.sampled_from([np.int8, np.int32, np.int64]), st.lists(st.tuples(st.integers(), st.integers(1, 300)), min_size=1)
)
def test_integers_in_line_come_back(dtype: type, runs: list[tuple[int, int]]) -> None:
    steps = np.repeat(np.array([step % 2**64 for step, _ in runs], np.uint64), [times for _, times in runs])
    column = np.cumsum(steps).astype(np.int64).astype(dtype)
    assert same(wide(narrow(column), len(column)), column)


def test_labels_come_back_from_batches_that_say_others() -> None:
    holding, turns = Holding(), (["t1", None, "汉", "t1"], ["t2", "t1", None, "汉"])
    for turn in range(PACKED_FROM):
        holding.put(batch("bus", [(n, observed(n, speed=1, trip=trip)) for n, trip in enumerate(turns[turn % 2])]))
    found = [(n, trip) for one in holding.take(2**62) for n, trip in zip(one.device, one.labels("trip"), strict=True)]
    for trips in turns:
        assert all(found.count((n, trip)) == PACKED_FROM // 2 for n, trip in enumerate(trips))
    assert len(found) == 4 * PACKED_FROM


@pytest.mark.parametrize(
    ("column", "most"),
    [
        (np.arange(10_000) / 100, 2),
        (NOW + np.arange(10_000) * 4_321, 4),
        (np.array([0, 1, -1] * 3_000, np.int32), 1),
        (NOW + np.arange(10_000) // 100 * 4_321, 0.5),
        (np.arange(10_000, dtype=np.int32) * 5 + np.arange(10_000, dtype=np.int32) // 100, 0.5),
        (np.full(10_000, np.nan), 0),
        (np.full(10_000, MISSING), 0),
    ],
)
def test_a_column_takes_as_many_bytes_as_its_values_need(column: Column, most: float) -> None:
    held = [part for part in vars(narrow(column)).values() if isinstance(part, np.ndarray)]
    assert sum(part.nbytes for part in held) <= most * len(column)
    assert same(wide(narrow(column), len(column)), column)


def bays(first: int, count: int) -> Batch:
    made: Batch = batch("parking_bay", [(n, observed(n, status="free")) for n in range(first, first + count)])
    return made


def own(one: Batch) -> list[Column]:
    return [one.device, one.time, one.seq, one.received, *one.columns.values()]


def rows(batches: list[Batch]) -> list[tuple[int, int, int, int, int]]:
    """Device, time, seq, arrival and status of each reading, in order of devices."""
    found = [
        row
        for one in batches
        for row in zip(
            *(c.tolist() for c in (one.device, one.time, one.seq, one.received, *one.columns.values())), strict=True
        )
    ]
    return sorted(found)


@pytest.mark.parametrize("size", [1, 7, PACKED_FROM, 3 * PACKED_FROM])
def test_what_is_due_is_taken_out_and_the_rest_stays(size: int) -> None:
    #  ├── 0 ──────────── 1,500 ──────────── 3,000 ──▶ seconds, a reading in each
    #  └──── taken first ────┘└── taken then ──┘
    held, total = Holding(), 3 * PACKED_FROM
    whole = [bays(first, min(size, total - first)) for first in range(0, total, size)]
    for one in whole:
        held.put(one)
    assert len(held) == total
    early = [*held.take(NOW + (total // 2 - 1) * SECOND)]
    assert len(held) == total - total // 2
    assert max(int(one.time.max()) for one in early) == NOW + (total // 2 - 1) * SECOND
    assert [*held.take(NOW)] == []
    assert rows([*early, *held.take(NOW + total * SECOND)]) == rows(whole)
    assert len(held) == 0


def test_streams_are_kept_apart() -> None:
    held = Holding()
    held.put(bays(1, 2))
    held.put(batch("car_park", [(9, observed(3, occupiedSpotNumber=3, totalSpotNumber=4))]))
    assert sorted((one.stream.name, len(one)) for one in held.take(NOW + 60 * SECOND)) == [
        ("car_park", 1),
        ("parking_bay", 2),
    ]
