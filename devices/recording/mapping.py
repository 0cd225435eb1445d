"""Turns a row of text into a reading, as the tables of ``trace.toml`` say. Pure; knows columns, not files.

A cell that is a missing marker gives no value. A cell that cannot be read as its field's type goes out as the text
it is, so that the system, not the replay, rejects it and says why.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from devices.contract import FieldSpec, Stream
from devices.recording.conversion import Conversion, conversion, number_reader
from devices.recording.format import FieldTable, PointTable, SourceTable, TimeRules, TraceError, WhereTable
from devices.recording.times import TimeError, TimeReader
from devices.topics import device_flaw
from devices.units import format_point

_COLUMN = re.compile(r"\{([^{}]+)\}")
_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "1", "on"}), frozenset({"false", "f", "no", "n", "0", "off"})


class Skipped(Exception):  # noqa: N818 - an answer, not an error
    """A row gives no reading; ``reason`` is what it is counted under."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Mapped:
    """A row as a reading: when (µs since 1970, of the recording), of which device, with which fields.

    ``instants`` are fields that are times themselves, in µs since 1970 of the recording.
    """

    time: int
    device: str
    fields: dict[str, Any]
    instants: dict[str, int]


class Columns:
    """The columns of one file: found by name (letter case and outer blanks do not matter) or as ``#n``, from 1."""

    def __init__(self, names: Sequence[str], where: str) -> None:
        self._where, self._names = where, names
        self._index = {name.strip().casefold(): i for i, name in reversed(list(enumerate(names)))}

    def find(self, name: str) -> int | None:
        if name.startswith("#") and name[1:].isdigit() and int(name[1:]) > 0:
            return int(name[1:]) - 1
        return self._index.get(name.strip().casefold())

    def index(self, name: str) -> int:
        found = self.find(name)
        if found is None:
            raise TraceError(f"{self._where}: has no column {name!r}; its columns are {', '.join(self._names)}")
        return found


Cells = Sequence[str]
Cell = Callable[[Cells], str]


class Mapper:
    """Maps the rows of one source; ``columns`` are those of the file at hand, set by ``enter``."""

    def __init__(self, source: SourceTable) -> None:
        self.source = source
        self.stream: Stream = source.of_stream
        self._time = TimeReader(source.time)
        self._ids: dict[str, str] = {}
        self._number = number_reader(source.csv.decimal, source.csv.thousands)
        self._instants = {
            name: TimeReader(_instant_rules(table, source.time))
            for name, table in source.fields.items()
            if self.stream.field_by_name[name].type == "instant"
        }

    def enter(self, names: Sequence[str], where: str) -> None:
        """Look up the columns of the next file. Raises TraceError naming a column that is not there."""
        self._columns = Columns(names, where)
        source = self.source
        self._width = len(names)
        self._device = self._text(
            _template(source.device.column, source.device.columns, source.device.join, source.device.template)
        )
        self._name = self._text(source.device.name) if source.device.name else None
        self._moment = self._text(_template(source.time.column, source.time.columns, source.time.join, None))
        self._where = [_condition(self._cell(table.column), table) for table in source.where]
        self._fields = [
            (name, value)
            for name, table in source.fields.items()
            if (value := self._field(self.stream.field_by_name[name], table)) is not None
        ]
        self._location = self._point(source.location) if source.location else None
        self.seq = self._cell(source.seq) if source.seq not in (None, "row") else None
        self.area = self._cell(source.area) if source.area else None

    def map(self, cells: Cells) -> Mapped:
        """A row's reading. Raises Skipped saying why there is none."""
        if self._width and len(cells) > self._width and any(cell.strip() for cell in cells[self._width :]):
            raise Skipped("cells", f"row has {len(cells)} cells, the header has {self._width}")
        if not all(holds(cells) for holds in self._where):
            raise Skipped("where", "the row is filtered out")
        device = self.device(cells)
        try:
            time = self._time.read(self._moment(cells), device)
        except TimeError as error:
            raise Skipped("time", str(error)) from None
        fields: dict[str, Any] = {}
        instants: dict[str, int] = {}
        for name, value in self._fields:
            found = value(cells)
            if found is None:
                continue
            fields[name] = found
            if name in self._instants and isinstance(found, str):
                try:
                    instants[name] = self._instants[name].read(found, device)
                    del fields[name]
                except TimeError:
                    continue  # the text goes out as it is, for the system to reject
        if not fields and not instants:
            raise Skipped("empty", "no measurement is left: all are missing")
        return Mapped(time, device, fields, instants)

    def device(self, cells: Cells) -> str:
        """A row's device id. Raises Skipped when it cannot be one."""
        constant = self.source.device.constant
        text = constant if constant is not None else self._device(cells).strip()
        known = self._ids.get(text)
        if known is None:
            known = self._ids[text] = self._device_id(text)
        return known

    def _device_id(self, device: str) -> str:
        table = self.source.device
        markers = [marker.strip() for marker in self.source.missing if self._number(marker) is None]
        if device == "" or device in markers:
            raise Skipped("device", f"device is {device!r}, must not be missing")
        for old, new in table.replace.items():
            device = device.replace(old, new)
        device = table.prefix + device
        flaw = device_flaw(device)
        if flaw is not None:
            raise Skipped("device", f"{flaw.detail} (device.replace may help)")
        return device

    def location(self, cells: Cells) -> dict[str, Any] | None:
        found = self._location(cells) if self._location else None
        return found if isinstance(found, dict) else None

    def name(self, cells: Cells) -> str | None:
        return (self._name(cells).strip() or None) if self._name else None

    def _cell(self, column: str) -> Cell:
        index = self._columns.index(column)
        return lambda cells: cells[index].strip() if index < len(cells) else ""

    def _text(self, template: str) -> Cell:
        """A template's text with every ``{column}`` replaced by that column's cell."""
        parts = _COLUMN.split(template)
        if len(parts) == 3 and parts[0] == parts[2] == "":
            return self._cell(parts[1])
        cells_of = [self._cell(part) if i % 2 else None for i, part in enumerate(parts)]

        def text(cells: Cells) -> str:
            return "".join(part if cell is None else cell(cells) for part, cell in zip(parts, cells_of, strict=True))

        return text

    def _missing(self, own: Sequence[str]) -> Callable[[str, float | None], bool]:
        """Whether a cell's text, or the number it reads as, is a missing marker; empty always is."""
        markers = [marker.strip() for marker in (*self.source.missing, *own)]
        texts = frozenset({"", *markers})
        numbers = frozenset(value for marker in markers if (value := self._number(marker)) is not None)
        return lambda text, number: text in texts or number in numbers

    def _field(self, spec: FieldSpec, table: FieldTable) -> Callable[[Cells], Any] | None:
        if table.constant is not None:
            return lambda cells: table.constant
        needed = [name for name in (table.column, table.latitude, table.longitude, table.minus) if name]
        if table.optional and any(self._columns.find(name) is None for name in needed):
            return None
        if spec.type == "point":
            return self._point(table)
        cell, missing = self._cell(table.column or ""), self._missing(table.missing)
        if spec.type in ("number", "integer"):
            return self._numeric(cell, spec, table)

        def value(cells: Cells) -> Any:
            text = cell(cells)
            if missing(text, None):
                return None
            if table.map:
                return table.map.get(text, text if table.otherwise is None else table.otherwise)
            return _boolean(text) if spec.type == "boolean" else text

        return value

    def _numeric(self, cell: Cell, spec: FieldSpec, table: FieldTable) -> Callable[[Cells], Any]:
        convert, missing = _conversion(spec, table), self._missing(table.missing)
        keep = convert.is_identity
        minus = self._cell(table.minus) if table.minus else None

        def value(cells: Cells) -> Any:
            text = cell(cells)
            number = self._number(text)
            if missing(text, number):
                return None
            if text in table.map:
                return table.map[text]
            if number is None:
                return table.otherwise if table.map and table.otherwise is not None else text
            if minus is not None:
                other = minus(cells)
                less = self._number(other)
                if missing(other, less):
                    return None
                if less is None:
                    return other
                number -= less
            return number if keep else convert(number)

        return value

    def _point(self, table: PointTable) -> Callable[[Cells], Any]:
        missing = self._missing(table.missing)
        if table.column is not None:
            both = self._cell(table.column)
            lat_first = table.order == "lat,lon"

            def split(cells: Cells) -> tuple[str, str]:
                first, _, second = re.sub(r"[()\[\]]", "", both(cells)).partition(",")
                return (first, second) if lat_first else (second, first)
        else:
            latitude, longitude = self._cell(table.latitude or ""), self._cell(table.longitude or "")

            def split(cells: Cells) -> tuple[str, str]:
                return latitude(cells), longitude(cells)

        def value(cells: Cells) -> Any:
            lat, lon = (text.strip() for text in split(cells))
            y, x = self._number(lat), self._number(lon)
            if missing(lat, y) or missing(lon, x):
                return None
            if x is None or y is None:
                return f"{lat}, {lon}"
            return format_point((float(x), float(y)))

        return value


def _template(column: str | None, columns: list[str] | None, join: str, template: str | None) -> str:
    if template is not None:
        return template
    return join.join(f"{{{name}}}" for name in ([column] if column is not None else columns or []))


def _instant_rules(table: FieldTable, time: TimeRules) -> TimeRules:
    return TimeRules(
        format=table.format or time.format,
        zone=table.zone or time.zone,
        ambiguous=time.ambiguous,
        nonexistent=time.nonexistent,
    )


def _conversion(spec: FieldSpec, table: FieldTable) -> Conversion:
    if table.unit is not None:
        return conversion(table.unit, spec.unit.symbol if spec.unit else "")
    return Conversion(factor=table.scale, after=table.offset)


def _boolean(text: str) -> bool | str:
    lower = text.casefold()
    return True if lower in _TRUE else False if lower in _FALSE else text


def _condition(cell: Cell, table: WhereTable) -> Callable[[Cells], bool]:
    if table.equals is not None:
        return lambda cells: cell(cells) == table.equals
    if table.not_equals is not None:
        return lambda cells: cell(cells) != table.not_equals
    if table.is_in is not None:
        allowed = frozenset(table.is_in)
        return lambda cells: cell(cells) in allowed
    barred = frozenset(table.not_in or ())
    return lambda cells: cell(cells) not in barred
