"""RFC 3339 texts as microseconds since 1970, by the rules of ``devices.units.parse_instant``.

Days from a civil date follow Howard Hinnant's public-domain derivation (era of 400 years, year starting in March).
"""

from typing import Any

import numpy as np

from ingest.kernels.tokens import Text, byte, inner

MISSING = np.iinfo(np.int64).min
_SHORTEST = len("2026-11-20T08:00:00Z")
_FIRST_YEAR, _LAST_YEAR = 3, 9995
"""well within what is allowed whatever the offset; the years at the edges are left to others"""
_WRONG = -1_000_000


@inner
def instant(text: Text, at: int, end: int) -> Any:
    """The instant written from ``at`` to ``end``; MISSING if it is none. Digits beyond the microsecond are cut off."""
    if end - at < _SHORTEST:
        return MISSING
    year = _two(text, at) * 100 + _two(text, at + 2)
    month, day = _two(text, at + 5), _two(text, at + 8)
    hour, minute, second = _two(text, at + 11), _two(text, at + 14), _two(text, at + 17)
    between = byte(text, at + 10)
    if (
        byte(text, at + 4) != 45
        or byte(text, at + 7) != 45
        or (between != 84 and between != 116 and between != 32)
        or byte(text, at + 13) != 58
        or byte(text, at + 16) != 58
    ):
        return MISSING
    if not (_FIRST_YEAR <= year <= _LAST_YEAR and 1 <= month <= 12 and 1 <= day <= _longest(year, month)):
        return MISSING
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return MISSING
    at += 19
    fraction, unit = np.int64(0), np.int64(1_000_000)
    if byte(text, at) == 46:
        first = at + 1
        at = first
        while 48 <= byte(text, at) <= 57:
            unit //= 10
            fraction += (np.int64(byte(text, at)) - 48) * unit
            at += 1
        if at == first:
            return MISSING
    offset = _offset(text, at, end)
    if offset == MISSING:
        return MISSING
    minutes = (_days(year, month, day) * 24 + hour) * 60 + minute - offset
    return (minutes * 60 + second) * 1_000_000 + fraction


@inner
def _two(text: Text, at: int) -> Any:
    """The number that two digits make; far below zero if they are none."""
    tens, ones = np.int64(byte(text, at)) - 48, np.int64(byte(text, at + 1)) - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else _WRONG


@inner
def _offset(text: Text, at: int, end: int) -> Any:
    """Minutes east of Greenwich, written from ``at`` to ``end``; MISSING if they are none."""
    if at + 1 == end and (byte(text, at) == 90 or byte(text, at) == 122):
        return 0
    if at + 6 != end or (byte(text, at) != 43 and byte(text, at) != 45) or byte(text, at + 3) != 58:
        return MISSING
    hours, minutes = _two(text, at + 1), _two(text, at + 4)
    if not (0 <= hours <= 23 and 0 <= minutes <= 59):
        return MISSING
    east = hours * 60 + minutes
    return -east if byte(text, at) == 45 else east


@inner
def _longest(year: int, month: int) -> int:
    """Days of a month."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@inner
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date in the Gregorian calendar."""
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468
