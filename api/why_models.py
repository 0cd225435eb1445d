"""The shapes of `…/vitals/{index}/why`."""

from typing import Annotated, Any

from pydantic import Field

from api.models import Shape
from api.policy_models import Difference


class WhyPart(Shape):
    """A part of a score: a domain, an indicator, or a sub-area; ``points`` of all parts add up to the score."""

    id: Annotated[
        str,
        Field(
            description="a domain, an indicator or a sub-area's code; `rest`: sub-areas without a value of their own "
            "and devices of the area itself; `unexplained`: what the numbers of the policy do not explain",
            examples=["parking"],
        ),
    ]
    points: Annotated[float, Field(examples=[22.4])]
    weight: Annotated[float | None, Field(description="as the policy says", examples=[1.0])] = None
    share: Annotated[float | None, Field(description="of the weight, or of the base", examples=[0.25])] = None
    score: Annotated[float | None, Field(examples=[88.1])] = None
    value: Annotated[float | None, Field(examples=[None])] = None
    parts: Annotated[
        list["WhyPart"],
        Field(
            default_factory=list, description="of a domain: its indicators; they add up to its points", examples=[[]]
        ),
    ]


class WhyEffect(Shape):
    """A part of a change; ``points`` of all effects add up to the change."""

    id: Annotated[str, Field(description="domain or indicator", examples=["parking.kerb_occupancy"])]
    kind: Annotated[
        str,
        Field(
            description="`measured`: what devices said; `goalposts`, `weight`: how it is judged, or which parts count; "
            "`appeared`, `vanished`: it has a score on one side only; `unexplained`: the rest",
            examples=["measured"],
        ),
    ]
    area: Annotated[str | None, Field(description="the sub-area; null for none alone", examples=["310104003"])]
    points: Annotated[float, Field(examples=[-3.1])]


class WhyShare(Shape):
    id: Annotated[str | None, Field(description="null: of none alone", examples=["310104003"])]
    points: Annotated[float, Field(examples=[-3.1])]


class WhyChange(Shape):
    since: Annotated[str, Field(description="the minute compared with", examples=["2026-11-20T07:00:00+08:00"])]
    method_version: Annotated[str, Field(examples=["1-5d41402a"])]
    score: Annotated[float | None, Field(description="of then", examples=[91.2])]
    points: Annotated[float | None, Field(description="score now − then; null if either has none", examples=[-3.1])]
    reason: Annotated[str | None, Field(description="why then there was no score", examples=[None])]
    effects: list[WhyEffect]
    by_indicator: Annotated[list[WhyShare], Field(description="the effects, summed up; add up to the change")]
    by_area: Annotated[list[WhyShare], Field(description="the effects, summed up; add up to the change")]
    policy: Annotated[list[Difference], Field(description="what of the policy changed", examples=[[]])]


class WhyDevice(Shape):
    """A device that pulls the score down."""

    device: Annotated[str, Field(examples=["bay-17"])]
    area: Annotated[str, Field(examples=["310104003"])]
    indicator: Annotated[str, Field(examples=["parking.kerb_occupancy"])]
    value: Annotated[float, Field(description="its own, in the indicator's unit", examples=[1.0])]
    points: Annotated[float, Field(description="the score would be higher by so much without it", examples=[0.7])]
    observed_at: Annotated[str, Field(examples=["2026-11-20T07:59:58+08:00"])]
    readings: Annotated[
        str, Field(description="where its readings are", examples=["/v1/readings/parking_bay?device=bay-17&to=…"])
    ]


class WhyRows(Shape):
    """The rows behind an indicator: where all of them are, and the newest."""

    indicator: Annotated[str, Field(examples=["parking.kerb_occupancy"])]
    stream: Annotated[str, Field(examples=["parking_bay"])]
    href: Annotated[str, Field(examples=["/v1/readings/parking_bay?area=310104003&from=…&to=…"])]
    newest: Annotated[list[dict[str, Any]], Field(description="of a single indicator", examples=[[]])]


class Why(Shape):
    """Why an index is what it is in an area, at one moment."""

    area: Annotated[str, Field(examples=["310104"])]
    index: Annotated[str, Field(examples=["composite"])]
    at: Annotated[str, Field(description="the tick or minute explained", examples=["2026-11-20T08:00:00+08:00"])]
    live: Annotated[bool, Field(description="the newest tick; else a stored minute", examples=[False])]
    as_of: Annotated[str | None, Field(examples=[None])]
    method_version: Annotated[str, Field(examples=["1-5d41402a"])]
    state: Annotated[str, Field(examples=["final"])]
    revision: Annotated[int, Field(examples=[0])]
    value: Annotated[float | None, Field(examples=[None])]
    unit: Annotated[str | None, Field(examples=[None])]
    score: Annotated[float | None, Field(examples=[88.1])]
    coverage: Annotated[float, Field(examples=[0.98])]
    freshness: Annotated[float | None, Field(examples=[1.2])]
    reason: Annotated[str | None, Field(description="why there is no score", examples=[None])]
    contributions: Annotated[list[WhyPart], Field(description="their points add up to the score")]
    change: Annotated[WhyChange | None, Field(description="with `since=`")]
    devices: Annotated[
        list[WhyDevice] | None, Field(description="strongest first; null if finding them took too long", examples=[[]])
    ]
    rows: list[WhyRows]
