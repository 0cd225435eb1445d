"""The columnar reader of instants says what ``parse_instant`` says, value by value."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.units import EARLIEST_MILLIS, LATEST_MILLIS, parse_instant
from ingest.batch import MISSING
from ingest.instants import parse_instants


def judge(value: Any) -> int:
    try:
        return parse_instant(value)
    except ValueError:
        return MISSING


def assert_agreement(values: list[Any]) -> None:
    micros, valid = parse_instants(values)
    expected = [judge(value) for value in values]
    assert micros.tolist() == expected
    assert valid.tolist() == [instant != MISSING for instant in expected]


def any_text(dice: random.Random) -> str:
    """RFC 3339, now and then with a number that does not exist or a character that does not belong."""
    year = dice.choice([2026, 2024, 1900, 2000, dice.randrange(1, 9999)])
    month, day = dice.randrange(0, 14), dice.choice([0, 1, 28, 29, 30, 31, 32, dice.randrange(1, 29)])
    hour, minute, second = dice.randrange(0, 25), dice.randrange(0, 61), dice.randrange(0, 61)
    fraction = "." + "".join(dice.choices("0123456789", k=dice.randrange(13))) if dice.random() < 0.6 else ""
    offset = dice.choice(
        ["Z", "Z", "z", "+08:00", "-08:00", "+00:00", "-00:00", "+23:59", "+24:00", "+08:60", "", "08:00"]
    )
    separator = dice.choice(["T", "T", "T", "t", " ", "_"])
    text = f"{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{offset}"
    if dice.random() < 0.2:
        position = dice.randrange(len(text))
        text = text[:position] + dice.choice("0:-+.TZ x٣é/;\x00") + text[position + 1 :]
    return text


@pytest.mark.parametrize("seed", range(5))
def test_columns_of_mixed_texts_agree_with_the_judge(seed: int) -> None:
    dice = random.Random(seed)
    assert_agreement([any_text(dice) for _ in range(3_000)])


@pytest.mark.parametrize("digits", range(13))
@pytest.mark.parametrize("offset", ["Z", "+08:00", "-03:30"])
def test_long_columns_of_one_format_agree_with_the_judge(digits: int, offset: str) -> None:
    dice = random.Random(digits)
    texts = []
    for _ in range(200):
        moment = datetime(1, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(315_537_897_599))
        fraction = "." + "".join(dice.choices("0123456789", k=digits)) if digits else ""
        texts.append(f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + offset)
    assert_agreement(texts)


def test_every_day_of_four_centuries_is_where_the_calendar_has_it() -> None:
    days = [datetime(1900, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(146_097)]
    micros, valid = parse_instants([f"{day:%Y-%m-%d}T00:00:00Z" for day in days])
    assert valid.all()
    assert (micros[1:] - micros[:-1] == 86_400_000_000).all()
    assert micros[0] == -2_208_988_800_000_000


@pytest.mark.parametrize("day", ["2023-02-29", "2100-02-29", "2024-02-30", "2026-04-31", "2026-00-10", "2026-13-01"])
def test_a_day_that_does_not_exist_is_invalid_in_a_column_too(day: str) -> None:
    texts = [f"{day}T12:00:00Z", "2024-02-29T12:00:00Z"] * 30
    _, valid = parse_instants(texts)
    assert valid.tolist() == [False, True] * 30


def test_numbers_and_other_types_agree_with_the_judge() -> None:
    edges = [EARLIEST_MILLIS, LATEST_MILLIS, EARLIEST_MILLIS - 1, LATEST_MILLIS + 1]
    assert_agreement([*edges, 0, -1, 1.0, 1.5, 1e18, float("nan"), float("inf"), True, False, None, "", [], {}, 10**30])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=40), st.datetimes().map(lambda m: m.isoformat() + "Z"), st.integers()), max_size=40
    )
)
def test_any_column_agrees_with_the_judge(values: list[Any]) -> None:
    assert_agreement(values)
