"""Times at the HTTP edge: RFC 3339 in and out, and the steps of a history."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from devices.units import EPOCH, MICROSECOND, parse_instant

_LOST_PLUS = re.compile(r" (?=\d\d:\d\d$)")
_STEP = re.compile(r"(\d{1,9})([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}

SHORTEST_STEP = timedelta(minutes=1)
LONGEST_STEP = timedelta(days=31)


def rfc3339(moment: datetime, zone: tzinfo = UTC) -> str:
    """An aware time in ``zone`` with its offset and as many digits of the second as it has: ``…08:00:00.12+08:00``."""
    local = moment.astimezone(zone)
    text = local.replace(microsecond=0).isoformat()
    if local.microsecond:
        fraction = f"{local.microsecond:06d}".rstrip("0")
        text = f"{text[:19]}.{fraction}{text[19:]}"
    return text.removesuffix("+00:00") + "Z" if zone is UTC else text


def parse_time(value: object) -> datetime:
    """An aware time from the text of a query parameter; raises ValueError saying what would be right.

    A ``+`` that was not percent-encoded arrives as a blank, which cannot mean anything else here.
    """
    text = _LOST_PLUS.sub("+", str(value))
    try:
        micros = parse_instant(int(text) if text.isascii() and text.isdigit() and len(text) > 10 else text)
        return EPOCH + micros * MICROSECOND
    except OverflowError as error:
        raise ValueError("must be a time between the years 1 and 9999") from error


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    """The time that many microseconds after 1970; raises ValueError outside the years 1 to 9999."""
    try:
        return EPOCH + value * MICROSECOND
    except OverflowError as error:
        raise ValueError(f"{value} is no time of this calendar") from error


def parse_step(value: object) -> timedelta:
    """``15m``, ``1h``, ``1d`` or a number of seconds; raises ValueError saying what would be right."""
    match = _STEP.fullmatch(str(value))
    if match is None:
        raise ValueError("must be a number with s, m, h or d such as 1m, 15m, 1h, 1d, or a number of seconds")
    step = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    if not SHORTEST_STEP <= step <= LONGEST_STEP:
        raise ValueError("must be between 1m (60 s) and 31d (2678400 s)")
    return step
