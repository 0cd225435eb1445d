"""The shapes of answers about what is missing."""

from typing import Annotated

from pydantic import Field

from api.models import Page, Shape

_MOMENT = "2026-11-20T08:00:00+08:00"


class Gap(Shape):
    """Numbers that are missing, or a stretch without a reading."""

    first: Annotated[int | None, Field(description="first missing number; null for a stretch", examples=[42])]
    last: Annotated[int | None, Field(description="last missing number", examples=[44])]
    missing: Annotated[int, Field(description="numbers, or readings expected in the stretch", examples=[3])]
    from_: Annotated[str, Field(alias="from", description="the last reading before the gap", examples=[_MOMENT])]
    to: Annotated[str, Field(description="the first reading behind it, or now", examples=["2026-11-20T08:04:00+08:00"])]
    open: Annotated[bool, Field(description="the stretch goes on", examples=[False])]


class Confirmed(Shape):
    """The watermark, as the device is told it."""

    committed: Annotated[int, Field(examples=[41])]
    highest: Annotated[int, Field(examples=[57])]
    gaps: Annotated[list[list[int]], Field(examples=[[[42, 44]]])]
    since: Annotated[str | None, Field(examples=[None])] = None


class Gaps(Page[Gap]):
    device: Annotated[str, Field(examples=["bay-17"])]
    stream: Annotated[str, Field(examples=["parking_bay"])]
    from_: Annotated[str, Field(alias="from", examples=["2026-11-19T08:10:00+08:00"])]
    to: Annotated[str, Field(examples=["2026-11-20T08:10:00+08:00"])]
    missing: Annotated[int, Field(description="over all gaps of the span", examples=[3])]
    watermark: Annotated[
        Confirmed | None, Field(description="what is committed, if the device asked to be told", examples=[None])
    ]


class DeviceGaps(Shape):
    """How much is missing of a device's telemetry."""

    device: Annotated[str, Field(examples=["bay-17"])]
    area: Annotated[str, Field(examples=["310104003"])]
    stream: Annotated[str, Field(examples=["parking_bay"])]
    missing: Annotated[int, Field(description="numbers, or readings expected", examples=[360])]
    last: Annotated[str | None, Field(description="its newest reading in the span", examples=[_MOMENT])]
    open: Annotated[bool, Field(description="it is silent now", examples=[True])]


class AreaGaps(Page[DeviceGaps]):
    area: Annotated[str, Field(examples=["310104"])]
    from_: Annotated[str, Field(alias="from", examples=["2026-11-20T07:10:00+08:00"])]
    to: Annotated[str, Field(examples=["2026-11-20T08:10:00+08:00"])]
