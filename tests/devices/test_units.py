"""Instants and points: what is read, to which value, and what is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from devices.units import format_instant, format_point, parse_instant, parse_point

EIGHT = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        ("2026-11-20T08:00:00Z", EIGHT),
        ("2026-11-20t16:00:00.000+08:00", EIGHT),
        ("2026-11-20 00:00:00-08:00", EIGHT),
        ("2026-11-20T08:00:00.123456789Z", EIGHT + 123_456),
        ("2026-11-20T08:00:00.1Z", EIGHT + 100_000),
        (EIGHT // 1000, EIGHT),
        (float(EIGHT // 1000), EIGHT),
        (-1, -1000),
    ],
)
def test_an_instant_is_rfc_3339_with_offset_or_epoch_milliseconds(value: object, micros: int) -> None:
    assert parse_instant(value) == micros


@pytest.mark.parametrize(
    "value",
    ["2026-11-20T08:00:00", "2026-11-20", "", "now", "2026-02-30T08:00:00Z", "2026-11-20T24:30:00Z",
     "２026-11-20T08:00:00Z", "2026-11-20T08:00:00.Z", 1.5, True, None, [], 2**60, float("nan")],
)  # fmt: skip
def test_what_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_instant(value)


@given(st.integers(-(10**15), 4 * 10**15))
def test_a_formatted_instant_reads_back_as_itself(micros: int) -> None:
    assert parse_instant(format_instant(micros)) == micros


def test_a_point_is_longitude_first_and_loses_its_height() -> None:
    assert parse_point({"type": "Point", "coordinates": [121, 31.2, 4.0]}) == (121.0, 31.2)
    assert format_point((121.0, 31.2)) == {"type": "Point", "coordinates": [121.0, 31.2]}


@pytest.mark.parametrize(
    "value",
    [None, [121, 31], {"type": "Polygon", "coordinates": [1, 2]}, {"type": "Point"},
     {"type": "Point", "coordinates": [1]},
     {"type": "Point", "coordinates": ["1", 2]}, {"type": "Point", "coordinates": [True, 2]}],
)  # fmt: skip
def test_what_is_no_point_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="GeoJSON Point"):
        parse_point(value)


@pytest.mark.parametrize("coordinates", [[181, 0], [0, 91], [float("nan"), 0]])
def test_a_place_that_is_not_on_earth_is_out_of_range(coordinates: list[float]) -> None:
    with pytest.raises(PydanticCustomError):
        parse_point({"type": "Point", "coordinates": coordinates})
