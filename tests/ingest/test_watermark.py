"""Watermarks against a naive set of numbers.

numbers      0 1 2 3 4 5 6 7 8 9
committed    ■ ■ ■ · ■ ■ · · ■ ·
watermark    committed 2, gaps 3–3 and 6–7, highest 8
"""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.watermark import LARGEST_NUMBER, MOST_RANGES, Asked, Watermark, merge, read_asked

numbers = st.integers(0, 60)
ranges = st.tuples(numbers, st.integers(0, 8)).map(lambda r: (r[0], r[0] + r[1]))


def naive(committed: set[int], first: int) -> tuple[int, int, list[tuple[int, int]]]:
    """Committed, highest and gaps of a plain set."""
    held = committed | set(range(first))
    highest = max(held, default=-1)
    upto = -1
    while upto + 1 in held:
        upto += 1
    missing = [n for n in range(upto + 1, highest) if n not in held]
    gaps: list[tuple[int, int]] = []
    for n in missing:
        gaps = [*gaps[:-1], (gaps[-1][0], n)] if gaps and gaps[-1][1] == n - 1 else [*gaps, (n, n)]
    return upto, highest, gaps


def numbers_of(found: list[tuple[int, int]]) -> set[int]:
    return {n for first, last in found for n in range(first, last + 1)}


def test_the_drawing_above() -> None:
    watermark = Watermark.start(Asked()).joined([(0, 2), (8, 8), (4, 5)])
    assert (watermark.committed, watermark.highest, watermark.gaps()) == (2, 8, [(3, 3), (6, 7)])


def test_before_the_first_number_nothing_is_committed() -> None:
    assert Watermark.start(Asked()) == Watermark(-1, -1)
    assert Watermark.start(Asked()).joined([(1, 1)]).gaps() == [(0, 0)]
    assert Watermark.start(Asked(first=1)).joined([(1, 1)]) == Watermark(1, 1)


@given(st.lists(st.lists(ranges, max_size=4), max_size=12), st.integers(0, 5))
def test_it_agrees_with_a_plain_set_in_any_order_and_with_repeats(takes: list[list[Any]], first: int) -> None:
    watermark = Watermark.start(Asked(first))
    held: set[int] = set()
    for take in takes:
        watermark = watermark.joined(take)
        held |= numbers_of(take)
        assert (watermark.committed, watermark.highest, watermark.gaps()) == naive(held, first)
    reversed_order = Watermark.start(Asked(first))
    for take in reversed(takes):
        reversed_order = reversed_order.joined(take)
    assert reversed_order == watermark


@given(st.sets(st.integers(0, 200)), st.integers(1, 6))
def test_a_bounded_list_of_gaps_hides_no_missing_number(held: set[int], most: int) -> None:
    watermark = Watermark.start(Asked()).joined([(n, n) for n in held])
    gaps = watermark.gaps(most)
    assert len(gaps) <= most
    told_committed = set(range(watermark.highest + 1)) - numbers_of(gaps)
    assert told_committed <= held
    exact = watermark.gaps(10_000)
    assert gaps == exact or len(exact) > most


def test_ranges_beyond_the_limit_count_as_missing_until_they_are_sent_again() -> None:
    odd = [(n, n) for n in range(1, 4 * MOST_RANGES, 2)]
    watermark = Watermark.start(Asked()).joined(odd)
    assert len(watermark.above) == MOST_RANGES
    assert watermark.highest == odd[-1][0]
    assert watermark.gaps(10_000)[-1] == (2 * MOST_RANGES, watermark.highest)
    healed = watermark.joined([(0, watermark.highest)])
    assert (healed.committed, healed.gaps()) == (watermark.highest, [])


@given(st.permutations([Asked(), Asked(7), Asked(3, since=10), Asked(9, since=10), Asked(2, since=5)]))
def test_asking_anew_leads_to_the_same_in_any_order(asked: list[Asked]) -> None:
    watermark = Watermark.start(asked[0])
    for again in asked[1:]:
        watermark = watermark.moved(again)
    assert watermark.since == 10
    assert watermark.committed == 8


def test_a_later_count_starts_anew_and_an_earlier_one_changes_nothing() -> None:
    old = Watermark.start(Asked()).joined([(0, 500)])
    new = old.moved(Asked(since=1_000))
    assert (new.committed, new.highest, new.gaps()) == (-1, -1, [])
    assert new.joined([(0, 3)]).moved(Asked()).committed == 3


def test_a_higher_beginning_gives_up_what_lies_below() -> None:
    watermark = Watermark.start(Asked()).joined([(0, 4), (9, 12)]).moved(Asked(first=9))
    assert (watermark.committed, watermark.gaps()) == (12, [])
    assert watermark.moved(Asked(first=2)) == watermark


@given(st.lists(ranges))
def test_merged_ranges_hold_the_same_numbers_and_lie_apart(given_ranges: list[tuple[int, int]]) -> None:
    merged = merge(given_ranges)
    assert numbers_of(merged) == numbers_of(given_ranges)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(merged))


def test_the_document_told_back() -> None:
    watermark = Watermark.start(Asked(since=0)).joined([(0, 41), (45, 50)])
    assert watermark.describe("bus", 1_000_000) == {
        "stream": "bus",
        "committed": 41,
        "highest": 50,
        "gaps": [[42, 44]],
        "at": "1970-01-01T00:00:01Z",
        "since": "1970-01-01T00:00:00Z",
    }
    assert "since" not in Watermark.start(Asked()).describe("bus", 0)


@pytest.mark.parametrize(
    ("attributes", "asked"),
    [
        ({}, None),
        ({"watermark": None}, None),
        ({"watermark": False}, None),
        ({"watermark": True}, Asked()),
        ({"watermark": {}}, Asked()),
        ({"watermark": {"from": 7}}, Asked(7)),
        ({"watermark": {"since": "1970-01-01T08:00:01+08:00"}}, Asked(0, 1_000_000)),
        ({"watermark": {"from": LARGEST_NUMBER, "since": 5}}, Asked(LARGEST_NUMBER, 5_000)),
    ],
)
def test_what_attributes_ask_for(attributes: dict[str, Any], asked: Asked | None) -> None:
    assert read_asked(attributes) == asked


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("yes", 'attributes.watermark is "yes", must be true, false or'),
        (1, "attributes.watermark is 1"),
        ({"from": -1}, "attributes.watermark.from is -1, must be an integer 0–"),
        ({"from": True}, "attributes.watermark.from is true"),
        ({"since": "yesterday"}, 'attributes.watermark.since is "yesterday", must be RFC 3339'),
    ],
)
def test_a_wrong_wish_names_value_and_what_would_be_right(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        read_asked({"watermark": value})
    assert words in str(caught.value)
