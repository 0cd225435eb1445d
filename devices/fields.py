"""One measurement field as its declaration says it: type, unit, bounds, SQL columns."""

import re
import types
import typing
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from devices.units import Count, Instant, Point, Unit

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
RESERVED_COLUMNS = frozenset({"device", "date_observed", "seq", "received_at", "area"})


class ContractError(Exception):
    """A kind's file declares something the contract cannot carry."""


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
            return 'a GeoJSON Point (longitude, latitude) such as {"type": "Point", "coordinates": [121.47, 31.23]}'
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


def _plain(bound: float | None) -> str:
    return f"{bound:.15g}"


def snake_case(name: str) -> str:
    """``totalActivePower`` -> ``total_active_power``; ``h2s`` stays ``h2s``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


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


def field_spec(stream: str, name: str, info: FieldInfo) -> FieldSpec:
    """Read a field of a stream's model; raises ContractError for what the contract cannot carry."""
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
