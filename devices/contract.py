"""The contract of one stream: a pydantic model declared once, from which every other description follows.

``Telemetry`` and ``Event`` are the bases a kind's file subclasses. ``Stream`` reads such a model and derives
its fields: wire names, units, bounds, SQL columns. Table, numpy columns, the fast validator, JSON Schema, the
documentation and the simulator all start from these.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from devices.fields import LARGEST_INTEGER, SQL_TYPES, ContractError, FieldSpec, FieldType, field_spec, snake_case
from devices.flaws import Flaw, shown
from devices.units import Instant, Sequence

__all__ = [
    "LARGEST_INTEGER", "LONGEST_LATENESS", "LONGEST_STREAM_NAME", "RESERVED_KINDS", "SQL_TYPES", "USUAL_LATENESS",
    "ContractError", "Event", "FieldSpec",
    "FieldType", "Flaw", "Kind", "Reading", "Stream", "Telemetry", "shown", "snake_case",
]  # fmt: skip


USUAL_LATENESS = 60.0
"""seconds, of kinds that declare no other"""
LONGEST_LATENESS = 3600.0
"""seconds: no minute of the city is final earlier than its slowest stream, and readings wait for theirs in memory"""


class Reading(BaseModel):
    """What every message of a sensor has: when it was observed and, if the device counts, its number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False, regex_engine="python-re")

    dateObserved: Instant = Field(description="when it was observed, not when it was sent")
    seq: Sequence | None = Field(default=None, description="counts the device's readings of this stream up")


class Telemetry(Reading):
    """A periodic reading of a kind's state."""


class Event(Reading):
    """Something that happened at a device."""


@dataclass(frozen=True)
class Stream:
    """A named flow of readings of one shape: a kind's telemetry or one of its events."""

    name: str
    kind: str
    model: type[Reading]
    lateness: float = USUAL_LATENESS
    """seconds that a reading may take from its observation to its receipt, see ``Kind``"""

    @property
    def is_event(self) -> bool:
        return issubclass(self.model, Event)

    @cached_property
    def fields(self) -> tuple[FieldSpec, ...]:
        own = [(n, f) for n, f in self.model.model_fields.items() if n not in Reading.model_fields]
        return tuple(field_spec(self.name, name, info) for name, info in own)

    @cached_property
    def field_by_name(self) -> dict[str, FieldSpec]:
        return {spec.name: spec for spec in self.fields}

    @cached_property
    def by_column(self) -> bool:
        """Whether ``fields`` say all that makes a reading valid; else a validator of the model's own must run."""
        own = self.model.__pydantic_decorators__
        has_validators = own.validators or own.field_validators or own.root_validators or own.model_validators
        return not has_validators and all(spec.by_column for spec in self.fields)

    @cached_property
    def adapter(self) -> TypeAdapter[Reading]:
        return TypeAdapter(self.model)

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of one reading, with each field's unit as ``x-unit``."""
        schema = self.model.model_json_schema()
        schema["title"] = self.name
        for described in schema["properties"].values():
            described.pop("title", None)  # pydantic's are the names once more, in other letters
        for spec in self.fields:
            if spec.unit is not None:
                schema["properties"][spec.name]["x-unit"] = spec.unit.symbol
        if not any(spec.required for spec in self.fields):
            schema["anyOf"] = [{"required": [spec.name]} for spec in self.fields]
        return schema


@dataclass(frozen=True)
class Kind:
    """A sort of device: a fact about hardware, not about policy.

    ``reporting_interval`` is how often such a device is expected to report, in seconds; after three
    intervals of silence it counts as stale. ``lateness`` is how long, in seconds, what it observed may take to arrive
    as it sends, over the networks it is made for: seconds for a bus, minutes for a meter that saves its readings up
    and sends them in packs. The watermark of its streams is that far behind the present.
    """

    id: str
    name_en: str
    name_zh: str
    telemetry: type[Telemetry]
    events: Mapping[str, type[Event]] = field(default_factory=dict)
    reporting_interval: float = 60.0
    lateness: float = USUAL_LATENESS

    def __post_init__(self) -> None:
        for name in (self.id, *self.events):
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
                raise ContractError(f"kind or event {name!r} must be lower_snake_case, at most 41 characters")
        for event in self.events:
            if len(name := f"{self.id}_{event}") > LONGEST_STREAM_NAME:
                raise ContractError(
                    f"stream {name!r} has {len(name)} characters, must be {LONGEST_STREAM_NAME} at most"
                )
        if self.id in RESERVED_KINDS:
            raise ContractError(f"kind {self.id!r} is a reserved topic level: {sorted(RESERVED_KINDS)}")
        if self.reporting_interval <= 0:
            raise ContractError(f"reporting_interval of {self.id} is {self.reporting_interval}, must be > 0 s")
        if not 0 < self.lateness <= LONGEST_LATENESS:
            raise ContractError(
                f"lateness of {self.id} is {self.lateness}, must be > 0 s and at most {LONGEST_LATENESS:g} s"
            )

    @cached_property
    def stream(self) -> Stream:
        return Stream(self.id, self.id, self.telemetry, self.lateness)

    @cached_property
    def event_streams(self) -> dict[str, Stream]:
        return {name: Stream(f"{self.id}_{name}", self.id, model, self.lateness) for name, model in self.events.items()}

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        return (self.stream, *self.event_streams.values())


RESERVED_KINDS = frozenset({"out", "in"})
LONGEST_STREAM_NAME = 50
"""leaves room for the names derived from it within PostgreSQL's 63 characters"""
