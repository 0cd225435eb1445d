"""Transit by route: how each line does, and the stops and routes that pull an area down."""

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request, Response

from api import cursors, parameters
from api import transit_models as models
from api.parameters import Cursor, From, Limit, Text, Time, To
from api.problems import invalid_parameter, not_found
from api.responses import not_modified, problems
from api.services import Provided, Services
from api.times import from_micros, micros, rfc3339
from api.transit import Reading
from processing.policy import SHIPPED
from processing.route_book import Window
from processing.routes import Measure, RouteTable, measurable
from processing.settling import full_minute

router = APIRouter(tags=["transit"])

HOUR = timedelta(hours=1)
LONGEST = timedelta(days=1)
TRANSIT = "transit"
_UNDER_WAY = 2_000_000
"""µs: what was observed a moment ago may not be committed yet"""
_ORDERS = ("route", TRANSIT, *(row.id for row in measurable(SHIPPED.indicators)))

At = Annotated[
    Time | None,
    Query(description="the indicators' own windows that end here; default: the newest full minute"),
]


@router.get(
    "/routes",
    summary="Routes heard in a span, each with its transit indicators",
    response_class=Response,
    responses={200: {"model": models.Routes}, 304: {"description": "unchanged"}, **problems(422, 503)},
)
async def list_routes(
    request: Request,
    services: Provided,
    area: Annotated[Text, Query(description="only what buses of this area drove; default: the city")] = None,
    at: At = None,
    start: From = None,
    end: To = None,
    by: Annotated[
        str, Query(max_length=64, description="`route`, or what costs the area most: `transit` or an indicator")
    ] = "route",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """By the definitions of the areas' indicators. Without ``from`` and ``to`` each looks at its own window (an hour of
    arrivals, the speed of the last 15 minutes) that ends at ``at``, as the vital signs of that minute do.
    """
    if by not in _ORDERS:
        raise invalid_parameter("by", by, f"must be one of {', '.join(_ORDERS)}")
    position = parameters.position(cursor, int, str)
    window = _window(at, start, end)
    if position is not None and start is None and end is None:
        window = Window(_instant(cursor, int(position[0])))
    code = services.city.code if area is None else area
    within = parameters.codes(services, code) or []
    reading, table = await services.routes.table(window, code, within)
    after = None if position is None else str(position[1])
    body = await asyncio.to_thread(_page, services, code, reading, table, by, after, limit)
    return _answer(request, body)


@router.get(
    "/routes/{route:path}",
    summary="A route, and the stops that pull it down most",
    response_class=Response,
    responses={200: {"model": models.RouteDetail}, 304: {"description": "unchanged"}, **problems(404, 422, 503)},
)
async def one_route(
    request: Request,
    services: Provided,
    route: str,
    area: Annotated[Text, Query(description="only what buses of this area drove; default: the city")] = None,
    at: At = None,
    start: From = None,
    end: To = None,
    stops: Annotated[int, Query(ge=0, le=100, description="how many stops to name for each indicator")] = 3,
) -> Response:
    code = services.city.code if area is None else area
    within = parameters.codes(services, code) or []
    reading, table = await services.routes.table(_window(at, start, end), code, within)
    place = next((n for n, name in enumerate(table.tree.routes) if name == route and table.heard[n]), None)
    if place is None:
        raise not_found("route", route, "one that was heard in this span and area, see GET /v1/routes")
    shape = _frame(services, code, reading) | _route(table, place)
    for name, measure in table.measures.items():
        shape["indicators"][name]["stops"] = _stops(table, measure, place, stops)
    return _answer(request, orjson.dumps(shape))


def _window(at: datetime | None, start: datetime | None, end: datetime | None) -> Window:
    """What the parameters ask for; raises a 422 problem."""
    if at is not None and (start is not None or end is not None):
        raise invalid_parameter("at", at.isoformat(), "must not be given together with from or to")
    now = datetime.now(UTC)
    if start is None and end is None:
        newest = full_minute(micros(now) - _UNDER_WAY)
        return Window(newest if at is None else min(micros(at), micros(now)))
    end = end or now
    start = start or end - HOUR
    parameters.ordered(start, end)
    if end - start > LONGEST:
        raise invalid_parameter("from", start.isoformat(), f"must be at most a day before to, {end.isoformat()}")
    return Window(micros(end) - 1, micros(start))


def _instant(cursor: str | None, value: int) -> int:
    try:
        return micros(from_micros(value))
    except ValueError as error:
        raise invalid_parameter("cursor", cursor, str(error)) from error


def _page(
    services: Services, code: str, reading: Reading, table: RouteTable, by: str, after: str | None, limit: int
) -> bytes:
    names = table.tree.routes
    order = _ordered(table, by)
    if after is not None:
        order = _rest(order, names, after, by)
    places, following = cursors.page(order[: limit + 1], limit, lambda place: [reading.book.window.at, names[place]])
    frame = _frame(services, code, reading)
    return orjson.dumps(frame | {"items": [_route(table, place) for place in places], "next": following})


def _ordered(table: RouteTable, by: str) -> list[int]:
    """Places of the routes that were heard; those without points last, equal ones by name."""
    names = table.tree.routes
    there: list[int] = np.flatnonzero(table.heard).tolist()
    if by == "route":
        return sorted(there, key=names.__getitem__)
    points = _points(table, by)
    return sorted(there, key=lambda place: (-points[place], names[place]))


def _points(table: RouteTable, by: str) -> list[float]:
    found = table.points if by == TRANSIT else table.measures[by].points[1 : table.tree.first_stop]
    told: list[float] = np.nan_to_num(found, nan=-np.inf).tolist()
    return told


def _rest(order: list[int], names: tuple[str, ...], after: str, by: str) -> list[int]:
    if by == "route":
        return [place for place in order if names[place] > after]
    found = next((number for number, place in enumerate(order) if names[place] == after), len(order))
    return order[found + 1 :]


def _frame(services: Services, code: str, reading: Reading) -> dict[str, Any]:
    window, zone = reading.book.window, services.city.timezone
    since = min((window.since(row) for row in reading.book.indicators if row.aggregation != "speed"), default=window.at)
    end = window.at if window.start is None else window.at + 1
    return {
        "area": code,
        "at": rfc3339(from_micros(end), zone),
        "from": rfc3339(from_micros(since), zone),
        "state": "final" if reading.final else "provisional",
        "methodVersion": reading.method_version,
    }


def _route(table: RouteTable, place: int) -> dict[str, Any]:
    return {
        "route": table.tree.routes[place],
        "arrivals": int(table.arrivals[place]),
        "trips": int(table.trips[place]),
        "buses": int(table.buses[place]),
        "stops": int(table.stops[place]),
        "points": _number(table.points[place]),
        "indicators": {name: _value(measure, place) for name, measure in table.measures.items()},
    }


def _value(measure: Measure, place: int) -> dict[str, Any]:
    row, values = measure.indicator, measure.values
    return {
        "name": {"zh": row.name_zh, "en": row.name_en},
        "value": _number(values.value[place]),
        "unit": row.unit,
        "score": _number(values.score[place]),
        "coverage": round(float(values.coverage[place]), 6),
        "freshness": _number(values.freshness[place]),
        "observations": int(measure.sums.count[1 + place]),
        "reason": measure.reasons[place],
        "points": _number(measure.points[1 + place]),
    }


def _stops(table: RouteTable, measure: Measure, place: int, most: int) -> list[dict[str, Any]]:
    """The stops of a route by their points, strongest first; none that would not lift the score."""
    tree = table.tree
    own = [tree.first_stop + n for n, (route, _) in enumerate(tree.stops) if route == 1 + place]
    points: list[float] = measure.points.tolist()
    worst = sorted((label for label in own if points[label] > 0), key=lambda label: (-points[label], label))
    return [
        {
            "stop": tree.stops[label - tree.first_stop][1],
            "value": _number(measure.own[label]),
            "observations": int(measure.sums.count[label]),
            "points": _number(measure.points[label]),
        }
        for label in worst[:most]
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _answer(request: Request, body: bytes) -> Response:
    etag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
