"""How good forecasts are: made as if it were then, compared with what came and with the naive seasonal forecast. Pure.

    MASE = mean |y − ŷ| over the held-out span / mean |y(i) − y(i − 7 d)| over what came before it
    skill = 1 − mean |y − ŷ| / mean |y − naive| on the same held-out values

MASE is that of Hyndman & Koehler 2006 with the season of a week: below 1 is better than the naive seasonal forecast
(last week's value) was on the past. Forecasts are made at every step (rolling origin) for every horizon; the model
is fitted anew every day, on what was known at that day's first origin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing.baselines import lagged
from processing.forecasts import LEVELS, HistoryError, checked, fit, margins, replay

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """One way of forecasting on one held-out span; NaN where there was nothing to compare."""

    mae: float
    mase: float
    mase_by_step: Floats
    """[H]"""


@dataclass(frozen=True)
class Backtest:
    """Scores of a held-out span; all ways are compared on the same values."""

    model: Score
    weekly: Score
    """naive: the value a week before"""
    daily: Score
    """naive: the value a day before"""
    coverage: tuple[float, ...]
    """share of values inside the interval of each level"""
    width: tuple[float, ...]
    """mean width of the interval of each level, in the series' unit"""
    compared: int
    """values times horizons"""
    scale: float
    """what errors are divided by: the weekly naive's mean absolute error before the span"""

    @property
    def skill(self) -> float:
        """Above 0: better than last week's value on the held-out span itself."""
        return 1 - self.model.mae / self.weekly.mae if self.weekly.mae > 0 else float("nan")


def backtest(
    values: Floats, day: int, horizon: int, holdout: int, bounds: tuple[float, float] | None = None
) -> Backtest:
    """Hold out the last ``holdout`` steps of an equidistant series, NaN = missing.

    Raises HistoryError when what is before them is too short, ValueError for a wrong argument.
    """
    values = checked(values, day, horizon)
    first = len(values) - holdout
    if not 1 <= holdout < len(values):
        raise ValueError(f"holdout is {holdout} steps, must be at least 1 and less than the series' {len(values)}")
    made, low, high = _roll(values, day, horizon, first, bounds)
    actual = np.broadcast_to(values[first:], made.shape)
    naive = [np.broadcast_to(lagged(values, lag)[first:], made.shape) for lag in (7 * day, day)]
    there = np.isfinite(actual) & np.isfinite(made)
    both = there & np.isfinite(naive[0]) & np.isfinite(naive[1])
    there = both if both.any() else there
    if not there.any():
        raise HistoryError("the held-out span has no value that a forecast could be compared with")
    scale = _mean(np.abs(values - lagged(values, 7 * day))[:first])
    model, weekly, daily = (_score(actual, way, there, scale) for way in (made, *naive))
    inside = [float(((actual >= lo) & (actual <= hi))[there].mean()) for lo, hi in zip(low, high, strict=True)]
    width = [float((hi - lo)[there].mean()) for lo, hi in zip(low, high, strict=True)]
    return Backtest(model, weekly, daily, tuple(inside), tuple(width), int(there.sum()), scale)


def _roll(
    values: Floats, day: int, horizon: int, first: int, bounds: tuple[float, float] | None
) -> tuple[Floats, Floats, Floats]:
    """Points [H, n] and interval ends [levels, H, n] from ``first`` on."""
    count = len(values) - first
    made = np.full((horizon, count), np.nan)
    low, high = (np.full((len(LEVELS), horizon, count), np.nan) for _ in range(2))
    for start in range(0, count, day):
        stop = min(count, start + day)
        # the first value of this day is forecast up to ``horizon`` steps ahead: nothing newer may be learnt from
        model = fit(values[: first + start + 1 - horizon], day, horizon, bounds)
        points = replay(model, values[: first + stop], first + start)
        reach = margins(model, first + start, stop - start)
        made[:, start:stop] = points
        for place in range(len(LEVELS)):
            ends = (points + reach[:, place, side] for side in (0, 1))
            low[place, :, start:stop], high[place, :, start:stop] = (
                np.clip(end, model.lowest, model.highest) for end in ends
            )
    return made, low, high


def _score(actual: Floats, made: Floats, there: NDArray[np.bool_], scale: float) -> Score:
    error = np.where(there & np.isfinite(made), np.abs(actual - made), np.nan)
    mae = _mean(error)
    steps = np.array([_mean(row) for row in error])
    if not scale > 0:
        return Score(mae, float("nan"), np.full(len(steps), np.nan))
    return Score(mae, mae / scale, steps / scale)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
