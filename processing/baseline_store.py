"""SQL of the baselines: fix those of days that are needed, and read them back as they were fixed."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from itertools import product

import numpy as np
import psycopg
from numpy.typing import NDArray

from devices.units import EPOCH, MICROSECOND
from processing.array_rows import array_cursor
from processing.baselines import HOURS_OF_DAY, WEEKS, of_day
from processing.legends import legend_of, places_of
from processing.rollup_store import read_rollups
from processing.usual import Usual

Floats = NDArray[np.float64]


def prepare(connection: psycopg.Connection, usual: Usual, indices: Iterable[str], first: int, last: int) -> None:
    """Let ``usual`` know some indices on all local days from ``first`` to ``last`` (µs).

    A day that was never fixed is fixed now, if there are hours of the weeks before; it then stays as it is.
    """
    for index, day in product(indices, usual.days(first, last)):
        if usual.knows(index, day):
            continue
        median = _stored(connection, usual.areas, index, day)
        if median is None and _fix(connection, usual, index, day):
            median = _stored(connection, usual.areas, index, day)
        if median is not None:
            usual.add(index, day, median)


def _stored(connection: psycopg.Connection, areas: Sequence[str], index: str, day: date) -> Floats | None:
    with array_cursor(connection) as cursor:
        cursor.execute("SELECT legend, median FROM baselines WHERE index = %s AND day = %s", [index, day])
        row = cursor.fetchone()
    if row is None:
        return None
    legend, median = row
    by_hour: Floats = median.reshape(HOURS_OF_DAY, -1)
    places = places_of(connection, areas)
    if legend not in places:
        return by_hour
    moved = np.full((HOURS_OF_DAY, len(areas)), np.nan)
    there = places[legend] >= 0
    moved[:, places[legend][there]] = by_hour[:, there]
    return moved


def _fix(connection: psycopg.Connection, usual: Usual, index: str, day: date) -> bool:
    """Store the baseline of a day; False if there is nothing to make it of."""
    areas = usual.areas
    hours = np.full((WEEKS, HOURS_OF_DAY, len(areas)), np.nan)
    for back in range(1, WEEKS + 1):
        start, end = (_midnight(usual, day - timedelta(weeks=back) + timedelta(days=n)) for n in (0, 1))
        for at, rollups in read_rollups(connection, areas, "hour", start, end, [index]):
            hours[WEEKS - back, usual.local(at).hour] = rollups[index].figures.value_mean
    median, spread, weeks = of_day(hours)
    if not np.isfinite(median).any():
        return False
    with connection.transaction():
        connection.execute(
            "INSERT INTO baselines (index, day, legend, median, spread, weeks) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [index, day, legend_of(connection, areas), *(x.ravel().tolist() for x in (median, spread, weeks))],
        )
    return True


def _midnight(usual: Usual, day: date) -> int:
    return (datetime.combine(day, time(), usual.zone) - EPOCH) // MICROSECOND
