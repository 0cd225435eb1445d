"""Read stored vital signs of full minutes back as arrays: each index of some areas at some instants."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import psycopg
from numpy.typing import NDArray

from devices.city import City
from devices.units import EPOCH
from processing.minutes import Known
from processing.scoring import NO_DEVICES, Values
from processing.store import read_minutes
from processing.windows import MINUTE

_FIELDS = ("value", "score", "coverage", "freshness", "reason", "base")
_CLOSE = 3 * MINUTE


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


def read_past(connection: psycopg.Connection, city: City, areas: Sequence[str], instants: Sequence[int]) -> Past:
    """The newest final word on every index of the areas at the instants (full minutes, µs since 1970)."""
    size = len(areas) * len(instants)
    codes = [area.code for area in city.areas]
    labels = np.array([city.index[code] for code in areas], np.intp)
    column = {instant: place for place, instant in enumerate(instants)}
    indices: dict[str, Values] = {}
    versions: set[str] = set()
    for instant, found in _minutes(connection, codes, instants):
        place = column.get(instant)
        for index, known in found.items() if place is not None else ():
            if known.state != "final":
                continue
            values = indices.setdefault(index, _nothing(size))
            for name in _FIELDS:
                getattr(values, name)[place :: len(instants)] = getattr(known.said, name)[labels]
            versions.update(known.method[labels[known.said.applies[labels]]].tolist())
    composite = indices.get("composite")
    known_at = np.zeros(size, bool) if composite is None else composite.reason != NO_DEVICES
    return Past(tuple(areas), tuple(instants), indices, known_at, frozenset(versions))


def newest_final(connection: psycopg.Connection, until: int | None = None) -> int | None:
    """The newest minute, up to ``until`` (µs since 1970), of which there is a final composite."""
    row = connection.execute(
        "SELECT (extract(epoch FROM max(at)) * 1000000)::bigint FROM vital_minutes"
        " WHERE index = 'composite' AND state = 'final' AND at <= coalesce(%s, 'infinity'::timestamptz)",
        [None if until is None else EPOCH + timedelta(microseconds=until)],
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else None


def full_minutes(first: int, last: int, step: int) -> list[int]:
    """The instants ``step`` apart from the first full minute at or after ``first`` up to ``last`` (all µs)."""
    return list(range(-(-first // MINUTE) * MINUTE, last + 1, step))


def _minutes(
    connection: psycopg.Connection, codes: Sequence[str], instants: Sequence[int]
) -> Iterator[tuple[int, dict[str, Known]]]:
    """The minutes at the instants; those close to each other in one go."""
    if len(instants) > 1 and instants[1] - instants[0] > _CLOSE:
        for instant in instants:
            yield from read_minutes(connection, codes, instant, instant)
    elif instants:
        yield from read_minutes(connection, codes, instants[0], instants[-1])


def _nothing(size: int) -> Values:
    def blank() -> NDArray[np.float64]:
        return np.full(size, np.nan)

    return Values(blank(), blank(), np.zeros(size), blank(), np.full(size, NO_DEVICES, np.int8), np.ones(size))
