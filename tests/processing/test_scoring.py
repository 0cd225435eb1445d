"""Scores never turn against the value, points add up to the score, and what is missing stays missing."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.indicators import INDICATORS
from processing.scoring import (
    COVERAGE,
    NO_DEVICES,
    NO_READINGS,
    NOT_APPLICABLE,
    OK,
    REASONS,
    STALE,
    Evidence,
    Values,
    combine,
    judge,
    score,
    slope,
)

NAN = math.nan


def values(scores: list[float], reasons: list[int] | None = None, coverage: float = 1.0, age: float = 1.0) -> Values:
    array = np.array(scores, np.float64)
    reason = np.where(np.isnan(array), COVERAGE, OK) if reasons is None else np.array(reasons)
    full = np.full(len(array), coverage)
    return Values(array, array, full, np.full(len(array), age), reason.astype(np.int8), np.full(len(array), np.nan))


def evidence(**counts: Any) -> Evidence:
    given_counts = {"expected": 3, "fresh": 3, "excused": 0, "reporting": 3} | counts
    idle = np.array([bool(given_counts.pop("idle", False))])
    return Evidence(
        **{k: np.array([v]) for k, v in given_counts.items()}, freshness=np.array([2.0]), idle=idle, base=np.ones(1)
    )


def judged(value: float = 0.5, minimum: float = 2 / 3, **counts: Any) -> tuple[str | None, float, float]:
    result = judge(np.array([value]), evidence(**counts), ((0.0, 0.0), (1.0, 100.0)), minimum)
    return REASONS[result.reason[0]], result.score[0], result.coverage[0]


@pytest.mark.parametrize("row", [i for i in INDICATORS if slope(i.goalposts)], ids=lambda row: row.id)
@given(a=st.floats(-10, 1000), b=st.floats(-10, 1000))
@settings(deadline=None)
def test_scores_are_monotone_where_the_goalposts_are(row: Any, a: float, b: float) -> None:
    low, high = score(np.array([min(a, b), max(a, b)]), row.goalposts)
    assert (high - low) * slope(row.goalposts) >= 0
    assert 0 <= low <= 100
    assert 0 <= high <= 100


def test_goalposts_are_joined_by_straight_lines_and_flat_outside() -> None:
    posts = ((0.2, 100.0), (0.4, 50.0), (1.0, 0.0))
    assert score(np.array([0.0, 0.2, 0.3, 0.4, 0.7, 1.0, 9.0]), posts).tolist() == pytest.approx(
        [100, 100, 75, 50, 25, 0, 0]
    )
    assert np.isnan(score(np.array([NAN]), posts)).all()
    assert np.isnan(score(np.array([1.0]), ())).all()


def test_a_target_band_has_no_slope() -> None:
    assert slope(((0, 50), (0.6, 100), (1, 0))) == 0
    assert slope(((0, 0), (1, 100))) == 1
    assert slope(((0, 100), (1, 0))) == -1
    assert slope(()) == 0


def test_a_value_with_all_devices_behind_it_is_scored() -> None:
    assert judged() == (None, 50.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "reason", "coverage"),
    [
        ({"expected": 0, "fresh": 0, "reporting": 0}, "no_devices", 0.0),
        ({"fresh": 0, "reporting": 0}, "stale", 0.0),
        ({"reporting": 1}, "coverage", 1 / 3),
        ({"reporting": 0}, "coverage", 0.0),  # all are heard and none knows
        ({"fresh": 3, "excused": 3, "reporting": 0}, "not_applicable", 0.0),
        ({"idle": True}, "not_applicable", 1.0),
        ({"idle": True, "reporting": 1}, "coverage", 1 / 3),
    ],
)
def test_a_value_is_withheld_with_its_reason(counts: dict[str, Any], reason: str, coverage: float) -> None:
    assert judged(**counts)[::2] == (reason, pytest.approx(coverage))
    assert math.isnan(judged(**counts)[1])


def test_two_thirds_of_the_devices_are_just_enough() -> None:
    assert judged(reporting=2, fresh=2)[0] is None
    assert judged(expected=300, fresh=199, reporting=199)[0] == "coverage"


def test_a_device_with_nothing_to_measure_is_not_expected_to_report() -> None:
    assert judged(fresh=2, excused=1, reporting=1) == ("coverage", pytest.approx(NAN, nan_ok=True), 0.5)
    assert judged(excused=1, reporting=2) == (None, 50.0, 1.0)


def test_devices_without_anything_measured_give_no_reading() -> None:
    assert judged(NAN)[0] == "no_readings"


scores_of_parts = st.lists(st.one_of(st.just(NAN), st.floats(0, 100)), min_size=1, max_size=5)


@given(scores_of_parts, st.booleans(), st.randoms())
@settings(deadline=None)
def test_points_add_up_to_the_index(scores: list[float], geometric: bool, random: Any) -> None:
    weights = [random.choice([0.5, 1.0, 2.0, 3.7]) for _ in scores]
    index, points = combine([values([s]) for s in scores], weights, geometric=geometric)
    present = [i for i, s in enumerate(scores) if not math.isnan(s)]
    available = sum(weights[i] for i in present)
    if not present or available < 2 / 3 * sum(weights) - 1e-9:
        assert math.isnan(index.score[0])
        assert all(math.isnan(p[0]) for p in points)
        return
    if geometric:
        expected = math.exp(sum(weights[i] * math.log(max(scores[i], 1)) for i in present) / available)
    else:
        expected = sum(weights[i] * scores[i] for i in present) / available
    assert index.score[0] == pytest.approx(expected, abs=1e-9)
    assert sum(points[i][0] for i in present) == pytest.approx(index.score[0], abs=1e-9)


def test_a_failing_domain_cannot_be_bought_off_in_the_composite() -> None:
    even, _ = combine([values([50]), values([50])], [1, 1], geometric=True)
    uneven, points = combine([values([100]), values([0])], [1, 1], geometric=True)
    assert even.score[0] == pytest.approx(50)
    assert uneven.score[0] == pytest.approx(10)  # √(100·1): a score of 0 counts as 1
    assert points[1][0] == 0
    floor, shares = combine([values([0]), values([0])], [1, 3], geometric=True)
    assert floor.score[0] == pytest.approx(1)
    assert [share[0] for share in shares] == pytest.approx([0.25, 0.75])


def test_a_part_that_does_not_apply_takes_its_weight_with_it() -> None:
    parts = [values([80]), values([NAN], [NO_DEVICES]), values([NAN], [NOT_APPLICABLE])]
    index, points = combine(parts, [1, 5, 5])
    assert (index.score[0], index.reason[0], index.coverage[0]) == (80, OK, 1)
    assert math.isnan(points[1][0])


def test_a_part_without_weight_neither_counts_nor_blocks() -> None:
    index, _ = combine([values([80]), values([NAN], [STALE], age=900.0)], [1, 0])
    assert (index.score[0], index.freshness[0]) == (80, 1)


def test_an_index_is_as_old_as_its_oldest_part() -> None:
    index, _ = combine([values([80], age=3.0), values([60], age=40.0)], [1, 1])
    assert index.freshness[0] == 40


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([NO_DEVICES, NO_DEVICES], "no_devices"),
        ([NO_DEVICES, NOT_APPLICABLE], "not_applicable"),
        ([STALE, STALE], "stale"),
        ([STALE, NO_DEVICES], "stale"),
        ([STALE, NO_READINGS], "no_readings"),
        ([STALE, COVERAGE], "coverage"),
        ([OK, COVERAGE], "coverage"),
    ],
)
def test_the_reason_of_an_index_is_what_its_parts_have_in_common(reasons: list[int], expected: str) -> None:
    parts = [values([50.0 if reason == OK else NAN], [reason]) for reason in reasons]
    index, _ = combine(parts, [1.0] * len(parts))
    assert REASONS[index.reason[0]] == expected
    assert math.isnan(index.score[0])


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.7]), min_size=1, max_size=6), st.booleans())
@settings(deadline=None)
def test_an_index_of_perfect_parts_is_a_hundred_and_never_more(weights: list[float], geometric: bool) -> None:
    index, _ = combine([values([100.0])] * len(weights), weights, geometric=geometric)
    assert index.score[0] <= 100
    assert index.score[0] == pytest.approx(100, abs=1e-9)
