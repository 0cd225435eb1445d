from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.times import parse_step, parse_time, rfc3339

SHANGHAI = ZoneInfo("Asia/Shanghai")
EIGHT = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [
        (0, "2026-11-20T08:00:00+08:00"),
        (123_000, "2026-11-20T08:00:00.123+08:00"),
        (100, "2026-11-20T08:00:00.0001+08:00"),
        (123_456, "2026-11-20T08:00:00.123456+08:00"),
    ],
)
def test_a_time_has_as_many_digits_as_it_needs(microsecond: int, text: str) -> None:
    assert rfc3339(EIGHT.replace(microsecond=microsecond), SHANGHAI) == text


def test_a_time_in_utc_ends_in_z() -> None:
    assert rfc3339(EIGHT) == "2026-11-20T00:00:00Z"


@pytest.mark.parametrize(
    "text", ["2026-11-20T00:00:00Z", "2026-11-20T08:00:00+08:00", "2026-11-20T08:00:00 08:00", "1795132800000"]
)
def test_times_are_read_in_any_offset_with_a_lost_plus_and_as_milliseconds(text: str) -> None:
    assert parse_time(text) == EIGHT


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-20", "2026-11-20T08:00:00", "2026-02-30T00:00:00Z", "9" * 15]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m", 60), ("15m", 900), ("1h", 3600), ("1d", 86_400), ("90", 90), ("300s", 300)]
)
def test_steps_have_a_unit_or_are_seconds(text: str, seconds: int) -> None:
    assert parse_step(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "1w", "-1h", "59", "32d", "1.5h"])
def test_a_step_out_of_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_step(text)
