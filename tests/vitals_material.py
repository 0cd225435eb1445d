"""Vital signs of the past for tests that only read them: single values of an area, past the pipeline."""

from datetime import datetime

import numpy as np
import psycopg

from devices.units import EPOCH, MICROSECOND
from processing.legends import legend_of
from processing.minutes import Said, Version
from processing.store import store_version


def say(
    connection: psycopg.Connection,
    area: str,
    index: str,
    at: datetime,
    score: float,
    *,
    revision: int = 0,
    computed_at: datetime | None = None,
    state: str = "final",
) -> None:
    """Store one value (a hundredth of the score); ``state`` is provisional or final."""
    with connection.transaction():
        legend = legend_of(connection, (area,))
        said = Said(
            value=np.array([score / 100]),
            score=np.array([float(score)]),
            base=np.array([1.0]),
            coverage=np.array([1.0], np.float32),
            freshness=np.array([2.0], np.float32),
            reason=np.zeros(1, np.int16),
        )
        row = connection.execute(
            "SELECT count(*) FROM vital_minutes WHERE index = %s AND at = %s", [index, at]
        ).fetchone()
        version = row[0] if row else 0
        stored = Version(version, state, "test-1", said, None, np.array([revision], np.int16))  # type: ignore[arg-type]
        store_version(connection, index, micros(at), micros(computed_at or at), legend, stored)


def micros(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND
