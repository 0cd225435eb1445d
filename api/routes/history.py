"""Vital signs of the past, as known now or as known then."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated

from fastapi import APIRouter, Query
from psycopg.rows import DictRow

from api import cursors, models, parameters
from api.parameters import Cursor, From, Step, Time, To
from api.problems import invalid_parameter
from api.responses import problems
from api.services import Provided, Services
from api.store import history
from api.times import from_micros, micros, rfc3339

router = APIRouter(tags=["vitals"])

DEFAULT_SPAN = timedelta(days=1)


@router.get(
    "/areas/{code}/vitals/history",
    summary="Vital signs of an area over time",
    responses=problems(404, 422, 503),
)
async def area_history(
    services: Provided,
    code: str,
    indicator: Annotated[
        str,
        Query(
            min_length=1,
            max_length=128,
            pattern=r"^[^\x00]*$",
            description="`composite`, a domain or an indicator",
            examples=["parking.kerb_occupancy"],
        ),
    ] = "composite",
    start: From = None,
    end: To = None,
    step: Annotated[Step, Query(description="1m, 15m, 1h, 1d or seconds; the last minute of each step")] = timedelta(
        minutes=1
    ),
    as_of: Annotated[
        Time | None, Query(description="only what was computed by then; default: what is known now")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="points on a page")] = 2000,
    cursor: Cursor = None,
) -> models.History:
    """Points in the order of time. A step in which nothing was written has no point."""
    area = services.area(code)
    end = end or as_of or datetime.now(UTC)
    start = end - DEFAULT_SPAN if start is None else start
    parameters.ordered(start, end)
    resume = parameters.position(cursor, int)
    after = start if resume is None else max(start, from_micros(int(resume[0])))
    zone = services.city.timezone
    span = history.Span(area.code, indicator, after, end, step, as_of, zone.key)
    rows = await history.points(services.database, span, limit + 1)
    if not rows:
        _check_index(services, indicator)
    # the next page starts where the first step that is left out begins
    shown = rows[:limit]
    following = cursors.encode([micros(rows[limit]["bucket"])]) if len(rows) > limit else None
    return models.History(
        area=area.code,
        indicator=indicator,
        step=int(step.total_seconds()),
        from_=rfc3339(start, zone),
        to=rfc3339(end, zone),
        as_of=None if as_of is None else rfc3339(as_of, zone),
        items=[_shape(row, zone) for row in shown],
        next=following,
    )


def _check_index(services: Services, indicator: str) -> None:
    """An index that nothing knows of is an error of the caller, not an empty history."""
    known = services.hub.snapshot.indices()
    if len(known) > 1 and indicator not in known:
        raise invalid_parameter("indicator", indicator, f"must be one of {', '.join(sorted(known))}")


def _shape(row: DictRow, zone: tzinfo) -> models.HistoryPoint:
    same = ("value", "score", "coverage", "freshness", "state", "revision", "reason", "method_version")
    return models.HistoryPoint(
        at=rfc3339(row["bucket"], zone),
        observed_at=rfc3339(row["at"], zone),
        computed_at=rfc3339(row["computed_at"], zone),
        **{name: row[name] for name in same},
    )
