"""The shapes of a what-if: the question, and both lines side by side."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from api.models import Shape
from api.parameters import Step, Time

MOST_AREAS = 50
MOST_IDS = 10_000
_MOMENT = "2026-11-20T08:00:00+08:00"
_CODE = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
_POLICY: dict[str, Any] = {"indicators": {"parking.kerb_occupancy": {"goalposts": [[0.5, 100], [1.0, 0]]}}}
_SECTION = dict[str, dict[str, Any]]


def _text(value: object) -> object:
    """JSON has numbers where a query has text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Step = Annotated[Step, BeforeValidator(_text), WithJsonSchema({"type": "string", "examples": ["5m"]})]


class Changes(Shape):
    """What of the policy is different, as in a policy file; what is not named stays."""

    domains: Annotated[
        _SECTION,
        Field(default_factory=dict, description="`weight` by domain", examples=[{"parking": {"weight": 2}}]),
    ]
    indicators: Annotated[
        _SECTION,
        Field(
            default_factory=dict,
            description="`weight`, `goalposts`, `minimum_coverage`, `window` by indicator",
            examples=[_POLICY["indicators"]],
        ),
    ]


class Selection(Shape):
    """Devices that meet all conditions that are given."""

    ids: Annotated[list[_CODE] | None, Field(max_length=MOST_IDS, examples=[["bay-17"]])] = None
    kinds: Annotated[list[_CODE] | None, Field(max_length=100, examples=[["parking_bay"]])] = None
    areas: Annotated[
        list[_CODE] | None, Field(max_length=1000, description="and all below them", examples=[["310104"]])
    ] = None

    @model_validator(mode="after")
    def _says_something(self) -> "Selection":
        if not (self.ids or self.kinds or self.areas):
            raise ValueError("must name ids, kinds or areas")
        return self


class Devices(Shape):
    """Which devices count: those of ``only``, without those of ``exclude``."""

    only: Annotated[Selection | None, Field(examples=[None])] = None
    exclude: Selection | None = None


class Question(Shape):
    areas: Annotated[list[_CODE], Field(min_length=1, max_length=MOST_AREAS, examples=[["310000", "310104"]])]
    from_: Annotated[Time, Field(alias="from", examples=[_MOMENT])]
    to: Annotated[Time, Field(description="last minute wanted", examples=["2026-11-20T10:00:00+08:00"])]
    step: _Step = timedelta(minutes=1)
    indices: Annotated[
        list[_CODE] | None,
        Field(
            min_length=1,
            max_length=200,
            description="default: composite, domains, and the indicators that `policy` names",
            examples=[["composite", "parking", "parking.kerb_occupancy"]],
        ),
    ] = None
    policy: Annotated[Changes, Field(default_factory=Changes, examples=[_POLICY])]
    devices: Annotated[Devices | None, Field(examples=[None])] = None


class Side(Shape):
    """A value of one line."""

    value: Annotated[float | None, Field(examples=[0.86])]
    score: Annotated[float | None, Field(examples=[28.0])]
    coverage: Annotated[float, Field(examples=[0.97])]
    reason: Annotated[str | None, Field(examples=[None])]


class Point(Shape):
    at: Annotated[str, Field(examples=[_MOMENT])]
    was: Annotated[Side | None, Field(description="null where nothing final was stored")]
    would: Side


class Span(Shape):
    """How a number differs over the span; means over the instants at which both lines know it."""

    compared: Annotated[int, Field(description="instants at which both lines know it", examples=[120])]
    was: Annotated[float | None, Field(description="mean", examples=[64.2])]
    would: Annotated[float | None, Field(description="mean", examples=[28.4])]
    difference: Annotated[float | None, Field(description="of the means", examples=[-35.8])]
    largest: Annotated[float | None, Field(description="largest difference, with its sign", examples=[-41.0])]
    largest_at: Annotated[str | None, Field(examples=[_MOMENT])]
    unknown_was: Annotated[int, Field(description="instants without it", examples=[0])]
    unknown_would: Annotated[int, Field(examples=[0])]


class Line(Shape):
    area: Annotated[str, Field(examples=["310104"])]
    index: Annotated[str, Field(examples=["parking.kerb_occupancy"])]
    unit: Annotated[str | None, Field(description="of `value`; null for an index, which has a score only")]
    score: Span
    value: Annotated[Span | None, Field(description="null for an index", examples=[None])]
    points: list[Point]


class PolicyChange(Shape):
    """One number of the policy that differs."""

    path: Annotated[str, Field(examples=["indicators.parking.kerb_occupancy.goalposts"])]
    old: Annotated[Any, Field(examples=[[[0.0, 60.0], [0.6, 100.0], [0.8, 100.0], [1.0, 0.0]]])]
    new: Annotated[Any, Field(examples=[[[0.5, 100.0], [1.0, 0.0]]])]


class DeviceCount(Shape):
    counted: Annotated[int, Field(examples=[4000])]
    registered: Annotated[int, Field(examples=[4000])]


class WhatIf(Shape):
    from_: Annotated[str, Field(alias="from", description="first instant", examples=[_MOMENT])]
    to: Annotated[str, Field(description="last instant", examples=["2026-11-20T10:00:00+08:00"])]
    step: Annotated[int, Field(description="seconds", examples=[300])]
    basis: Annotated[
        Literal["vitals", "readings"],
        Field(description="stored values judged anew, or the engine run over stored readings", examples=["vitals"]),
    ]
    method_version: Annotated[
        dict[str, str], Field(examples=[{"was": "1-d91cf599", "would": "1-0b7c2a11"}])
    ]  # was: the policy in force at the end of the span
    changes: list[PolicyChange]
    devices: DeviceCount
    items: Annotated[list[Line], Field(description="one for each area and index")]
