"""The next hours of an index, with intervals, and how good such forecasts were."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from psycopg.rows import DictRow
from pydantic import BeforeValidator, WithJsonSchema

from api import forecast_models as models
from api.parameters import INDICES, Time
from api.problems import invalid_parameter
from api.responses import problems
from api.services import Provided, Services
from api.store import forecasts
from api.times import parse_step, rfc3339
from devices.units import EPOCH
from processing.forecast_store import HISTORY
from processing.forecaster import STEPS, bounds_of, learnt
from processing.forecasts import FIT_WEEKS, HistoryError, predict
from processing.method import Indicator
from processing.policy import SHIPPED

router = APIRouter(tags=["vitals"])

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAME = "hour-of-week"
_ROWS = {row.id: row for row in SHIPPED.indicators}


def _horizon(value: object) -> timedelta:
    try:
        horizon = parse_step(value)
    except ValueError:
        horizon = timedelta(0)
    if horizon % HOUR or not HOUR <= horizon <= STEPS * HOUR:
        raise ValueError(f"must be 1h to {STEPS}h in full hours")
    return horizon


Horizon = Annotated[
    timedelta,
    BeforeValidator(_horizon),
    WithJsonSchema({"type": "string", "examples": ["6h"]}),
    Query(description="1h to 6h"),
]


@router.get(
    "/areas/{code}/vitals/forecast",
    summary="The next hours of an index, with intervals",
    responses=problems(404, 422, 503),
)
async def area_forecast(
    services: Provided,
    code: str,
    indicator: Annotated[
        str, Query(max_length=128, description="`composite`, a domain or an indicator", examples=["energy.load"])
    ] = "composite",
    horizon: Horizon = STEPS * HOUR,
    at: Annotated[Time | None, Query(description="what was, or could be, foretold then; default: now")] = None,
) -> models.Forecast:
    """The forecast made at the end of the newest hour; where none was made then, it is made from the hours before."""
    area = services.area(code).code
    if indicator not in INDICES:
        raise invalid_parameter("indicator", indicator, f"must be one of {', '.join(INDICES)}")
    asked, row = at or datetime.now(UTC), _ROWS.get(indicator)
    shown = models.Forecast(
        area=area,
        indicator=indicator,
        at=None,
        step=3600,
        unit=row.unit if row else None,
        reason="no_history",
        detail=f"no hour of {indicator} is rolled up yet",
        model=None,
        items=[],
        scores=None,
    )
    origin = await forecasts.newest(services.database, indicator, asked)
    if origin is None:
        return shown
    zone = services.city.timezone
    shown.at, shown.reason, shown.detail = rfc3339(origin, zone), None, None
    try:
        steps = await _steps(services, area, indicator, row, origin)
    except HistoryError as error:
        shown.reason, shown.detail = "too_little_history", str(error)
    else:
        trained = int(steps[0]["trained_on"])
        since = rfc3339(origin - FIT_WEEKS * 7 * DAY, zone)
        shown.model = models.ForecastModel(name=NAME, trained_on=trained, since=since)
        shown.items = [_point(services, origin, step) for step in steps[: horizon // HOUR]]
    shown.scores = _scores(services, await forecasts.scores(services.database, area, indicator, asked))
    return shown


async def _steps(
    services: Services, area: str, indicator: str, row: Indicator | None, origin: datetime
) -> Sequence[DictRow]:
    """What was foretold at ``origin``, or would have been. Raises HistoryError."""
    found = await forecasts.stored(services.database, area, indicator, origin)
    if found:
        return found
    first = EPOCH + (origin - HISTORY * HOUR - EPOCH) // DAY * DAY
    column = "value_mean" if row else "score_mean"
    hours = await forecasts.hours(services.database, area, indicator, column, first, origin)
    series = np.full((origin - first) // HOUR, np.nan)
    for hour in hours:
        if hour["value"] is not None:
            series[(hour["at"] - first) // HOUR] = hour["value"]
    if not np.isfinite(series[-24:]).any():
        raise HistoryError("history has no value in the last day")
    return await asyncio.to_thread(_made, series, bounds_of(row))


def _made(series: NDArray[np.float64], bounds: tuple[float, float] | None) -> list[DictRow]:
    model = learnt(series, bounds)
    made = predict(model, series)
    return [
        {
            "step": number + 1,
            "value": made.point[number],
            **{f"low{level}": made.low[place, number] for place, level in enumerate((80, 95))},
            **{f"high{level}": made.high[place, number] for place, level in enumerate((80, 95))},
            "baseline": None if np.isnan(made.baseline[number]) else made.baseline[number],
            "trained_on": model.rows,
        }
        for number in range(STEPS)
    ]


def _point(services: Services, origin: datetime, step: DictRow) -> models.ForecastPoint:
    zone = services.city.timezone
    value = float(step["value"])
    return models.ForecastPoint(
        from_=rfc3339(origin + (step["step"] - 1) * HOUR, zone),
        to=rfc3339(origin + step["step"] * HOUR, zone),
        value=value,
        # ends are kept in single precision: rounding must not put the point outside
        low80=min(value, float(step["low80"])),
        high80=max(value, float(step["high80"])),
        low95=min(value, float(step["low95"])),
        high95=max(value, float(step["high95"])),
        baseline=None if step["baseline"] is None else float(step["baseline"]),
    )


def _scores(services: Services, sums: DictRow | None) -> models.ForecastScores | None:
    if sums is None:
        return None
    scale, naive, compared = sums["scale"] or 0.0, sums["naive"] or 0.0, sums["compared"]
    return models.ForecastScores(
        from_=rfc3339(sums["at"], services.city.timezone),
        compared=compared,
        mase=sums["error"] / scale if scale > 0 else None,
        naive_mase=naive / scale if scale > 0 else None,
        skill=1 - sums["error"] / naive if naive > 0 else None,
        coverage80=sums["inside80"] / compared,
        coverage95=sums["inside95"] / compared,
    )
