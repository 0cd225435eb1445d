"""The ``trace.toml`` format: its tables as pydantic models, read from text with errors that name key and value.

Described for those who write such files in ``docs/traces.md``; the two must agree.
"""

import tomllib
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from devices.contract import FieldSpec, Stream
from devices.kinds import kinds, streams
from devices.recording.conversion import UnitError, conversion

Scalar = bool | int | float | str


class TraceError(Exception):
    """A trace cannot be replayed: its folder, its data or its ``trace.toml`` is wrong. The text says where."""


def _text(value: Any) -> Any:
    """Markers and filter values may be written as TOML numbers: they are compared with the file's text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
Texts = list[Text]


class Table(BaseModel):
    """Every table refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CsvTable(Table):
    """How a text file is cut into cells."""

    separator: str = Field(default="", max_length=1)
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""
    quote: str = Field(default='"', max_length=1)
    encoding: str = "utf-8-sig"
    header: int = Field(default=1, ge=0)
    columns: list[str] = Field(default_factory=list)
    skip_after_header: int = Field(default=0, ge=0)
    comment: str = ""

    @model_validator(mode="after")
    def _separators_differ(self) -> "CsvTable":
        if self.thousands and self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}, must differ")
        return self


class DeviceTable(Table):
    """Where the device's id comes from."""

    column: str | None = None
    columns: list[str] | None = Field(default=None, min_length=1)
    template: str | None = None
    constant: str | None = None
    prefix: str = ""
    join: str = "-"
    replace: dict[str, str] = Field(default_factory=dict)
    name: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "DeviceTable":
        _exactly_one(self, "column", "columns", "template", "constant")
        return self


class TimeRules(Table):
    """How a text is read as a moment."""

    format: Annotated[list[str], BeforeValidator(_many)] = Field(default=["iso"], min_length=1)
    zone: str | None = None
    ambiguous: Literal["order", "earlier", "later"] = "order"
    nonexistent: Literal["shift", "skip"] = "shift"

    @model_validator(mode="after")
    def _zone_exists(self) -> "TimeRules":
        _check_times(self.zone, self.format)
        return self


class TimeTable(TimeRules):
    """Which column or columns say when a row was observed."""

    column: str | None = None
    columns: list[str] | None = Field(default=None, min_length=1)
    join: str = " "
    file_order: Literal["ascending", "descending"] = "ascending"

    @model_validator(mode="after")
    def _one_way(self) -> "TimeTable":
        _exactly_one(self, "column", "columns")
        return self


class PointTable(Table):
    """A place: two columns, or one with both coordinates."""

    latitude: str | None = None
    longitude: str | None = None
    column: str | None = None
    order: Literal["lat,lon", "lon,lat"] = "lat,lon"
    missing: Texts = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_way(self) -> "PointTable":
        if (self.column is None) == (self.latitude is None or self.longitude is None):
            raise ValueError("a place needs either column, or both latitude and longitude")
        return self


class FieldTable(PointTable):
    """Where one wire field comes from and how its text becomes a value."""

    constant: Scalar | None = None
    minus: str | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    map: dict[str, Scalar] = Field(default_factory=dict)
    otherwise: Scalar | None = None
    optional: bool = False
    format: Annotated[list[str], BeforeValidator(_many)] | None = None
    zone: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "FieldTable":
        if self.constant is not None:
            if self.column or self.latitude or self.longitude:
                raise ValueError("constant stands alone, without column, latitude or longitude")
            return self
        if (self.column is None) == (self.latitude is None or self.longitude is None):
            raise ValueError("needs column, or constant, or (for a place) latitude and longitude")
        if self.unit is not None and (self.scale != 1.0 or self.offset != 0.0):
            raise ValueError("unit and scale/offset exclude each other")
        if self.otherwise is not None and not self.map:
            raise ValueError("otherwise needs a map")
        _check_times(self.zone, self.format or [])
        return self


def _field(value: Any) -> Any:
    """``field = "Column"`` is short for ``field = { column = "Column" }``."""
    return {"column": value} if isinstance(value, str) else value


class WhereTable(Table):
    """A row is used only if this holds."""

    column: str
    equals: Text | None = None
    not_equals: Text | None = None
    is_in: Texts | None = Field(default=None, alias="in")
    not_in: Texts | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "WhereTable":
        _exactly_one(self, "equals", "not_equals", "is_in", "not_in")
        return self


class SourceTable(Table):
    """One sort of files of a trace, all with the same columns."""

    files: Annotated[list[str], BeforeValidator(_many)] = Field(min_length=1)
    format: Literal["csv", "gtfs-realtime"] = "csv"
    kind: str | None = None
    event: str | None = None
    stream: str | None = None
    csv: CsvTable = Field(default_factory=CsvTable)
    device: DeviceTable
    time: TimeTable
    fields: dict[str, Annotated[FieldTable, BeforeValidator(_field)]] = Field(min_length=1)
    missing: Texts = Field(default_factory=list)
    where: list[WhereTable] = Field(default_factory=list)
    location: PointTable | None = None
    seq: str | None = None
    area: str | None = None

    @model_validator(mode="after")
    def _fits_the_contract(self) -> "SourceTable":
        stream = self.of_stream
        for name, table in self.fields.items():
            spec = stream.field_by_name.get(name)
            if spec is None:
                known = ", ".join(stream.field_by_name)
                raise ValueError(f"fields.{name}: stream {stream.name} has no such field, must be one of {known}")
            _check_field(name, spec, table)
        return self

    @property
    def of_stream(self) -> Stream:
        """The stream its rows are readings of."""
        if (self.stream is None) == (self.kind is None):
            raise ValueError("needs either kind (with event, where the rows are events) or stream")
        name = self.stream or (f"{self.kind}_{self.event}" if self.event else self.kind)
        if name not in streams():
            wrong = f"stream {name!r}" if self.stream or self.event else f"kind {name!r}"
            raise ValueError(f"{wrong} is not known; kinds: {', '.join(kinds())}; streams: {', '.join(streams())}")
        return streams()[str(name)]


class AreasTable(Table):
    """Which areas of the city the devices stand in."""

    rule: Literal["hash", "round_robin", "column", "constant"] = "hash"
    within: Annotated[Texts, BeforeValidator(_many)] = Field(default_factory=list)
    code: Text | None = None

    @model_validator(mode="after")
    def _code_for_constant(self) -> "AreasTable":
        if (self.rule == "constant") != (self.code is not None):
            raise ValueError("code is needed for, and only for, rule = 'constant'")
        if self.within and self.rule not in ("hash", "round_robin"):
            raise ValueError("within goes with rule = 'hash' or 'round_robin'")
        return self


class TraceFile(Table):
    """A whole ``trace.toml``."""

    name: str | None = Field(default=None, min_length=1, max_length=128)
    title: str = ""
    licence: str = ""
    attribution: str = ""
    areas: AreasTable = Field(default_factory=AreasTable)
    source: list[SourceTable] = Field(min_length=1)

    @model_validator(mode="after")
    def _area_column(self) -> "TraceFile":
        for number, source in enumerate(self.source, start=1):
            if (self.areas.rule == "column") != (source.area is not None):
                raise ValueError(f"source {number}: area (a column) is needed for, and only for, areas.rule = 'column'")
        return self


def _check_times(zone: str | None, formats: list[str]) -> None:
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"zone is {zone!r}, must be a name such as Europe/London or UTC") from None
    for form in formats:
        if form not in ("iso", "epoch_s", "epoch_ms", "epoch_us") and "%" not in form:
            raise ValueError(
                f"format is {form!r}, must be iso, epoch_s, epoch_ms, epoch_us or a pattern such as %d/%m/%Y %H:%M"
            )


def _exactly_one(table: BaseModel, *names: str) -> None:
    given = [name for name in names if getattr(table, name) is not None]
    if len(given) != 1:
        shown = [name.removeprefix("is_") for name in names]
        raise ValueError(f"has {given or 'none'} of {', '.join(shown)}, must have exactly one")


def _check_field(name: str, spec: FieldSpec, table: FieldTable) -> None:
    if spec.type != "point" and (table.latitude or table.longitude):
        raise ValueError(f"fields.{name}: latitude and longitude are for places, this is a {spec.type}")
    if spec.type != "instant" and (table.format or table.zone):
        raise ValueError(f"fields.{name}: format and zone are for times, this is a {spec.type}")
    if spec.type not in ("number", "integer") and (table.unit or table.minus or table.scale != 1 or table.offset):
        raise ValueError(f"fields.{name}: unit, scale, offset and minus are for numbers, this is a {spec.type}")
    if table.unit is not None:
        try:
            conversion(table.unit, spec.unit.symbol if spec.unit else "")
        except UnitError as error:
            raise ValueError(f"fields.{name}: {error}") from None


_SHARED = frozenset(SourceTable.model_fields) - {"files"}


def parse_trace(text: str, source: str) -> TraceFile:
    """A trace.toml from its text; raises TraceError naming file, key, value and what would be right.

    What stands at the top of the file holds for every ``[[source]]`` that does not say the same key itself; a
    file without ``[[source]]`` is one source.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TraceError(f"{source}: is not TOML: {error}") from error
    shared = {key: document.pop(key) for key in list(document) if key in _SHARED}
    if "source" not in document:
        document["source"] = [{**shared, **({"files": document.pop("files")} if "files" in document else {})}]
    elif isinstance(document["source"], list):
        tables = [table if isinstance(table, dict) else {} for table in document["source"]]
        document["source"] = [{**shared, **table} for table in tables]
    try:
        return TraceFile.model_validate(document)
    except ValidationError as error:
        wrong = [f"{source}: {_in_words(item)}" for item in error.errors(include_url=False)]
        raise TraceError("\n".join(wrong)) from None


def _in_words(item: Any) -> str:
    parts = [str(part + 1) if isinstance(part, int) else str(part) for part in item["loc"]]
    key = ".".join(part for part in parts if not part.startswith("function-")) or "the file"
    if item["type"] == "missing":
        return f"{key} is missing"
    if item["type"] == "extra_forbidden":
        return f"{key} is not a key of trace.toml here (docs/traces.md lists them)"
    if item["type"] == "value_error":
        return f"{key}: {item['ctx']['error']}"
    return f"{key} is {item['input']!r}: {item['msg'][:1].lower()}{item['msg'][1:]}"
