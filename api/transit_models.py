"""The shapes of /v1/routes."""

from typing import Annotated, Literal

from pydantic import Field

from api.models import Name, Shape


class StopPull(Shape):
    """A stop of a route, by what it costs."""

    stop: Annotated[str, Field(description="GTFS stop_id", examples=["s-0412"])]
    value: Annotated[float | None, Field(description="the indicator there", examples=[0.42])]
    observations: Annotated[int, Field(examples=[12])]
    points: Annotated[
        float | None, Field(description="the route's score would be higher by so much without it", examples=[3.4])
    ]


class RouteValue(Shape):
    """An indicator of one route, as the area's is defined."""

    name: Name
    value: Annotated[float | None, Field(examples=[0.91])]
    unit: Annotated[str, Field(examples=["1"])]
    score: Annotated[float | None, Field(ge=0, le=100, examples=[84.0])]
    coverage: Annotated[
        float, Field(ge=0, le=1, description="of the buses heard on the route, the share heard lately", examples=[1.0])
    ]
    freshness: Annotated[float | None, Field(description="s, age of the newest reading behind it", examples=[8.2])]
    observations: Annotated[int, Field(description="arrivals, headways, or buses whose way is known", examples=[312])]
    reason: Annotated[
        str | None, Field(description="why value and score are null: `too_few`, `not_frequent` …", examples=[None])
    ]
    points: Annotated[
        float | None,
        Field(description="the score of all routes of the area together would be higher by so much without it"),
    ]


class ExplainedRouteValue(RouteValue):
    stops: Annotated[list[StopPull], Field(description="those that cost most, strongest first")]


class Route(Shape):
    route: Annotated[str, Field(description="GTFS route_id", examples=["71"])]
    arrivals: Annotated[int, Field(examples=[312])]
    trips: Annotated[int, Field(description="different trip_id", examples=[24])]
    buses: Annotated[int, Field(examples=[9])]
    stops: Annotated[int, Field(description="different stop_id", examples=[25])]
    points: Annotated[
        float | None,
        Field(
            description="the transit score of all routes of the area together (weighted mean) would be higher by so "
            "much without it",
            examples=[0.8],
        ),
    ]
    indicators: dict[str, RouteValue]


class _Frame(Shape):
    area: Annotated[str, Field(examples=["310104"])]
    at: Annotated[str, Field(description="end of what counts", examples=["2026-11-20T08:00:00+08:00"])]
    from_: Annotated[
        str, Field(alias="from", description="start of what counts of arrivals", examples=["2026-11-20T07:00:00+08:00"])
    ]
    state: Annotated[Literal["provisional", "final"], Field(description="final once all that comes in time has come")]
    method_version: Annotated[str, Field(examples=["1-5d41402a"])]


class Routes(_Frame):
    """The routes heard in an area."""

    items: list[Route]
    next: str | None = None


class RouteDetail(_Frame, Route):
    """One route, with the stops that pull it down most."""

    indicators: dict[str, ExplainedRouteValue]  # type: ignore[assignment] # each of them tells more than its parent's, nothing less
