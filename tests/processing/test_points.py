"""Points of a device take the bytes their digits need, and give the same bits as numbers of full width."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from processing import kernels
from processing.decimals import whole
from processing.kernels.points import in_order
from processing.points import PointRing

PANES, LENGTH, SLOTS = 4, 10_000_000, 5
decimals = st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 6)).map(lambda parts: parts[0] / 10.0 ** parts[1])
odd = st.floats(-1e6, 1e6)
readings = st.lists(
    st.tuples(st.integers(-1, SLOTS - 1), st.integers(0, 6 * LENGTH), decimals), min_size=1, max_size=12
)
batches = st.lists(readings, min_size=1, max_size=4)


def folded(ring: PointRing, parts: list[list[tuple[int, int, float]]], sizes: list[int]) -> bytes:
    """Rates of all slots after all batches, before each of which the ring grew."""
    for part, size in zip(parts, sizes, strict=True):
        ring.grow(size)
        slot, time = np.array([r[0] for r in part], np.int32), np.array([r[1] for r in part], np.int64)
        ring.fold(np.where(slot < size, slot, -1).astype(np.int32), time, np.array([[r[2]] for r in part]), LENGTH)
    rate = np.empty(sizes[-1])
    kernels.register_rates(np.arange(sizes[-1], dtype=np.int32), LENGTH, 1, ring.arrays, rate)
    return rate.tobytes()


def wide_ring() -> PointRing:
    """One that keeps float64 from the start."""
    ring = PointRing(PANES, 1)
    ring.grow(1)
    ring.fold(np.zeros(1, np.int32), np.zeros(1, np.int64), np.array([[1 / 3]]), LENGTH)
    fresh = PointRing(PANES, 1)
    fresh._points = ring._points[:, :0]
    return fresh


@settings(max_examples=60, deadline=None)
@given(batches, st.data())
def test_narrow_points_give_the_bits_of_wide_ones_also_when_they_become_wide(
    parts: list[list[tuple[int, int, float]]], data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        parts.append([(0, LENGTH, data.draw(odd)), *parts[0]])
    sizes = sorted(data.draw(st.lists(st.integers(1, SLOTS), min_size=len(parts), max_size=len(parts))))
    assert folded(PointRing(PANES, 1), parts, sizes) == folded(wide_ring(), parts, sizes)


def test_points_stay_narrow_while_more_digits_come_and_become_wide_when_they_must() -> None:
    ring = PointRing(PANES, 1)
    ring.grow(2)
    for number, (value, wide) in enumerate([(7.0, False), (121.47372, False), (0.1234567, False), (1 / 3, True)]):
        ring.fold(np.zeros(1, np.int32), np.full(1, number * LENGTH), np.array([[value]]), LENGTH)
        assert (ring.arrays[2].dtype == np.float64) == wide
    time, value = np.empty(PANES, np.int64), np.empty((PANES, 1))
    assert in_order(0, LENGTH, ring.arrays, time, value) == 4
    assert value[:, 0].tolist() == [7.0, 121.47372, 0.1234567, 1 / 3]


def test_what_is_no_decimal_of_few_digits_is_no_whole_number() -> None:
    assert whole(np.array([0.25, 12.5]), 10.0) is None
    assert whole(np.array([0.25, 12.5]), 100.0) is not None
    for value in (np.nan, np.inf, -0.0, 1e300, 1 / 3):
        assert all(whole(np.array([value]), power) is None for power in (1.0, 1e7))
