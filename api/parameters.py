"""Query parameters that several routes have, each with its check and its words in OpenAPI."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Annotated

from fastapi import Query
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from pydantic import BeforeValidator, WithJsonSchema
from starlette.requests import HTTPConnection

from api.auth import SAFE_METHODS
from api.cursors import MAX_LENGTH, CursorError, decode
from api.problems import invalid, invalid_parameter, not_found
from api.services import Services
from api.snapshot import Snapshot
from api.times import parse_step, parse_time
from api.vitals import COMPOSITE
from devices.contract import shown
from processing.policy import SHIPPED

INDICES = (COMPOSITE, *(domain.id for domain in SHIPPED.domains), *(row.id for row in SHIPPED.indicators))
_ALIKE = 0.7
_OF_TIME = frozenset({"at", "from", "to", "since", "until", "as_of"})
_TIME_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-20T08:00:00+08:00"]})
_STEP_SCHEMA = WithJsonSchema({"type": "string", "examples": ["15m"]})

Time = Annotated[datetime, BeforeValidator(lambda v: v if isinstance(v, datetime) else parse_time(v)), _TIME_SCHEMA]
Step = Annotated[timedelta, BeforeValidator(lambda v: v if isinstance(v, timedelta) else parse_step(v)), _STEP_SCHEMA]

From = Annotated[Time | None, Query(alias="from", description="RFC 3339; first moment wanted")]
To = Annotated[Time | None, Query(alias="to", description="RFC 3339; first moment not wanted any more")]
Limit = Annotated[int, Query(ge=1, le=1000, description="items on a page")]
Cursor = Annotated[
    str | None, Query(max_length=MAX_LENGTH, description="`next` of the page before, with the same filters")
]
Text = Annotated[str | None, Query(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]


def none_misspelt(connection: HTTPConnection) -> None:
    """A dependency of every route under /v1: what looks like a misspelt parameter is refused, since ignoring it would
    answer too much, and so is a time where none can be chosen, since the present would be taken for the past. What
    looks like none of the route's own (a cache buster, a tag for tracing) is let by, unless the request changes
    something."""
    if not connection.scope["query_string"]:
        return
    route: APIRoute | APIWebSocketRoute = connection.scope["route"]
    known = _names(route.dependant)
    changes = connection.scope.get("method", "GET") not in SAFE_METHODS
    errors = []
    for name in connection.query_params:
        meant = misspelt(name, known)
        if meant is not None or (name not in known and (changes or name.lower() in _OF_TIME)):
            right = meant or "left out"
            detail = f"{shown(name)} is no parameter here, must be {right}; there are {', '.join(known) or 'none'}"
            errors.append({"in": "query", "name": name, "detail": detail})
    if errors:
        raise invalid(errors)


def misspelt(name: str, known: Sequence[str]) -> str | None:
    """Which of the known names was probably meant by one that is none of them."""
    return None if name in known else next(iter(get_close_matches(name.lower(), known, 1, _ALIKE)), None)


def _names(dependant: Dependant) -> list[str]:
    """The query parameters of a route and of what it depends on."""
    own = [field.alias for field in dependant.query_params]
    return own + [name for inner in dependant.dependencies for name in _names(inner)]


def codes(services: Services, area: str | None) -> list[str] | None:
    """The codes of the area in ``area=`` and of all below it; None for no such filter."""
    if area is None:
        return None
    if area not in services.city:
        raise invalid_parameter("area", area, "must be a code of GET /v1/areas")
    return services.within(area)


def index(snapshot: Snapshot, name: str, value: str) -> None:
    """Check that a parameter names an index: one of the shipped policy, or of the documents there are."""
    if value not in INDICES and value not in (there := snapshot.indices()):
        raise invalid_parameter(name, value, f"must be one of {', '.join(dict.fromkeys([*INDICES, *there]))}")


def kind(services: Services, value: str | None) -> str | None:
    """``kind=`` if it names one."""
    if value is not None and value not in services.kinds:
        raise invalid_parameter("kind", value, f"must be one of {', '.join(services.kinds)}")
    return value


def position(cursor: str | None, *shape: type[str] | type[int]) -> tuple[str | int, ...] | None:
    """The key parts in ``cursor=``."""
    try:
        return None if cursor is None else decode(cursor, *shape)
    except CursorError as error:
        raise invalid_parameter("cursor", cursor, str(error)) from error


def ordered(start: datetime | None, end: datetime | None) -> None:
    """Check that ``from`` lies before ``to``."""
    if start is not None and end is not None and start >= end:
        raise invalid_parameter("from", start.isoformat(), f"must be before to, {end.isoformat()}")


def stream_named(services: Services, name: str) -> None:
    """Check the stream of a path."""
    if name not in services.streams:
        raise not_found("stream", name, f"one of {', '.join(services.streams)}")
