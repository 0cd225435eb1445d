"""The shapes of the answers: what OpenAPI shows and what the tests hold every route to.

Field names on the wire are camelCase. Live documents and readings are sent as ready-made bytes; their models here
are documentation, and the tests validate real answers against them.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Item = TypeVar("Item")


class Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Page(Shape, Generic[Item]):
    """One page of a list; ``next`` goes into ``cursor=`` and is null on the last page."""

    items: list[Item]
    next: str | None = None


class Name(Shape):
    zh: Annotated[str, Field(examples=["徐汇区"])]
    en: Annotated[str, Field(examples=["Xuhui"])]


class Area(Shape):
    code: Annotated[str, Field(examples=["310104"])]
    level: Annotated[Literal["city", "district", "street"], Field(examples=["district"])]
    parent: Annotated[str | None, Field(examples=["310000"])]
    name: Name


class AreaDetail(Area):
    ancestors: Annotated[list[Area], Field(description="nearest first", examples=[[]])]
    children: Annotated[list[Area], Field(examples=[[]])]


class Feature(Shape):
    type: Literal["Feature"]
    id: Annotated[str, Field(examples=["310104"])]
    bbox: Annotated[list[float], Field(examples=[[121.38, 31.09, 121.47, 31.22]])]
    properties: Annotated[
        dict[str, Any],
        Field(examples=[{"code": "310104", "level": "district", "name": {"zh": "徐汇区", "en": "Xuhui"}}]),
    ]
    geometry: Annotated[dict[str, Any], Field(examples=[{"type": "Polygon", "coordinates": []}])]


class FeatureCollection(Shape):
    type: Literal["FeatureCollection"]
    features: list[Feature]


class CompactValue(Shape):
    """A value as lists show it: without its contributions."""

    value: Annotated[float | None, Field(examples=[0.71])]
    unit: Annotated[str | None, Field(description="of value; composite and domains have none", examples=["1"])]
    score: Annotated[float | None, Field(ge=0, le=100, examples=[88.5])]
    coverage: Annotated[float, Field(ge=0, le=1, description="devices reporting / expected", examples=[0.97])]
    freshness: Annotated[
        float | None, Field(description="s, age of the newest reading behind it at the document's `at`", examples=[1.2])
    ]
    state: Annotated[Literal["provisional", "final"], Field(examples=["provisional"])]
    revision: Annotated[int, Field(ge=0, examples=[0])]
    reason: Annotated[str | None, Field(description="why value and score are null", examples=[None])]
    name: Annotated[Name | None, Field(description="of a domain or an indicator")] = None


class Contribution(Shape):
    """What pulled a value where it is: an index with its points, or a device or area with its value."""

    id: Annotated[str | None, Field(examples=["parking.kerb_occupancy"])] = None
    device: str | None = None
    area: str | None = None
    weight: Annotated[float | None, Field(examples=[0.5])] = None
    score: Annotated[float | None, Field(examples=[62.1])] = None
    points: Annotated[float | None, Field(examples=[31.0])] = None
    value: float | str | None = None


class Value(CompactValue):
    contributions: list[Contribution]


class Domain(Value):
    indicators: dict[str, Value]


class CompactDomain(CompactValue):
    indicators: dict[str, CompactValue]


class DeviceCounts(Shape):
    expected: Annotated[int, Field(examples=[120])]
    reporting: Annotated[int, Field(description="heard of within three reporting intervals", examples=[117])]


class Vitals(Shape):
    """The vital signs of one area at one tick."""

    area: Annotated[str, Field(examples=["310104"])]
    level: Annotated[str, Field(examples=["district"])]
    name: Name
    tick: Annotated[int, Field(ge=0, examples=[4711])]
    at: Annotated[datetime, Field(examples=["2026-11-20T08:00:00+08:00"])]
    method_version: Annotated[str, Field(examples=["1"])]
    devices: Annotated[dict[str, DeviceCounts], Field(description="by kind")] = {}
    composite: Value
    domains: dict[str, Domain]


class CompactVitals(Shape):
    area: Annotated[str, Field(examples=["310104"])]
    level: Annotated[str, Field(examples=["district"])]
    name: Name
    devices: dict[str, DeviceCounts] = {}
    composite: CompactValue
    domains: dict[str, CompactDomain]


class LevelVitals(Page[CompactVitals]):
    tick: int
    at: datetime
    method_version: str
    level: str


class HistoryPoint(Shape):
    at: Annotated[str, Field(description="start of the step, city time", examples=["2026-11-20T08:00:00+08:00"])]
    value: Annotated[float | None, Field(examples=[0.71])]
    score: Annotated[float | None, Field(examples=[88.5])]
    coverage: Annotated[float, Field(examples=[0.97])]
    freshness: Annotated[float | None, Field(examples=[1.2])]
    state: Annotated[Literal["provisional", "final"], Field(examples=["final"])]
    revision: Annotated[int, Field(examples=[1])]
    reason: Annotated[str | None, Field(examples=[None])]
    method_version: Annotated[str, Field(examples=["1"])]
    observed_at: Annotated[
        str, Field(description="the minute the values are of", examples=["2026-11-20T08:14:00+08:00"])
    ]
    computed_at: Annotated[str, Field(examples=["2026-11-20T08:20:03+08:00"])]


class UnitShape(Shape):
    symbol: Annotated[str, Field(examples=["kg"])]
    name: Annotated[str, Field(examples=["kilogram"])]


class StreamField(Shape):
    name: Annotated[str, Field(examples=["cargoWeightFood"])]
    type: Annotated[str, Field(examples=["number"])]
    unit: UnitShape | None
    minimum: Annotated[float | None, Field(examples=[0])]
    maximum: Annotated[float | None, Field(examples=[50000])]
    choices: Annotated[list[str], Field(examples=[[]])]
    required: Annotated[bool, Field(examples=[False])]
    bound: Annotated[str, Field(description="what a value must be, in words", examples=["0–50000 kg"])]
    description: Annotated[str, Field(examples=["weight of food waste"])]


class StreamShape(Shape):
    name: Annotated[str, Field(examples=["garbage_hut"])]
    event: Annotated[str | None, Field(description="event type; null for telemetry", examples=[None])]
    topic: Annotated[str, Field(examples=["cv1/310000/garbage_hut/{device}/tele"])]
    description: Annotated[str, Field(examples=["Fill, weight and air of one hut."])]
    lateness: Annotated[
        float, Field(description="s from observation to receipt; what takes longer counts as late", examples=[60])
    ]
    fields: list[StreamField]
    json_schema: Annotated[dict[str, Any], Field(examples=[{"type": "object"}])]


class KindShape(Shape):
    id: Annotated[str, Field(examples=["garbage_hut"])]
    name: Name
    reporting_interval: Annotated[float, Field(description="s between readings", examples=[60])]
    streams: list[StreamShape]


class PointShape(Shape):
    type: Literal["Point"]
    coordinates: Annotated[list[float], Field(examples=[[121.4468, 31.2022]])]


class Device(Shape):
    id: Annotated[str, Field(examples=["bay-17"])]
    kind: Annotated[str, Field(examples=["parking_bay"])]
    area: Annotated[str, Field(examples=["310104003"])]
    location: PointShape | None = None
    name: Annotated[str | None, Field(examples=["Tianping Road 17"])] = None
    attributes: Annotated[dict[str, Any], Field(examples=[{"reportingInterval": 60}])] = {}


class RegisteredDevice(Device):
    status: Annotated[Literal["online", "offline"] | None, Field(description="as the device last said")]
    registered_at: Annotated[str, Field(examples=["2026-11-20T08:00:00+08:00"])]
    updated_at: Annotated[str, Field(examples=["2026-11-20T08:00:00+08:00"])]


class DeviceDetail(RegisteredDevice):
    last: Annotated[
        dict[str, dict[str, Any] | None],
        Field(description="newest reading of each stream, by dateObserved", examples=[{"parking_bay": None}]),
    ]


class Registration(Shape):
    id: Annotated[str, Field(examples=["bay-17"])]
    result: Annotated[Literal["created", "updated", "unchanged"], Field(examples=["created"])]


class Reading(BaseModel):
    """A reading: the fields of its stream under their names on the wire; what was not measured is left out."""

    model_config = ConfigDict(extra="allow")

    device: Annotated[str, Field(examples=["bay-17"])]
    dateObserved: Annotated[str, Field(examples=["2026-11-20T08:00:00.123+08:00"])]  # noqa: N815 - wire name
    receivedAt: Annotated[str, Field(examples=["2026-11-20T08:00:00.341902+08:00"])]  # noqa: N815 - wire name
    seq: Annotated[int | None, Field(description="only if the device numbers its readings", examples=[9])] = None


class Reject(Shape):
    id: Annotated[int, Field(examples=[12])]
    received_at: Annotated[str, Field(examples=["2026-11-20T08:00:00.5+08:00"])]
    topic: Annotated[str, Field(examples=["cv1/310000/garbage_hut/hut-3/tele"])]
    stream: Annotated[str, Field(examples=["garbage_hut"])]
    device: Annotated[str | None, Field(examples=["hut-3"])]
    reason: Annotated[str, Field(examples=["range"])]
    detail: Annotated[str, Field(examples=["fillingLevelFood is 1.4, must be 0–1"])]
    payload: Annotated[str, Field(description="as UTF-8, bytes that are none replaced", examples=['{"filling…": 1.4}'])]
    truncated: Annotated[bool, Field(description="the payload is longer than what is shown", examples=[False])]
    resolved_at: Annotated[str | None, Field(examples=[None])]
    resolution: Literal["stored", "duplicate"] | None


class Mark(Shape):
    """A range of a device's readings that does not count; both ends belong to it."""

    id: Annotated[int, Field(examples=[3])]
    device: Annotated[str, Field(examples=["hut-3"])]
    stream: Annotated[str, Field(examples=["garbage_hut"])]
    from_: Annotated[str, Field(alias="from", examples=["2026-11-20T08:00:00+08:00"])]
    to: Annotated[str, Field(examples=["2026-11-20T09:30:00+08:00"])]
    reason: Annotated[str, Field(examples=["sensor was being cleaned"])]
    marked_by: Annotated[str, Field(examples=["duty officer 7"])]
    marked_at: Annotated[str, Field(examples=["2026-11-20T10:00:00+08:00"])]
    unmarked_by: Annotated[str | None, Field(examples=[None])]
    unmarked_at: Annotated[str | None, Field(examples=[None])]


class NewMark(Shape):
    from_: Annotated[str, Field(alias="from", examples=["2026-11-20T08:00:00+08:00"])]
    to: Annotated[str, Field(examples=["2026-11-20T09:30:00+08:00"])]
    reason: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]*$", examples=["being cleaned"])]
    by: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$", examples=["duty officer 7"])]
    stream: Annotated[str | None, Field(description="all of the kind's when absent", examples=["garbage_hut"])] = None


class Lift(Shape):
    by: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$", examples=["duty officer 7"])]


class ReplayOutcome(Shape):
    id: Annotated[int, Field(examples=[12])]
    outcome: Annotated[Literal["stored", "duplicate", "rejected"], Field(examples=["stored"])]
    reason: Annotated[str, Field(examples=["unknown_device"])]
    detail: Annotated[str, Field(examples=["device bay-99 is not registered"])]
    resolved_at: str | None


class BulkReplay(Shape):
    requested: Annotated[int, Field(examples=[120])]
    stored: Annotated[int, Field(examples=[118])]
    duplicate: Annotated[int, Field(examples=[0])]
    rejected: Annotated[int, Field(description="still rejected, or not decided yet", examples=[2])]


class Counts(Shape):
    """``received = stored + duplicate + rejected + pending``, in readings."""

    received: Annotated[int, Field(examples=[10500])]
    stored: Annotated[int, Field(examples=[10000])]
    duplicate: Annotated[int, Field(examples=[300])]
    rejected: Annotated[int, Field(examples=[200])]
    pending: Annotated[int, Field(description="arrived, not committed yet; known for the total only", examples=[0])]
    unknown_fields: Annotated[int, Field(description="fields that were ignored", examples=[0])]


class Ledger(Counts):
    streams: dict[str, Counts]


class Alarm(Shape):
    """What may cost readings, as the pipeline says of itself; severity and state in the words of ISA-18.2 and X.733."""

    id: Annotated[str, Field(examples=["session_lost"])]
    severity: Annotated[Literal["CRITICAL", "MAJOR", "MINOR", "WARNING"], Field(examples=["MAJOR"])]
    state: Annotated[Literal["ACTIVE_UNACK", "CLEARED_UNACK"], Field(examples=["ACTIVE_UNACK"])]
    since: Annotated[str, Field(examples=["2026-11-20T08:00:00+08:00"])]
    cleared_at: Annotated[str | None, Field(examples=[None])]
    count: Annotated[int, Field(description="of an event: how often since the pipeline began", examples=[1])]
    text: Annotated[Name, Field(examples=[{"zh": "消息代理丢失了会话", "en": "The broker lost the session"}])]
    detail: Annotated[str | None, Field(description="of a condition: its reason", examples=[None])] = None


class Health(Shape):
    status: Annotated[Literal["ok", "failing"], Field(examples=["ok"])]
    checks: Annotated[dict[str, str], Field(examples=[{"database": "ok", "broker": "ok", "pipeline": "ok"}])]
    alarms: Annotated[list[Alarm], Field(description="active ones", examples=[[]])] = []


class ProblemShape(Shape):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: Annotated[str, Field(examples=["urn:cityvitals:problem:unknown_area"])]
    title: Annotated[str, Field(examples=["Not Found"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(examples=['area is "999", must be a code of GET /v1/areas'])]
    instance: Annotated[str | None, Field(examples=["/v1/areas/999"])] = None
    errors: Annotated[
        list[dict[str, Any]], Field(description="one entry per wrong value of the request", examples=[[]])
    ] = []
