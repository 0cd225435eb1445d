"""Vital signs of the past, as known now or as known then."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from api import cursors, parameters
from api.downsampling import chart_points
from api.history_models import History, StepPoint
from api.parameters import Cursor, From, Step, Time, To
from api.problems import invalid_parameter
from api.responses import problems
from api.services import Provided
from api.steps import steps
from api.store import history
from api.times import from_micros, micros, rfc3339

router = APIRouter(tags=["vitals"])

DEFAULT_SPAN = timedelta(days=1)
MOST_THINNED = 50_000
"""steps that are thinned out at most"""

Index = Annotated[
    str,
    Query(
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00]*$",
        description="`composite`, a domain or an indicator",
        examples=["parking.kerb_occupancy"],
    ),
]
Length = Annotated[Step, Query(description="1m, 15m, 1h, 1d or seconds")]
AsOf = Annotated[Time | None, Query(description="only what was computed by then; default: what is known now")]
Points = Annotated[
    int | None,
    Query(ge=3, le=5000, description="thin the whole span out to so many points that keep the shape of the line"),
]
Most = Annotated[int, Query(ge=1, le=10_000, description="points on a page")]


@router.get(
    "/areas/{code}/vitals/history",
    summary="Vital signs of an area over time",
    responses=problems(404, 422, 503),
)
async def area_history(
    services: Provided,
    code: str,
    indicator: Index = "composite",
    start: From = None,
    end: To = None,
    step: Length = timedelta(minutes=1),
    as_of: AsOf = None,
    points: Points = None,
    limit: Most = 2000,
    cursor: Cursor = None,
) -> History:
    """Points in the order of time: the last minute of each step, and mean, least and largest over its minutes. A step
    in which nothing was written has no point. Minutes are kept for a limited time, quarter-hours, hours and days for
    ever: steps of 15m, 1h, 1d and their multiples go back further. With `points` there is one page: those points of the
    line that form the largest triangles with their neighbours, and where values begin to be missing."""
    area = services.area(code)
    now = datetime.now(UTC)
    end = end or min(as_of or now, now)
    start = end - DEFAULT_SPAN if start is None else start
    parameters.ordered(start, end)
    resume = parameters.position(cursor, int)
    after = start if resume is None else max(start, from_micros(int(resume[0])))
    zone = services.city.timezone
    span = history.Span(area.code, indicator, after, end, step, as_of, zone.key)
    wanted = MOST_THINNED if points else limit
    found = list(steps(await history.parts(services.database, span, wanted + 1)))
    if not found:
        parameters.index(services.hub.snapshot, "indicator", indicator)
    shown = found[:wanted]
    if points is not None and len(found) > wanted:
        raise invalid_parameter("step", str(step), f"must be longer: the span has more than {wanted} such steps")
    # the next page starts where the first step that is left out begins
    following = cursors.encode([micros(found[wanted]["bucket"])]) if len(found) > wanted else None
    return History(
        area=area.code,
        indicator=indicator,
        step=int(step.total_seconds()),
        from_=rfc3339(start, zone),
        to=rfc3339(end, zone),
        as_of=None if as_of is None else rfc3339(as_of, zone),
        items=[_shape(one, zone) for one in (shown if points is None else _thinned(shown, points))],
        next=following,
        points_of=None if points is None else len(shown),
    )


def _thinned(found: list[dict[str, Any]], points: int) -> list[dict[str, Any]]:
    """By value where there are values, else by score."""
    if not found:
        return found
    name = "value" if any(one["value"] is not None for one in found) else "score"
    y = np.array([np.nan if one[name] is None else one[name] for one in found], np.float64)
    x = np.array([one["bucket"].timestamp() for one in found])
    return [found[place] for place in chart_points(x, y, points).tolist()]


def _shape(one: dict[str, Any], zone: tzinfo) -> StepPoint:
    instants = {
        "at": rfc3339(one["bucket"], zone),
        "observed_at": rfc3339(one["observed_at"], zone),
        "computed_at": rfc3339(one["computed_at"], zone),
    }
    return StepPoint(**{name: value for name, value in one.items() if name != "bucket"} | instants)
