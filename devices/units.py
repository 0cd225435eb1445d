"""Annotated types that carry a field's unit and physical bounds, so that a reading's declaration is its contract.

A bound is what the quantity or a real instrument can show; anything outside is an error of the sensor
or of the integrator and is rejected with reason ``range``. Policy (what is *good*) lives in
``processing/indicators.py``, not here.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EARLIEST_MILLIS, LATEST_MILLIS = -62_100_000_000_000, 253_300_000_000_000
"""epoch milliseconds within the years 2 to 9996, which every part of the path can hold"""

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII).fullmatch


@dataclass(frozen=True)
class Unit:
    """Unit of a numeric field: the symbol printed beside values, and its name in words."""

    symbol: str
    name: str


def parse_instant(value: Any) -> int:
    """Return microseconds since 1970-01-01T00:00Z of an RFC 3339 string with offset or of epoch milliseconds.

    Digits beyond the microsecond are cut off. Raises ValueError saying what would be right.
    """
    if isinstance(value, str):
        match = _RFC3339(value)
        if match is None:
            raise ValueError(
                "must be RFC 3339 with an offset, such as 2026-11-20T08:00:00.123+08:00, or epoch milliseconds"
            )
        day, clock, fraction, offset = match.groups(default="")
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{fraction[:7]}{offset.upper()}")
            micros = (moment - EPOCH) // MICROSECOND
        except (ValueError, OverflowError) as error:
            raise ValueError(f"must be a date and time that exists ({error})") from None
        if not EARLIEST_MILLIS <= micros // 1000 <= LATEST_MILLIS:
            raise ValueError("must lie within the years 2 to 9996")
        return micros
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not EARLIEST_MILLIS <= value <= LATEST_MILLIS:
            raise ValueError("must be milliseconds since 1970, a number of 13 digits today")
        return value * 1000
    raise ValueError("must be RFC 3339 with an offset, or epoch milliseconds")


def format_instant(micros: int) -> str:
    """Return an instant, in microseconds since 1970, as RFC 3339 in UTC."""
    return (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def _integral(value: Any) -> Any:
    """JSON has one number type: 3.0 is the integer 3 (as in JSON Schema)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def parse_point(value: Any) -> tuple[float, float]:
    """Return (longitude, latitude) in WGS84 degrees of a GeoJSON Point; a third coordinate (height) is dropped.

    Raises ValueError for a wrong shape and a ``point_range`` error for a place that is not on earth.
    """
    coordinates = value.get("coordinates") if isinstance(value, dict) and value.get("type") == "Point" else None
    if (
        isinstance(coordinates, list)
        and 2 <= len(coordinates) <= 3
        and all(type(c) in (int, float) for c in coordinates)
    ):
        lon, lat = coordinates[:2]
        if -180 <= lon <= 180 and -90 <= lat <= 90:
            return float(lon), float(lat)
        raise PydanticCustomError("point_range", "longitude is -180–180, latitude -90–90")
    raise ValueError("must be a GeoJSON Point")


def format_point(point: tuple[float, float]) -> dict[str, Any]:
    """Return (longitude, latitude) as a GeoJSON Point."""
    return {"type": "Point", "coordinates": list(point)}


Point = Annotated[
    tuple[float, float],
    BeforeValidator(parse_point),
    PlainSerializer(format_point, when_used="json"),
    WithJsonSchema(
        {
            "type": "object",
            "required": ["type", "coordinates"],
            "properties": {
                "type": {"const": "Point"},
                "coordinates": {
                    "type": "array",
                    "prefixItems": [
                        {"type": "number", "minimum": -180, "maximum": 180},
                        {"type": "number", "minimum": -90, "maximum": 90},
                        {"type": "number"},
                    ],
                    "minItems": 2,
                    "maxItems": 3,
                },
            },
        }
    ),
]

Instant = Annotated[
    int,
    BeforeValidator(parse_instant),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {
                    "type": "integer",
                    "minimum": EARLIEST_MILLIS,
                    "maximum": LATEST_MILLIS,
                    "description": "milliseconds since 1970-01-01T00:00:00Z",
                },
            ]
        }
    ),
]

# bounds stand before the validator that runs first: else the JSON Schema has them as words it does not know
Count = Annotated[int, Field(ge=0, le=10_000_000), BeforeValidator(_integral), Unit("", "count")]
Sequence = Annotated[int, Field(ge=0, le=2**53 - 1), BeforeValidator(_integral)]
Label = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]

Ratio = Annotated[float, Field(ge=0, le=1), Unit("1", "ratio")]
PowerFactor = Annotated[float, Field(ge=-1, le=1), Unit("1", "power factor")]
Kilogram = Annotated[float, Field(ge=0, le=50_000), Unit("kg", "kilogram")]
Celsius = Annotated[float, Field(ge=-60, le=1200), Unit("°C", "degree Celsius")]
KilometrePerHour = Annotated[float, Field(ge=0, le=200), Unit("km/h", "kilometre per hour")]
Kilowatt = Annotated[float, Field(ge=-1_000_000, le=1_000_000), Unit("kW", "kilowatt")]
AdjustableKilowatt = Annotated[float, Field(ge=0, le=1_000_000), Unit("kW", "kilowatt")]
KilowattHour = Annotated[float, Field(ge=0, le=1e10), Unit("kWh", "kilowatt hour")]
MilligramPerCubicMetre = Annotated[float, Field(ge=0, le=1000), Unit("mg/m³", "milligram per cubic metre")]
MicrogramPerCubicMetre = Annotated[float, Field(ge=0, le=100_000), Unit("µg/m³", "microgram per cubic metre")]
Decibel = Annotated[float, Field(ge=0, le=200), Unit("dB(A)", "A-weighted decibel")]
Percent = Annotated[float, Field(ge=0, le=100), Unit("%", "percent")]
MetrePerSecond = Annotated[float, Field(ge=0, le=120), Unit("m/s", "metre per second")]
