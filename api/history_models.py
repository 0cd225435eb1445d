"""The shapes of the vital signs of the past."""

from typing import Annotated

from pydantic import Field

from api.models import HistoryPoint, Page, Shape


class Figures(Shape):
    """Over the minutes of a step that have a value, or a score."""

    mean: Annotated[float | None, Field(examples=[0.68])]
    min: Annotated[float | None, Field(examples=[0.61])]
    max: Annotated[float | None, Field(examples=[0.74])]


class StepPoint(HistoryPoint):
    """A step: value, score, reason and freshness are those of its last minute, coverage is the mean."""

    freshness: Annotated[float | None, Field(description="null where the minutes are no longer kept", examples=[1.2])]
    minutes: Annotated[int, Field(description="minutes of the step that said something of the area", examples=[60])]
    valued: Annotated[int, Field(description="minutes with a value; of an index, with a score", examples=[60])]
    values: Annotated[Figures, Field(description="null for the composite and the domains")]
    scores: Figures


class History(Page[StepPoint]):
    """``points`` says how many steps there were before they were thinned out; null where none were."""

    area: Annotated[str, Field(examples=["310104"])]
    indicator: Annotated[str, Field(examples=["composite"])]
    step: Annotated[int, Field(description="s", examples=[900])]
    from_: Annotated[str, Field(alias="from", examples=["2026-11-20T00:00:00+08:00"])]
    to: Annotated[str, Field(examples=["2026-11-21T00:00:00+08:00"])]
    as_of: Annotated[str | None, Field(examples=[None])]
    points_of: Annotated[int | None, Field(description="steps before `points=` thinned them out", examples=[None])] = (
        None
    )
