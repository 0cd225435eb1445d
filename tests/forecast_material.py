"""Rolled-up hours as processing stores them, for tests that only need the values."""

from collections.abc import Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from processing.forecast_store import HOUR
from processing.legends import legend_of


def roll_up(
    connection: psycopg.Connection,
    areas: Sequence[str],
    values: NDArray[np.float64],
    first: int,
    index: str = "energy.load",
) -> None:
    """Store hours as processing's roll-up does, value_mean alone being of interest."""
    legend = legend_of(connection, areas)
    nothing, none = [float("nan")] * len(areas), [0] * len(areas)
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.SQL(
                "INSERT INTO vital_hours (index, at, version, state, method_version, computed_at, legend, value_mean,"
                " value_min, value_max, value_last, score_mean, score_min, score_max, score_last, coverage, minutes,"
                " valued, scored, reason) VALUES (%s, to_timestamp(%s), 0, 'final', 'm', now(), %s, {})"
            ).format(sql.SQL(", ").join([sql.Placeholder()] * 13)),
            [
                (index, (first + number * HOUR) / 1e6, legend, row.tolist(), *[nothing] * 7, *[none] * 5)
                for number, row in enumerate(values)
            ],
        )
