"""The contract of one stream: a pydantic model declared once, from which every other description follows.

``Telemetry`` and ``Event`` are the bases a kind's file subclasses. ``Stream`` reads such a model and derives
its fields: wire names, units, bounds, SQL columns. Table, numpy columns, the fast validator, JSON Schema, the
documentation and the simulator all start from these.
"""

import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from devices.units import Count, Instant, Point, Sequence, Unit

FieldType = Literal["number", "integer", "boolean", "label", "choice", "instant", "point"]

SQL_TYPES: dict[FieldType, str] = {
    "number": "double precision",
    "integer": "bigint",
    "boolean": "boolean",
    "label": "text",
    "choice": "text",
    "instant": "timestamptz",
    "point": "double precision",
}


LARGEST_INTEGER = 2**63 - 1
USUAL_LATENESS = 60.0
"""seconds, of kinds that declare no other"""
LONGEST_LATENESS = 3600.0
"""seconds: no minute of the city is final earlier than its slowest stream, and readings wait for theirs in memory"""


class ContractError(Exception):
    """A kind's file declares something the contract cannot carry."""


class Reading(BaseModel):
    """What every message of a sensor has: when it was observed and, if the device counts, its number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False, regex_engine="python-re")

    dateObserved: Instant
    seq: Sequence | None = None


class Telemetry(Reading):
    """A periodic reading of a kind's state."""


class Event(Reading):
    """Something that happened at a device."""


@dataclass(frozen=True)
class FieldSpec:
    """One measurement field of a stream, as read from its declaration."""

    name: str
    type: FieldType
    unit: Unit | None = None
    lower: float | None = None
    upper: float | None = None
    exclusive_lower: bool = False
    exclusive_upper: bool = False
    choices: tuple[str, ...] = ()
    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    required: bool = False
    description: str = ""
    by_column: bool = True
    """whether the properties above say all that the declaration demands; else only its model can judge"""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """SQL column names: the wire name in snake case; a point has two."""
        base = snake_case(self.name)
        return (f"{base}_lon", f"{base}_lat") if self.type == "point" else (base,)

    @property
    def sql_type(self) -> str:
        return SQL_TYPES[self.type]

    @cached_property
    def bound(self) -> str:
        """What a value must be, in words for an error message."""
        if self.type == "choice":
            return "one of " + "|".join(self.choices)
        if self.type == "point":
            return 'a GeoJSON Point such as {"type": "Point", "coordinates": [121.47, 31.23]}'
        if self.type == "instant":
            return "RFC 3339 with an offset, or epoch milliseconds"
        if self.type == "boolean":
            return "true or false"
        if self.type == "label":
            return f"text of {self.min_length}–{self.max_length or '…'} characters"
        unit = f" {self.unit.symbol}" if self.unit and self.unit.symbol not in ("", "1") else ""
        if self.lower is not None and self.upper is not None and not (self.exclusive_lower or self.exclusive_upper):
            return f"{_plain(self.lower)}–{_plain(self.upper)}{unit}"
        sides = []
        if self.lower is not None:
            sides.append(f"{'more than' if self.exclusive_lower else 'at least'} {_plain(self.lower)}{unit}")
        if self.upper is not None:
            sides.append(f"{'less than' if self.exclusive_upper else 'at most'} {_plain(self.upper)}{unit}")
        return " and ".join(sides) or ("any value" if self.type == "number" else "of 64 bits") + unit

    @property
    def type_in_words(self) -> str:
        """The JSON type, as a prefix of the bound where the type itself was wrong."""
        return {"number": "a number, ", "integer": "an integer, "}.get(self.type, "")


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
        return tuple(_field_spec(self.name, name, info) for name, info in own)

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
RESERVED_COLUMNS = frozenset({"device", "date_observed", "seq", "received_at", "area"})
LONGEST_STREAM_NAME = 50
"""leaves room for the names derived from it within PostgreSQL's 63 characters"""


@dataclass(frozen=True)
class Flaw:
    """Why a reading was rejected: a reason code and a sentence naming field, value and what would be right."""

    reason: str
    detail: str


def explain(stream: Stream, value: Any) -> Flaw | None:
    """Validate one decoded JSON value as a reading of ``stream`` by its pydantic model; None if it is valid.

    This is the slow, exact judge: ingest's columnar validator must agree with it on every input.
    """
    if not isinstance(value, dict):
        return Flaw("schema", f"a reading is {shown(value)}, must be a JSON object")
    try:
        reading = stream.adapter.validate_python(_with_integers(stream, value))
    except ValidationError as error:
        return _flaw(stream, error)
    flaw = _storage_flaw(stream, reading)
    if flaw is None and all(getattr(reading, spec.name) is None for spec in stream.fields):
        names = ", ".join(spec.name for spec in stream.fields)
        return Flaw("schema", f"the reading has no measurement, must have at least one of {names}")
    return flaw


def _with_integers(stream: Stream, value: dict[str, Any]) -> dict[str, Any]:
    """JSON has one number type: 3.0 is the integer 3."""
    changed = {
        spec.name: int(number)
        for spec in stream.fields
        if spec.type == "integer" and isinstance(number := value.get(spec.name), float) and number.is_integer()
    }
    return value | changed if changed else value


def _storage_flaw(stream: Stream, reading: Reading) -> Flaw | None:
    """What the model allows and the database cannot hold: NUL in a text, an integer of more than 64 bits."""
    for spec in stream.fields:
        value = getattr(reading, spec.name)
        if spec.type == "label" and value is not None and "\x00" in value:
            return Flaw("schema", f"{spec.name} is {shown(value)}, must be text without NUL characters")
        if spec.type == "integer" and value is not None and abs(value) > LARGEST_INTEGER:
            return Flaw("range", f"{spec.name} is {shown(value)}, must be an integer of 64 bits")
    return None


def shown(value: Any) -> str:
    """A value as it goes into an error message: JSON, bounded."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "a value nested too deeply to show"
    return text if len(text) <= 80 else text[:77] + "…"


def _plain(bound: float | None) -> str:
    return f"{bound:.15g}"


def snake_case(name: str) -> str:
    """``totalActivePower`` -> ``total_active_power``; ``h2s`` stays ``h2s``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


_RANGE_ERRORS = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
    "point_range",
    "string_too_long",
    "string_too_short",
}


_BASE_BOUNDS = {
    "dateObserved": "RFC 3339 with an offset such as +08:00 or Z, or epoch milliseconds",
    "seq": "an integer 0–9007199254740991",
}


def _flaw(stream: Stream, error: ValidationError) -> Flaw:
    details, reasons = [], []
    for item in error.errors(include_url=False, include_context=False):
        name = str(item["loc"][0]) if item["loc"] else stream.name
        spec = stream.field_by_name.get(name)
        out_of_range = item["type"] in _RANGE_ERRORS
        bound = _BASE_BOUNDS.get(name) or (spec.bound if spec else "a JSON object")
        if spec and not out_of_range:
            bound = spec.type_in_words + bound
        if item["type"] == "missing" and len(item["loc"]) == 1:
            details.append(f"{name} is missing, must be {bound}")
        else:
            where = name + "".join(f"[{part}]" if isinstance(part, int) else "" for part in item["loc"][1:])
            details.append(f"{where} is {shown(item['input'])}, must be {bound}")
        reasons.append("range" if out_of_range else "schema")
    reason = "schema" if "schema" in reasons else "range"
    return Flaw(reason, "; ".join(dict.fromkeys(details)))


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    """Strip Optional and Annotated from a type; returns the bare type and all metadata met on the way."""
    metadata: list[Any] = []
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation, *extra = typing.get_args(annotation)
            metadata += extra
        elif origin in (typing.Union, types.UnionType):
            members = [a for a in typing.get_args(annotation) if a is not type(None)]
            if len(members) != 1:
                return annotation, metadata
            annotation = members[0]
        else:
            return annotation, metadata


def _flatten(metadata: list[Any]) -> list[Any]:
    flat: list[Any] = []
    for item in metadata:
        flat.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return flat


def _field_spec(stream: str, name: str, info: FieldInfo) -> FieldSpec:
    bare, nested = _unwrap(info.annotation)
    metadata = _flatten([*nested, *info.metadata])
    values: dict[str, Any] = {"required": info.is_required(), "description": info.description or ""}
    optional = type(None) in typing.get_args(info.annotation)
    if optional == info.is_required() or (optional and info.default is not None):
        raise ContractError(f"field {name} of {stream} must be required, or optional (X | None) with default None")
    if snake_case(name) in RESERVED_COLUMNS:
        raise ContractError(f"field {name} of {stream} is a reserved name: {sorted(RESERVED_COLUMNS)}")
    for item in metadata:
        match item:
            case Unit():
                values["unit"] = item
            case Ge(ge=bound):
                values["lower"] = bound
            case Gt(gt=bound):
                values |= {"lower": bound, "exclusive_lower": True}
            case Le(le=bound):
                values["upper"] = bound
            case Lt(lt=bound):
                values |= {"upper": bound, "exclusive_upper": True}
            case MinLen(min_length=length):
                values["min_length"] = length
            case MaxLen(max_length=length):
                values["max_length"] = length
            case _ if getattr(item, "pattern", None):
                values["pattern"] = item.pattern
            case _ if item not in _MIRRORED:
                values["by_column"] = False
    if typing.get_origin(bare) is Literal:
        return FieldSpec(name, "choice", choices=typing.get_args(bare), **values)
    by_type: dict[Any, FieldType] = {float: "number", int: "integer", bool: "boolean", str: "label"}
    for mark, special in _SPECIAL:
        if mark in metadata:
            return FieldSpec(name, special, **values)
    if bare not in by_type:
        raise ContractError(
            f"field {name} of stream {stream} has type {bare}, must be float, int, bool, str, "
            "a Literal of strings, Instant or Point (optional or not)"
        )
    return FieldSpec(name, by_type[bare], **values)


_MIRRORED = [mark for of in (Instant, Point, Count) for mark in typing.get_args(of)[1:]]
"""annotations whose effect ingest's columnar validator has built in"""

_SPECIAL: tuple[tuple[Any, FieldType], ...] = (
    (typing.get_args(Instant)[1], "instant"),
    (typing.get_args(Point)[1], "point"),
)
