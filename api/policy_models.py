"""The shapes of the policy routes."""

from typing import Annotated, Any

from pydantic import Field

from api.models import Page, Shape

VERSION = "1-5d41402a"


class DomainPolicy(Shape):
    weight: Annotated[float, Field(description="in the composite", examples=[1.0])]


class IndicatorPolicy(Shape):
    weight: Annotated[float, Field(description="in its domain", examples=[2.0])]
    goalposts: Annotated[
        list[tuple[float, float]], Field(description="[value, score], joined by lines", examples=[[[0, 100], [1, 0]]])
    ]
    minimum_coverage: Annotated[float, Field(ge=0, le=1, examples=[0.6666666666666666])]
    window: Annotated[int | None, Field(description="s; null for newest readings", examples=[3600])] = None
    source: Annotated[str, Field(examples=["target band 60–80 %: SFpark"])] = ""
    note: Annotated[str, Field(examples=[""])] = ""


class PolicyShape(Shape):
    """A whole policy: every number that scores are made with."""

    version: Annotated[str, Field(description="`methodVersion` of the values made with it", examples=[VERSION])]
    since: Annotated[
        str | None,
        Field(description="first tick it was last in force from", examples=["2026-11-20T08:00:01+08:00"]),
    ]
    domains: Annotated[dict[str, DomainPolicy], Field(examples=[{"parking": {"weight": 1.0}}])]
    indicators: dict[str, IndicatorPolicy]
    text: Annotated[str, Field(description="the same as TOML, to start from", examples=["[domains.parking]\n…"])]


class Difference(Shape):
    """One number that differs; null where only the other policy has it."""

    path: Annotated[str, Field(examples=["indicators.parking.kerb_occupancy.weight"])]
    old: Annotated[Any, Field(examples=[2.0])]
    new: Annotated[Any, Field(examples=[3.0])]


class PolicyDifference(Shape):
    from_: Annotated[str, Field(alias="from", examples=[VERSION])]
    to: Annotated[str, Field(examples=["1-7d793037"])]
    changes: list[Difference]


class PolicyChangeShape(Shape):
    at: Annotated[str, Field(description="the first tick under it", examples=["2026-11-20T08:00:01+08:00"])]
    version: Annotated[str, Field(examples=["1-7d793037"])]
    before: Annotated[str | None, Field(description="version in force before", examples=[VERSION])]
    changes: list[Difference]


class PolicyChanges(Page[PolicyChangeShape]):
    pass
