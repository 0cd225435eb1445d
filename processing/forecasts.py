"""The next hours of a series from its own past, with intervals. Pure.

A forecast of y at u = t + h, made at t, is what is usual at u and as much of what is unusual now as used to last:

    ŷ(u) = b(u) + Σ βₖ(h) · xₖ          d = y − b

    x₁ newest deviation d(t)            x₂, x₃ mean deviation of the last 3 h and 24 h
    x₄ y(u − 1 d) − b(u)                x₅ d(u − 1 d)                x₆ y(u − 7 d) − b(u)

once with the running baseline of the hour of the week as b (``baselines``), once with yesterday, b(u) = y(u − 1 d):
the week knows weekends, yesterday knows that these are holidays. The two are averaged with weights 1 / e⁴, e = mean
absolute error of each at this horizon over the last day.

β(h) is fitted for each horizon on the last eight weeks: least squares with Huber's weights (Huber 1964, k = 1.345), so
that wild values count little, and a ridge, so that a short past leaves β near 0, that is at b. Intervals are quantiles
of the same forecasts' errors in those weeks, relative to how large errors are at that time of the day (split-conformal,
Lei et al. 2018, with signed errors).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing.baselines import MAD_TO_SIGMA, lagged, running

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]

LEVELS = (0.8, 0.95)
FIT_WEEKS = 8
SHORTEST_DAYS = 3
FEWEST_VALUES = 48
"""values of the series, baselines to compare them with, and errors behind an interval: fewer say too little"""
_HUBER = 1.345
_RIDGE = 5.0
_ROUNDS = 4
_FEATURES = 6
_SHARPNESS = 4
"""power of the recent error that the two forecasts are weighed by"""
_TINY = 1e-9
_SMALLEST = float(np.finfo(np.float64).tiny)


class HistoryError(ValueError):
    """The series cannot be forecast; the message says what is missing."""


@dataclass(frozen=True)
class Model:
    """What was learnt from a series, for horizons of 1 to H steps."""

    day: int
    """steps a day"""
    weights: Floats
    """[2, H, 6]: β, of the week's and of yesterday's forecast"""
    quantiles: Floats
    """[H, levels, 2]: lower and upper quantile of error / scale"""
    scale: Floats
    """[day]: how large errors are at each time of the day, counted from the first value of the series"""
    lowest: float
    """bounds that no value passes; -inf and inf where there are none"""
    highest: float
    rows: int
    """values it was fitted on"""


@dataclass(frozen=True)
class Forecast:
    """Points and intervals for steps 1 to H after the last value; low ≤ point ≤ high."""

    point: Floats
    low: Floats
    """[levels, H]"""
    high: Floats
    baseline: Floats
    """what is usual then"""


def fit(values: Floats, day: int, horizon: int, bounds: tuple[float, float] | None = None) -> Model:
    """Learn from an equidistant series, NaN = missing; ``day``: steps a day; ``horizon``: steps ahead, up to a day.

    ``bounds``: what values can be; unless given, not below 0 if the series never is. Raises HistoryError.
    """
    values = checked(values, day, horizon)
    pasts = _pasts(values, day)
    known = np.isfinite(pasts[0].deviation)
    _require(values, known, day)
    start = max(0, len(values) - FIT_WEEKS * 7 * day)
    weights = np.array([[past.learn(start, ahead + 1) for ahead in range(horizon)] for past in pasts])
    errors = (values[start:] - _made(pasts, weights, start))[:, known[start:]]
    time = np.flatnonzero(known[start:]) + start
    scale = _scale(errors, time % day, day)
    low, high = bounds or (0.0 if np.nanmin(values) >= 0 else -np.inf, np.inf)
    return Model(day, weights, _quantiles(errors / scale[time % day]), scale, low, high, len(time))


def predict(model: Model, values: Floats) -> Forecast:
    """The steps after the last of ``values``, which begin at the same time of the day as those of the fit.

    Raises HistoryError where nothing at all is known of a step.
    """
    horizon, levels = model.quantiles.shape[:2]
    padded = np.concatenate([np.where(np.isfinite(values), values, np.nan), np.full(horizon, np.nan)])
    pasts = _pasts(padded, model.day)
    # of step n only the forecast n steps ahead is made of what is known
    point = np.diagonal(_made(pasts, model.weights, len(values)))
    if not np.isfinite(point).all():
        raise HistoryError("history has no value at these times of the day in the last 8 weeks, nor yesterday")
    reach = np.diagonal(margins(model, len(values), horizon), axis1=0, axis2=3)
    low, high = (point + reach[:levels, side] for side in (0, 1))
    point, low, high = (np.clip(x, model.lowest, model.highest) for x in (point, low, high))
    return Forecast(point, low, high, pasts[0].baseline[len(values) :])


def replay(model: Model, values: Floats, first: int) -> Floats:
    """Forecasts of every value from ``first`` on at every horizon, each from what lies that far back: [H, n]."""
    pasts = _pasts(np.where(np.isfinite(values), values, np.nan), model.day)
    made: Floats = np.clip(_made(pasts, model.weights, first), model.lowest, model.highest)
    return made


def margins(model: Model, first: int, count: int) -> Floats:
    """How far intervals reach from the point at steps ``first`` to ``first + count − 1``: [H, levels, 2, count]."""
    reach: Floats = model.quantiles[..., None] * model.scale[(first + np.arange(count)) % model.day]
    return reach


def checked(values: Floats, day: int, horizon: int) -> Floats:
    """The series as finite values and NaN; raises ValueError where an argument is out of bounds."""
    if values.ndim != 1:
        raise ValueError(f"values has {values.ndim} dimensions, must have one")
    if day < 1 or not 1 <= horizon <= day:
        raise ValueError(f"horizon is {horizon} of {day} steps a day, must be from 1 to a day")
    return np.where(np.isfinite(values), values, np.nan)


class _Past:
    """A series beside what is usual in it, with what is derived from both once for all horizons."""

    def __init__(self, values: Floats, day: int, baseline: Floats) -> None:
        self.values = values
        self.day = day
        self.baseline = baseline
        self.deviation: Floats = values - baseline
        short = max(1, day // 8)
        self._newest = _held(self.deviation, short)
        self._means = [_trailing(self.deviation, length) for length in (short, day)]

    def features(self, targets: Steps, ahead: int) -> Floats:
        """x₁ … x₆ for each target step, as known ``ahead`` steps before it; what is missing counts as usual: [n, 6]."""
        origin, day, usual = targets - ahead, targets - self.day, self.baseline[targets]
        columns = [
            _at(self._newest, origin),
            *(_at(mean, origin) for mean in self._means),
            _at(self.values, day) - usual,
            _at(self.deviation, day),
            _at(self.values, targets - 7 * self.day) - usual,
        ]
        found: Floats = np.nan_to_num(np.stack(columns, axis=1), nan=0.0, posinf=0.0, neginf=0.0)
        return found

    def learn(self, start: int, ahead: int) -> Floats:
        """β for a horizon from the steps since ``start``; 0 where there are too few."""
        rows = start + np.flatnonzero(np.isfinite(self.deviation[start:]))
        if len(rows) < FEWEST_VALUES // 2:
            return np.zeros(_FEATURES)
        return _regress(self.features(rows, ahead), self.deviation[rows])

    def points(self, targets: Steps, ahead: int, weights: Floats) -> Floats:
        """Forecasts of the target steps; NaN where nothing is usual."""
        points: Floats = self.baseline[targets] + self.features(targets, ahead) @ weights
        return points


def _pasts(values: Floats, day: int) -> tuple[_Past, _Past]:
    return _Past(values, day, running(values, day).median), _Past(values, day, lagged(values, day))


def _made(pasts: tuple[_Past, _Past], weights: Floats, first: int) -> Floats:
    """Both forecasts of every step from ``first`` on, as one: [H, n]; ``weights``: [2, H, 6]."""
    values, day = pasts[0].values, pasts[0].day
    made = np.empty((weights.shape[1], len(values) - first))
    for step in range(len(made)):
        begin = max(0, first - day - step - 1)
        targets = np.arange(begin, len(values))
        points = np.array([past.points(targets, step + 1, own[step]) for past, own in zip(pasts, weights, strict=True)])
        error = np.array([lagged(_trailing(np.abs(values[targets] - own), day), step + 1) for own in points])
        made[step] = _joined(points, error)[first - begin :]
    return made


def _joined(points: Floats, error: Floats) -> Floats:
    """Mean of forecasts weighted by 1 / error⁴, evenly where errors are not known; both [2, n]."""
    unknown = ~np.isfinite(error).all(axis=0)
    relative = error / np.maximum(np.max(np.where(unknown, 1.0, error), axis=0), _SMALLEST)
    weight = np.where(unknown, 1.0, 1 / np.maximum(relative, 1e-3) ** _SHARPNESS)
    weight = np.where(np.isfinite(points), weight, 0.0)
    total = weight.sum(axis=0)
    joined = (weight * np.nan_to_num(points)).sum(axis=0)
    result: Floats = np.divide(joined, total, out=np.full(len(total), np.nan), where=total > 0)
    return result


def _require(values: Floats, known: NDArray[np.bool_], day: int) -> None:
    there = np.flatnonzero(np.isfinite(values))
    days = (there[-1] - there[0] + 1) / day if len(there) else 0.0
    if days < SHORTEST_DAYS:
        raise HistoryError(f"history spans {days:.1f} days, must be at least {SHORTEST_DAYS}")
    if len(there) < FEWEST_VALUES or known.sum() < FEWEST_VALUES // 2:
        raise HistoryError(
            f"history has {len(there)} values, {known.sum()} of them with one at the same time before; must have at "
            f"least {FEWEST_VALUES} and {FEWEST_VALUES // 2}"
        )


def _at(series: Floats, index: Steps) -> Floats:
    found: Floats = np.where(index >= 0, series[np.maximum(index, 0)], np.nan)
    return found


def _held(series: Floats, steps: int) -> Floats:
    """The newest known value at each step, if it is at most ``steps`` old."""
    index = np.where(np.isfinite(series), np.arange(len(series)), -1)
    newest = np.maximum.accumulate(index)
    fresh = (newest >= 0) & (np.arange(len(series)) - newest <= steps)
    held: Floats = np.where(fresh, series[np.maximum(newest, 0)], np.nan)
    return held


def _trailing(series: Floats, steps: int) -> Floats:
    """Mean of the known values of the last ``steps`` steps."""
    known = np.isfinite(series)
    total, count = (np.cumsum(x) for x in (np.where(known, series, 0.0), known.astype(np.float64)))
    before = [np.nan_to_num(lagged(x, steps)) for x in (total, count)]
    number = count - before[1]
    mean: Floats = np.divide(total - before[0], number, out=np.full(len(series), np.nan), where=number > 0)
    return mean


def _regress(features: Floats, target: Floats) -> Floats:
    """Ridge regression with Huber's weights, without an intercept; features are brought to one size first."""
    largest = np.abs(target).max()
    spread: Floats = np.linalg.norm(features, axis=0) / np.sqrt(len(features))
    size = np.where(spread > _TINY * largest, spread, np.inf)
    scaled, weight = features / size, np.ones(len(target))
    ridge = _RIDGE * np.eye(features.shape[1])
    beta: Floats = np.zeros(features.shape[1])
    for _ in range(_ROUNDS):
        weighted = scaled * weight[:, None]
        beta[:] = np.linalg.solve(weighted.T @ scaled + ridge, weighted.T @ target)
        error = np.abs(target - scaled @ beta)
        bound = _HUBER * MAD_TO_SIGMA * np.median(error) + _TINY * largest + _SMALLEST
        weight = np.minimum(1.0, bound / np.maximum(error, bound))
    result: Floats = beta / size
    return result


def _scale(errors: Floats, time: Steps, day: int) -> Floats:
    """Size of the errors by time of the day, [day]: mean over the time with its neighbours, half way to the overall."""
    sizes: Floats = np.abs(errors).mean(axis=0)
    reach = max(1, day // 24)
    around = [np.roll(np.arange(day), shift) for shift in range(-reach, reach + 1)]
    total = np.bincount(time, sizes, day)[around].sum(axis=0)
    count = np.bincount(time, minlength=day)[around].sum(axis=0)
    overall = float(sizes.mean())
    local = np.divide(total, count, out=np.full(day, overall), where=count > 0)
    scale: Floats = np.maximum((local + overall) / 2, _SMALLEST)
    return scale


def _quantiles(relative: Floats) -> Floats:
    """Lower and upper quantile of the relative errors for each level, never on the far side of 0: [H, levels, 2]."""
    count = relative.shape[1]
    result = np.empty((len(relative), len(LEVELS), 2))
    for place, level in enumerate(LEVELS):
        upper = min(1.0, (1 + level) / 2 * (count + 1) / count)
        result[:, place, 0] = np.minimum(np.quantile(relative, 1 - upper, axis=1), 0)
        result[:, place, 1] = np.maximum(np.quantile(relative, upper, axis=1), 0)
    return result
