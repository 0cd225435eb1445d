"""Turn a column of ``dateObserved`` values into microseconds since 1970, many at a time.

RFC 3339 texts of equal length are laid out as a byte matrix and read by column arithmetic; whatever does not fit
goes through ``devices.units.parse_instant``, which is the judge. Days from a civil date follow Howard Hinnant's
public-domain derivation (era of 400 years, year starting in March).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.units import EARLIEST_MILLIS, LATEST_MILLIS, parse_instant
from ingest.batch import MISSING

_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_COLUMNAR_FROM = 24  # below this a plain loop is quicker
_SHORTEST = len("2026-11-20T08:00:00Z")
_SECONDS, _DOT, _MILLIS_END = 17, 19, 23  # 2026-11-20T08:00:SS.mmm

Parsed = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""microseconds since 1970, and which of them are right"""


def parse_instants(values: Sequence[Any]) -> Parsed:
    """Return (microseconds, valid); a missing or invalid value is MISSING and not valid."""
    if len(values) >= _COLUMNAR_FROM and set(map(type, values)) == {str} and _all_of_one_length(values):
        micros, valid = _parse_alike(values)
        for position in np.flatnonzero(~valid).tolist():
            micros[position] = _parse_one(values[position])
        return micros, micros != MISSING
    micros = np.full(len(values), MISSING, dtype=np.int64)
    groups: dict[int, list[int]] = defaultdict(list)
    rest: list[int] = []
    for position, value in enumerate(values):
        if type(value) is str and len(value) >= _SHORTEST:
            groups[len(value)].append(position)
        elif type(value) is int:
            if EARLIEST_MILLIS <= value <= LATEST_MILLIS:
                micros[position] = value * 1000
        elif value is not None:
            rest.append(position)
    for positions in groups.values():
        if len(positions) < _COLUMNAR_FROM:
            rest += positions
            continue
        index = np.array(positions)
        parsed, valid = _parse_alike([values[i] for i in positions])
        micros[index[valid]] = parsed[valid]
        rest += index[~valid].tolist()
    for position in rest:
        micros[position] = _parse_one(values[position])
    return micros, micros != MISSING


def _all_of_one_length(texts: Sequence[str]) -> bool:
    return len(texts[0]) >= _SHORTEST and len(set(map(len, texts))) == 1


def _parse_one(value: Any) -> int:
    try:
        return parse_instant(value)
    except ValueError:
        return MISSING


def _parse_alike(texts: Sequence[str]) -> Parsed:
    """Texts of equal length. Live traffic is mostly of one minute and one offset: those that share all but seconds and
    fraction with the first are only counted from its minute."""
    count, length = len(texts), len(texts[0])
    try:
        raw = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8).reshape(count, length)
    except (UnicodeEncodeError, ValueError):
        return np.zeros(count, np.int64), np.zeros(count, np.bool_)
    zulu = texts[0][-1] == "Z"
    end = length - (1 if zulu else 6)
    if end != _MILLIS_END or texts[0][_DOT] != ".":
        return _parse_matrix(raw)
    fixed = np.array([*range(_SECONDS), _DOT, *range(end, length)])
    same = (raw[:, fixed] == raw[0, fixed]).all(axis=1)
    micros, valid = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    if not same.all():
        micros[~same], valid[~same] = _parse_matrix(raw[~same])
    (minute,), (known,) = _parse_matrix(np.frombuffer(_at_zero_seconds(texts[0]).encode(), np.uint8).reshape(1, length))
    digits = [raw[:, position].astype(np.int64) - 48 for position in (17, 18, 20, 21, 22)]
    right = same & known & (digits[0] >= 0) & (digits[0] <= 5)
    for digit in digits[1:]:
        right &= (digit >= 0) & (digit <= 9)
    tens, ones, *thousandths = digits
    millis = (10 * tens + ones) * 1000 + 100 * thousandths[0] + 10 * thousandths[1] + thousandths[2]
    return np.where(same, minute + millis * 1000, micros), np.where(same, right, valid)


def _at_zero_seconds(text: str) -> str:
    return text[:_SECONDS] + "00.000" + text[_MILLIS_END:]


def _parse_matrix(raw: NDArray[np.uint8]) -> Parsed:
    count, length = raw.shape
    zulu = raw[0, -1] == ord("Z")
    end = length - (1 if zulu else 6)
    digits = (raw - 48).astype(np.int64)
    separators = {4: "-", 7: "-", 10: "T", 13: ":", 16: ":"}
    if end > 19:
        separators[19] = "."
    separators |= {end: "Z"} if zulu else {end + 3: ":"}
    number_at = [p for p in range(length) if p not in separators and p != end]
    valid = (digits[:, number_at] >= 0).all(axis=1) & (digits[:, number_at] <= 9).all(axis=1)
    for position, character in separators.items():
        valid &= raw[:, position] == ord(character)
    if end == 20:  # a point with no digit behind it
        valid &= False

    def number(start: int, stop: int) -> NDArray[np.int64]:
        result = np.zeros(count, np.int64)
        for position in range(start, stop):
            result = result * 10 + digits[:, position]
        return result

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    fraction = (
        number(20, min(end, 26)) * 10 ** (6 - max(0, min(end, 26) - 20)) if end > 20 else np.zeros(count, np.int64)
    )
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    valid &= (year >= 3) & (year <= 9995) & (month >= 1) & (month <= 12) & (day >= 1)
    longest = _DAYS_IN_MONTH[np.clip(month, 0, 12)] + ((month == 2) & leap)
    valid &= (day <= longest) & (hour <= 23) & (minute <= 59) & (second <= 59)
    offset = np.zeros(count, np.int64)
    if not zulu:
        sign = raw[:, end]
        hours, minutes = number(end + 1, end + 3), number(end + 4, end + 6)
        valid &= ((sign == ord("+")) | (sign == ord("-"))) & (hours <= 23) & (minutes <= 59)
        offset = (hours * 60 + minutes) * np.where(sign == ord("-"), -1, 1)
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second
    return seconds * 1_000_000 + fraction, valid


def _days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970-01-01 of a date in the Gregorian calendar."""
    year = year - (month <= 2)
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    result: NDArray[np.int64] = era * 146097 + day_of_era - 719468
    return result
