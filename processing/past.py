"""Read stored vital signs of full minutes back as arrays: each index of some areas at some instants."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from processing.documents import EPOCH
from processing.scoring import NO_DEVICES, REASONS, Values
from processing.windows import MINUTE

_NAMES = ("value", "score", "coverage", "freshness", "base")
_CODES = {reason: code for code, reason in enumerate(REASONS)}


@dataclass(frozen=True)
class Past:
    """What is stored of some areas at some instants; arrays are flat, area by area, shape (areas · instants,)."""

    areas: tuple[str, ...]
    instants: tuple[int, ...]
    """µs since 1970"""
    indices: dict[str, Values]
    """what has no row has the reason ``no_devices``"""
    known: NDArray[np.bool_]
    """where the composite of an area has a row"""
    versions: frozenset[str]
    """methods the rows were made by"""
    newest_version: str | None
    """method of the newest instant"""


def read_past(connection: psycopg.Connection, areas: Sequence[str], instants: Sequence[int]) -> Past:
    """The newest final revision of every index of the areas at the instants (full minutes, µs since 1970)."""
    size = len(areas) * len(instants)
    place = {area: i * len(instants) for i, area in enumerate(areas)}
    column = {instant: i for i, instant in enumerate(instants)}
    indices: dict[str, Values] = {}
    versions: dict[str, int] = {}
    for area, index, micros, *numbers, reason, version in _rows(connection, areas, instants):
        values = indices.setdefault(index, _nothing(size))
        at = place[area] + column[micros]
        for name, number in zip(_NAMES, numbers, strict=False):
            if number is not None:
                getattr(values, name)[at] = number
        values.reason[at] = _CODES[reason]
        versions[version] = max(micros, versions.get(version, micros))
    composite = indices.get("composite")
    known = np.zeros(size, bool) if composite is None else composite.reason != NO_DEVICES
    newest = max(versions, key=versions.__getitem__, default=None)
    return Past(tuple(areas), tuple(instants), indices, known, frozenset(versions), newest)


def newest_final(connection: psycopg.Connection, area: str, until: int | None = None) -> int | None:
    """The newest minute, up to ``until`` (µs since 1970), of which an area has a final composite."""
    row = connection.execute(
        "SELECT (extract(epoch FROM max(at)) * 1000000)::bigint FROM vitals"
        " WHERE area = %s AND index = 'composite' AND state = 'final' AND at <= coalesce(%s, 'infinity'::timestamptz)",
        [area, None if until is None else EPOCH + timedelta(microseconds=until)],
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else None


def full_minutes(first: int, last: int, step: int) -> list[int]:
    """The instants ``step`` apart from the first full minute at or after ``first`` up to ``last`` (all µs)."""
    return list(range(-(-first // MINUTE) * MINUTE, last + 1, step))


def _rows(connection: psycopg.Connection, areas: Sequence[str], instants: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    if not instants:
        return
    moments = [EPOCH + timedelta(microseconds=instant) for instant in instants]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (area, index, at) area, index, (extract(epoch FROM at) * 1000000)::bigint, value,"
            " score, coverage, freshness, reason, method_version FROM vitals"
            " WHERE area = ANY(%(areas)s) AND at BETWEEN %(first)s AND %(last)s AND at = ANY(%(instants)s)"
            " AND state = 'final' ORDER BY area, index, at, revision DESC",
            {"areas": list(areas), "first": min(moments), "last": max(moments), "instants": moments},
        )
        yield from cursor


def _nothing(size: int) -> Values:
    def blank() -> NDArray[np.float64]:
        return np.full(size, np.nan)

    return Values(blank(), blank(), np.zeros(size), blank(), np.full(size, NO_DEVICES, np.int8), np.ones(size))
