"""The shapes of the forecast route."""

from typing import Annotated

from pydantic import Field

from api.models import Shape

_NUMBER = Field(examples=[412.5])


class ForecastPoint(Shape):
    """One hour to come; value and intervals are of its mean."""

    from_: Annotated[str, Field(alias="from", examples=["2026-11-20T08:00:00+08:00"])]
    to: Annotated[str, Field(examples=["2026-11-20T09:00:00+08:00"])]
    value: Annotated[float, _NUMBER]
    low80: Annotated[float, Field(description="80 % of what comes should lie from here", examples=[380.1])]
    high80: Annotated[float, Field(description="to here", examples=[441.0])]
    low95: Annotated[float, Field(description="95 % from here", examples=[355.9])]
    high95: Annotated[float, Field(description="to here", examples=[470.2])]
    baseline: Annotated[float | None, Field(description="what is usual at this hour of the week", examples=[400.0])] = (
        None
    )


class ForecastScores(Shape):
    """How good the forecasts of this index and area were, all steps together."""

    from_: Annotated[str, Field(alias="from", examples=["2026-10-23T08:00:00+08:00"])]
    compared: Annotated[
        int, Field(description="forecasts whose hour has come, each step of each hour", examples=[4032])
    ]
    mase: Annotated[
        float | None, Field(description="below 1: better than last week's value was before", examples=[0.61])
    ]
    naive_mase: Annotated[float | None, Field(description="the same of last week's value", examples=[0.97])]
    skill: Annotated[
        float | None, Field(description="1 − error / error of last week's value on the same hours", examples=[0.37])
    ]
    coverage80: Annotated[float, Field(description="share inside the 80 % interval", examples=[0.81])]
    coverage95: Annotated[float, Field(examples=[0.95])]


class ForecastModel(Shape):
    """What the points come from."""

    name: Annotated[str, Field(examples=["hour-of-week"])]
    trained_on: Annotated[int, Field(description="hours with a value it was fitted on", examples=[1344])]
    since: Annotated[str, Field(description="nothing before was learnt from", examples=["2026-09-25T08:00:00+08:00"])]


class Forecast(Shape):
    """The next hours of an index; without ``items`` there is a ``reason``."""

    area: Annotated[str, Field(examples=["310104"])]
    indicator: Annotated[str, Field(examples=["energy.load"])]
    at: Annotated[
        str | None, Field(description="end of the newest hour it knows", examples=["2026-11-20T08:00:00+08:00"])
    ]
    step: Annotated[int, Field(description="seconds", examples=[3600])]
    unit: Annotated[str | None, Field(description="null for a score", examples=["kW"])]
    reason: Annotated[str | None, Field(examples=["too_little_history"])]
    detail: Annotated[str | None, Field(examples=["history spans 1.5 days, must be at least 3"])]
    model: ForecastModel | None
    items: list[ForecastPoint]
    scores: ForecastScores | None
