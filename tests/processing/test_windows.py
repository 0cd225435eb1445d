"""Readings wait at the gate until their time has come; ticks go on whatever the clock does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_material import MINUTE, NOW, SECOND, batch, observed

from processing.windows import Gate, first_tick, next_tick, too_early


def bays(*seconds: float) -> object:
    return batch("parking_bay", [(key, observed(s, status="free")) for key, s in enumerate(seconds, start=1)])


def keys(batches: object) -> list[int]:
    return sorted(int(key) for one in batches for key in one.device)  # type: ignore[attr-defined]


def test_readings_up_to_the_tick_pass_and_later_ones_wait_for_theirs() -> None:
    #            tick 0          tick 5      tick 60
    #  ──1────2──┼──────3────────┼──────4────┼──
    gate = Gate()
    passed = gate.admit(bays(-3, 0, 2, 30), NOW)  # type: ignore[arg-type]
    assert keys([passed]) == [1, 2]
    assert len(gate) == 2
    assert keys(gate.release(NOW + 5 * SECOND)) == [3]
    assert keys(gate.release(NOW + 6 * SECOND)) == []
    assert keys(gate.release(NOW + MINUTE)) == [4]
    assert len(gate) == 0


def test_a_batch_wholly_in_the_future_waits_whole_and_one_in_the_past_passes_whole() -> None:
    gate = Gate()
    assert gate.admit(bays(1, 2), NOW) is None  # type: ignore[arg-type]
    past = bays(-1, 0)
    assert gate.admit(past, NOW) is past  # type: ignore[arg-type]
    assert len(gate) == 2


def test_the_first_tick_is_the_next_full_second() -> None:
    assert first_tick(NOW) == NOW + SECOND
    assert first_tick(NOW + 1) == NOW + SECOND
    assert first_tick(NOW - 1) == NOW


@pytest.mark.parametrize("late", [0, SECOND // 2, 2 * SECOND, 3 * SECOND])
def test_a_tick_follows_after_a_second(late: int) -> None:
    assert next_tick(NOW, NOW + late) == NOW + SECOND


def test_who_is_behind_goes_on_at_the_present() -> None:
    due = NOW + 10 * SECOND
    assert next_tick(due, due + 20 * SECOND) == due + 21 * SECOND


def test_who_is_behind_still_passes_the_full_minutes_of_the_last_two_minutes() -> None:
    #   due 0:10          0:60      1:60    now 2:05
    #  ──┼────────────────┼─────────┼───────┼──
    now = NOW + 125 * SECOND
    assert next_tick(NOW + 10 * SECOND, now) == NOW + MINUTE
    assert next_tick(NOW + MINUTE, now) == NOW + 2 * MINUTE
    assert next_tick(NOW + 2 * MINUTE, now) == now + SECOND


def test_a_clock_that_jumps_a_day_ahead_costs_no_more_than_two_ticks_of_the_past() -> None:
    due, now, ticks = NOW + SECOND, NOW + 86_400 * SECOND + 1, 0
    while due <= now:
        due, ticks = next_tick(due, now), ticks + 1
    assert ticks <= 4
    assert due == first_tick(now)


def test_no_tick_goes_back_to_where_a_clock_that_was_set_back_stands() -> None:
    """What was folded for a later tick must be given up first, however late the clock is looked at."""
    now = NOW - 3600 * SECOND
    assert too_early(NOW, now)
    assert too_early(next_tick(NOW, now), now)
    assert not too_early(NOW, NOW - SECOND)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
@settings(deadline=None)
def test_the_next_tick_is_a_full_second_and_never_lies_far_ahead(due: int, now: int) -> None:
    due -= due % SECOND
    following = next_tick(due, now)
    assert following % SECOND == 0
    assert following <= max(now, due) + SECOND
    assert following > due
