"""SQL of forecasts: the hours they are made from, the forecasts themselves, and what came in their place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from processing.array_rows import Field, array_cursor, copy_in
from processing.baselines import WEEKS, lagged
from processing.legends import legend_of, places_of

Floats = NDArray[np.float64]
Counts = NDArray[np.int16]

HOUR = 3_600_000_000
DAY = 24
"""hours"""
HISTORY = (2 * WEEKS + 1) * 7 * DAY
"""hours that a forecast looks back on: eight weeks to learn from, and the eight before that their baselines need"""
ENDS = ("low80", "high80", "low95", "high95")
_TYPES = {
    "index": "text",
    "at": "timestamptz",
    "step": "int2",
    "legend": "int2",
    **dict.fromkeys(("point", *ENDS, "baseline", "trained_on"), "array"),
}
_SCORE_TYPES = {
    "index": "text",
    "at": "timestamptz",
    "legend": "int2",
    **dict.fromkeys(("compared", "error", "naive", "scale", "inside80", "inside95"), "array"),
}
_HOURS = """
SELECT DISTINCT ON (at) (extract(epoch FROM at) * 1000000)::bigint, legend, {column} FROM vital_hours
 WHERE index = %(index)s AND at >= timestamptz 'epoch' + %(first)s * interval '1 microsecond'
   AND at < timestamptz 'epoch' + %(end)s * interval '1 microsecond'
 ORDER BY at, version DESC
"""
_FORECASTS = """
SELECT legend, point, low80, high80, low95, high95, baseline, trained_on FROM forecasts
 WHERE index = %(index)s AND at <= {hour} AND at > {hour} - interval '1 day'
   AND at + (step - 1) * interval '1 hour' = {hour}
"""


@dataclass(frozen=True)
class Step:
    """What is foretold of one hour, in all areas; NaN = nothing."""

    point: Floats
    ends: Floats
    """[4, areas], in the order of ENDS"""
    baseline: Floats
    trained_on: Counts
    """hours the model was fitted on, 0 = there is none"""


@dataclass(frozen=True)
class Scores:
    """What came in an hour against all forecasts of it, in all areas: sums over the forecasts."""

    compared: Counts
    error: Floats
    naive: Floats
    scale: Floats
    """mean absolute error of last week's value over the eight weeks before; NaN = unknown"""
    inside80: Counts
    inside95: Counts


def newest_hour(connection: psycopg.Connection) -> int | None:
    """The end (µs since 1970) of the newest hour that is rolled up."""
    row = connection.execute(
        "SELECT (extract(epoch FROM max(at)) * 1000000)::bigint FROM vital_hours WHERE at > now() - interval '2 days'"
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0]) + HOUR


def read_hours(connection: psycopg.Connection, areas: Sequence[str], index: str, column: str, end: int) -> Floats:
    """The hours of an index up to before ``end`` (µs), NaN = none: [n, areas], at least HISTORY of them, from a
    midnight (UTC) on, so that the n-th is always at the same time of the day. ``column``: value_mean or score_mean.
    """
    first = (end - HISTORY * HOUR) // (DAY * HOUR) * (DAY * HOUR)
    hours = np.full(((end - first) // HOUR, len(areas)), np.nan)
    places = places_of(connection, areas)
    if column not in ("value_mean", "score_mean"):
        raise ValueError(f"column is {column!r}, must be value_mean or score_mean")
    with array_cursor(connection) as cursor:
        query = sql.SQL(_HOURS).format(column=sql.Identifier(column))
        cursor.execute(query, {"index": index, "first": first, "end": end})
        for at, legend, values in cursor:
            hours[(at - first) // HOUR] = _moved(values, places.get(legend), len(areas))
    return hours


def write_forecasts(
    connection: psycopg.Connection, areas: Sequence[str], index: str, at: int, steps: Sequence[Step]
) -> None:
    """Store what is foretold at ``at`` (µs); what was foretold then already stays."""
    with connection.transaction():
        known = connection.execute(
            "SELECT FROM forecasts WHERE index = %s"
            " AND at = timestamptz 'epoch' + %s * interval '1 microsecond' LIMIT 1",
            [index, at],
        ).fetchone()
        if known is not None:
            return
        legend = legend_of(connection, areas)
        rows: list[Sequence[Field]] = [
            (
                *(index, at, number, legend, step.point),
                *(x.astype(np.float32) for x in (*step.ends, step.baseline)),
                step.trained_on,
            )
            for number, step in enumerate(steps, start=1)
        ]
        copy_in(connection, "forecasts", _TYPES, rows)


def read_forecasts_of(connection: psycopg.Connection, areas: Sequence[str], index: str, hour: int) -> list[Step]:
    """Every forecast of the hour that begins at ``hour`` (µs)."""
    places = places_of(connection, areas)
    steps = []
    with array_cursor(connection) as cursor:
        instant = sql.SQL("(timestamptz 'epoch' + {} * interval '1 microsecond')").format(hour)
        cursor.execute(sql.SQL(_FORECASTS).format(hour=instant), {"index": index})
        for legend, *columns in cursor:
            point, *ends, baseline, trained = (_moved(x, places.get(legend), len(areas)) for x in columns)
            steps.append(Step(point, np.array(ends), baseline, np.nan_to_num(trained).astype(np.int16)))
    return steps


def compare(steps: Iterable[Step], hours: Floats) -> Scores:
    """Score the forecasts of the last of ``hours`` ([n, areas]). Pure."""
    actual, naive = hours[-1], np.abs(hours[-1] - hours[-1 - 7 * DAY])
    season = np.abs(hours[:-1] - np.stack([lagged(series, 7 * DAY) for series in hours[:-1].T], axis=1))
    season = season[-WEEKS * 7 * DAY :]
    known = np.isfinite(season)
    count = known.sum(axis=0)
    scale = np.divide(
        np.where(known, season, 0.0).sum(axis=0), count, out=np.full(len(actual), np.nan), where=count > 0
    )
    compared, inside80, inside95 = (np.zeros(len(actual), np.int16) for _ in range(3))
    error, missed = np.zeros(len(actual)), np.zeros(len(actual))
    for step in steps:
        there = np.isfinite(actual) & np.isfinite(step.point) & np.isfinite(naive)
        compared += there
        error += np.where(there, np.abs(actual - step.point), 0.0)
        missed += np.where(there, naive, 0.0)
        slack = 1e-6 * np.maximum(1.0, np.abs(step.point))  # the ends are kept in single precision
        for inside, low, high in ((inside80, *step.ends[:2]), (inside95, *step.ends[2:])):
            inside += there & (actual >= low - slack) & (actual <= high + slack)
    return Scores(compared, error, missed, scale, inside80, inside95)


def write_scores(connection: psycopg.Connection, areas: Sequence[str], index: str, hour: int, scores: Scores) -> None:
    """Store the scores of the hour that begins at ``hour`` (µs); scored once, it stays."""
    with connection.transaction():
        known = connection.execute(
            "SELECT FROM forecast_scores WHERE index = %s"
            " AND at = timestamptz 'epoch' + %s * interval '1 microsecond' LIMIT 1",
            [index, hour],
        ).fetchone()
        if known is None and scores.compared.any():
            row = (scores.compared, scores.error, scores.naive, scores.scale, scores.inside80, scores.inside95)
            copy_in(connection, "forecast_scores", _SCORE_TYPES, [(index, hour, legend_of(connection, areas), *row)])


def forget(connection: psycopg.Connection, before: int) -> None:
    """Drop forecasts made before an instant (µs); their scores stay."""
    connection.execute("SELECT drop_chunks('forecasts', timestamptz 'epoch' + %s * interval '1 microsecond')", [before])


def _moved(values: NDArray[np.generic], places: Counts | None, size: int) -> Floats:
    if places is None:
        return values.astype(np.float64)
    moved = np.full(size, np.nan)
    there = places >= 0
    moved[places[there]] = values[there]
    return moved
