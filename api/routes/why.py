"""Why an index is what it is: parts that add up to it, what changed it, the devices and the rows behind it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from api import picture, pulling
from api import why_models as models
from api.parameters import INDICES, Time
from api.picture import Known
from api.policy_models import Difference
from api.problems import invalid_parameter, not_found
from api.responses import json_response, problems
from api.services import Provided, Services
from api.store import readings
from api.times import from_micros, micros, rfc3339
from api.wire import reading_shape
from processing.method import Indicator
from processing.policy import SHIPPED, has_window, table_differences
from processing.why import COMPOSITE, Effect, Part, Picture, contributions
from processing.why_since import effects

router = APIRouter(tags=["vitals"])

NEWEST_ROWS = 5
NO_GOALPOSTS = "no_goalposts"
"""why an indicator with a value has no score: it is informative"""
_LATEST_SPAN = timedelta(minutes=10)
_ROWS = {row.id: row for row in SHIPPED.indicators}


@router.get(
    "/areas/{code}/vitals/{index}/why",
    summary="Why an index is what it is, and why it changed",
    response_class=Response,
    responses={200: {"model": models.Why}, **problems(404, 422, 503)},
)
async def why(
    services: Provided,
    code: str,
    index: str,
    at: Annotated[Time | None, Query(description="a moment of the past; default: now")] = None,
    since: Annotated[Time | None, Query(description="explain the change since then as well")] = None,
    as_of: Annotated[Time | None, Query(description="only what was computed by then")] = None,
    devices: Annotated[int, Query(ge=0, le=100, description="how many devices to name")] = 3,
) -> Response:
    """``contributions`` add up to the score: `composite` consists of domains, a domain of indicators, an indicator of
    the areas right below, by their share of what it is related to (devices, spots, kW …). Without a score there is a
    ``reason`` and no contribution.

    Now is the newest tick for composite and domains, and the newest stored minute for indicators and with ``since``.
    """
    area = services.area(code).code
    if index not in INDICES:
        raise not_found("index", index, f"one of {', '.join(INDICES)}")
    now = await _known(services, area, index, at, as_of, since is None)
    change = None
    if since is not None:
        if since >= now.at:
            right = f"must be before what is explained, {rfc3339(now.at, services.city.timezone)}"
            raise invalid_parameter("since", since.isoformat(), right)
        before = await picture.from_minute(services, area, index, since, as_of, "since")
        change = _change(services, before, now, index)
    judged = now.picture.judged(index)
    zone = services.city.timezone
    shown = models.Why(
        area=area,
        index=index,
        at=rfc3339(now.at, zone),
        live=now.live,
        as_of=None if as_of is None else rfc3339(as_of, zone),
        method_version=now.version,
        state=now.state,
        revision=now.revision,
        value=judged.value,
        unit=_ROWS[index].unit if index in _ROWS else None,
        score=judged.score,
        coverage=judged.coverage,
        freshness=judged.freshness,
        reason=judged.reason or (None if judged.score is not None else NO_GOALPOSTS),
        contributions=[_part(part) for part in contributions(now.picture, index)],
        change=change,
        devices=await _devices(services, now, index, devices),
        rows=await _rows(services, now, index),
    )
    return json_response(shown.model_dump(by_alias=True))


async def _known(
    services: Services, area: str, index: str, at: datetime | None, as_of: datetime | None, alone: bool
) -> Known:
    if at is None and as_of is None and alone and "." not in index:
        return await picture.from_tick(services, area)
    return await picture.from_minute(services, area, index, at or as_of or datetime.now(UTC), as_of, "at")


def _part(part: Part) -> models.WhyPart:
    return models.WhyPart(
        id=part.id,
        points=part.points,
        weight=part.weight,
        share=part.share,
        score=part.score,
        value=part.value,
        parts=[_part(inner) for inner in part.parts],
    )


def _change(services: Services, before: Known, now: Known, index: str) -> models.WhyChange:
    old, new = before.picture.judged(index), now.picture.judged(index)
    found = effects(before.picture, now.picture, index)
    delta = None if old.score is None or new.score is None else new.score - old.score
    return models.WhyChange(
        since=rfc3339(before.at, services.city.timezone),
        method_version=before.version,
        score=old.score,
        points=delta,
        reason=old.reason,
        effects=[models.WhyEffect(id=e.id, kind=e.kind, area=e.area, points=e.points) for e in found],
        by_indicator=_summed(found, lambda effect: effect.id),
        by_area=_summed(found, lambda effect: effect.area),
        policy=[
            Difference(path=change.path, old=change.old, new=change.new)
            for change in table_differences(before.tables, now.tables)
        ],
    )


def _summed(found: Iterable[Effect], by: Callable[[Effect], str | None]) -> list[models.WhyShare]:
    groups: dict[str | None, list[float]] = {}
    for effect in found:
        groups.setdefault(by(effect), []).append(effect.points)
    shares = [models.WhyShare(id=name, points=math.fsum(points)) for name, points in groups.items()]
    return sorted(shares, key=lambda share: -abs(share.points))


async def _devices(services: Services, now: Known, index: str, most: int) -> list[models.WhyDevice] | None:
    chosen = _chosen(now, index)
    if not most or not chosen:
        return []
    found = await pulling.strongest(
        services.config.database_url, now.picture, chosen, services.within(now.picture.area), micros(now.at), most
    )
    if found is None:
        return None
    zone = services.city.timezone
    return [
        models.WhyDevice(
            device=one.device.id,
            area=one.device.area,
            indicator=one.indicator.id,
            value=one.pull.value,
            points=one.points,
            observed_at=rfc3339(from_micros(one.pull.observed), zone),
            readings=_href(services, one.indicator, now, {"device": one.device.id}),
        )
        for one in found
    ]


def _chosen(now: Known, index: str) -> dict[Indicator, float]:
    """The indicators to ask devices about, with the points of the index that one of their points brings.

    Of a domain and the composite those of newest readings: windows over a whole city take too long to read here.
    """
    if index in now.picture.terms.goalposts:
        row = _row(now, index)
        return {row: 1.0} if row is not None else {}
    found: dict[Indicator, float] = {}
    for part in contributions(now.picture, index):
        outer = _steepness(now.picture, index, part)
        inner = contributions(now.picture, part.id) if index == COMPOSITE and part.score is not None else []
        for one, factor in [(i, outer * (i.share or 0.0)) for i in inner] or [(part, outer)]:
            row = _row(now, one.id)
            if row is not None and not has_window(row):
                found[row] = factor
    return found


def _steepness(known: Picture, index: str, part: Part) -> float:
    """Points of an index that a point of one of its parts brings: W·C/s of the composite, w of a domain."""
    whole = known.judged(index).score or 0.0
    if index != COMPOSITE:
        return part.share or 0.0
    return (part.share or 0.0) * whole / max(part.score or 0.0, 1.0)


def _row(now: Known, index: str) -> Indicator | None:
    """An indicator as its policy had it; None if this program does not know it any more."""
    row, said = _ROWS.get(index), now.tables["indicators"].get(index, {})
    return None if row is None else replace(row, window=said.get("window", row.window))


async def _rows(services: Services, now: Known, index: str) -> list[models.WhyRows]:
    if index in now.picture.terms.goalposts:
        names = [index]
    else:
        parts = contributions(now.picture, index)
        names = [one.id for part in parts for one in (part.parts or (part,))]
    zone = services.city.timezone
    found = []
    for row in (row for name in names if (row := _row(now, name)) is not None):
        link = _href(services, row, now, {"area": now.picture.area})
        newest = []
        if len(names) == 1:
            start, end = _span(row, now)
            within = services.within(now.picture.area)
            wanted = readings.Wanted(None, within, start, end, None, NEWEST_ROWS)
            stream = services.streams[row.stream]
            newest = [
                reading_shape(one, stream, zone)
                for one in await readings.newest(services.database, stream, wanted, now.at)
            ]
        found.append(models.WhyRows(indicator=row.id, stream=row.stream, href=link, newest=newest))
    return found


def _span(row: Indicator, now: Known) -> tuple[datetime, datetime]:
    """From when to when (exclusive) readings count."""
    back = timedelta(seconds=row.window) if has_window(row) else _LATEST_SPAN
    return now.at - back, now.at + timedelta(microseconds=1)


def _href(services: Services, row: Indicator, now: Known, which: dict[str, str]) -> str:
    start, end = (rfc3339(moment, services.city.timezone) for moment in _span(row, now))
    return f"/v1/readings/{row.stream}?{urlencode({**which, 'from': start, 'to': end})}"
