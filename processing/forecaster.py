"""Forecast every index of every area once an hour, and score what was forecast, in a thread beside the ticks.

Models are fitted once a day of the city's own time, or when there is none yet; with 250 areas and 50 indices a fit
of some 10 ms each. A nap after each piece of work as long as three of them leaves the ticks their core.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.database import connect, in_one_line
from processing.baseline_store import prepare
from processing.forecast_store import (
    DAY,
    ENDS,
    HOUR,
    Step,
    compare,
    forget,
    newest_hour,
    read_forecasts_of,
    read_hours,
    write_forecasts,
    write_scores,
)
from processing.forecasts import HistoryError, Model, fit, predict
from processing.method import Indicator, baselines_of
from processing.usual import Usual

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

STEPS = 6
"""hours ahead"""
KEPT = 35 * DAY * HOUR
"""µs that forecasts are kept; their scores are kept for good"""
SCORE = (0.0, 100.0)
_LOOK_EVERY = 20.0
_NAPS = 3.0


class Forecaster:
    """Makes forecasts when an hour is rolled up; also fixes tomorrow's baselines while there is time."""

    def __init__(
        self, database_url: str, usual: Usual, indicators: Callable[[], Sequence[Indicator]], nap: float = _NAPS
    ) -> None:
        """``indicators``: those in force; ``nap``: seconds of rest for each second of work."""
        self._database_url = database_url
        self._usual = usual
        self._indicators = indicators
        self._nap = nap
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forecasts", daemon=True)
        self._models: dict[tuple[str, int], tuple[date, Model | None]] = {}
        self._done = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the index in hand."""
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect(self._database_url, application="cityvitals forecasts") as connection:
                    connection.autocommit = True
                    while not self._stop.wait(_LOOK_EVERY):
                        self.renew(connection)
            except psycopg.Error as error:
                log.warning("forecasts wait for the database: %s", in_one_line(error))
                self._stop.wait(_LOOK_EVERY)
            except Exception:  # a series that the model fails at must not end the pipeline
                log.exception("forecasts are made again later")
                self._stop.wait(_LOOK_EVERY)

    def renew(self, connection: psycopg.Connection) -> bool:
        """Forecast from the newest hour, if that was not done; whether it was now. Raises psycopg's errors."""
        end = newest_hour(connection)
        if end is None or end <= self._done:
            return False
        indicators = self._indicators()
        prepare(connection, self._usual, baselines_of(indicators), end, end + DAY * HOUR)
        domains = sorted({indicator.domain for indicator in indicators})
        started = time.monotonic()
        for indicator in indicators:
            self._forecast(connection, indicator.id, "value_mean", end, bounds_of(indicator))
        for index in ("composite", *domains):
            self._forecast(connection, index, "score_mean", end, bounds_of(None))
        if self._stop.is_set():
            return False
        forget(connection, end - KEPT)
        self._done = end
        log.info("forecast %d indices in %.0f s", len(indicators) + len(domains) + 1, time.monotonic() - started)
        return True

    def _forecast(
        self, connection: psycopg.Connection, index: str, column: str, end: int, bounds: tuple[float, float] | None
    ) -> None:
        if self._stop.is_set():
            return
        areas = self._usual.areas
        hours = read_hours(connection, areas, index, column, end)
        write_scores(
            connection,
            areas,
            index,
            end - HOUR,
            compare(read_forecasts_of(connection, areas, index, end - HOUR), hours),
        )
        labels = np.flatnonzero(np.isfinite(hours[-DAY:]).any(axis=0)).tolist()
        steps = blank(len(areas))
        for label in labels:
            began = time.perf_counter()
            self._fill(steps, index, label, hours[:, label], end, bounds)
            if self._stop.wait((time.perf_counter() - began) * self._nap):
                return
        if any((step.trained_on > 0).any() for step in steps):
            write_forecasts(connection, areas, index, end, steps)

    def _fill(
        self,
        steps: Sequence[Step],
        index: str,
        label: int,
        series: Floats,
        end: int,
        bounds: tuple[float, float] | None,
    ) -> None:
        """Put what is foretold of one area in its place."""
        today = self._usual.local(end).date()
        fitted, model = self._models.get((index, label), (None, None))
        try:
            if fitted != today or model is None:
                model = learnt(series, bounds)
                self._models[index, label] = today, model
            made = predict(model, series)
        except HistoryError:
            return
        ends = [made.low[0], made.high[0], made.low[1], made.high[1]]
        for number, step in enumerate(steps):
            step.point[label], step.baseline[label] = made.point[number], made.baseline[number]
            step.ends[:, label] = [side[number] for side in ends]
            step.trained_on[label] = model.rows


def bounds_of(indicator: Indicator | None) -> tuple[float, float] | None:
    """Between what its values lie; None = an index, which is a score."""
    if indicator is None:
        return SCORE
    return (0.0, 1.0) if indicator.unit == "1" and not indicator.baseline_of else None


def learnt(series: Floats, bounds: tuple[float, float] | None) -> Model:
    """A model of an area's hours; bounds hold only if the past keeps them. Raises HistoryError."""
    known = series[np.isfinite(series)]
    keeps = bounds is not None and len(known) and bounds[0] <= known.min() and known.max() <= bounds[1]
    return fit(series, DAY, STEPS, bounds if keeps else None)


def blank(areas: int) -> list[Step]:
    """Steps that say nothing yet."""
    return [
        Step(
            np.full(areas, np.nan),
            np.full((len(ENDS), areas), np.nan),
            np.full(areas, np.nan),
            np.zeros(areas, np.int16),
        )
        for _ in range(STEPS)
    ]
