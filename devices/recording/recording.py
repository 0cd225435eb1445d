"""A whole trace in memory: its readings in order of time, its devices, and what was left out and why."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from devices.city import City
from devices.contract import Stream
from devices.recording.format import TraceError, TraceFile
from devices.recording.mapping import Mapped, Mapper, Skipped
from devices.recording.placing import place
from devices.recording.schedule import least_gap, median_gap
from devices.recording.tables import Sheet, open_sheet, source_files
from devices.units import format_instant

EXAMPLES = 3
INTERVAL_S = (1.0, 31_536_000.0)

REASONS = {
    "time": "time cannot be read",
    "device": "device cannot be read",
    "cells": "more cells than columns",
    "seq": "seq cannot be read",
    "empty": "every measurement is missing",
    "where": "left out by a where filter",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A reading of the recording: ``fields`` is its JSON without dateObserved, ``instants`` (name, distance in µs)."""

    time: int
    stream: Stream
    device: str
    fields: bytes
    instants: tuple[tuple[str, int], ...] = ()

    def payload(self, observed: int) -> bytes:
        """The reading as JSON, observed at ``observed``; times within it keep their distance to it."""
        moved = "".join(f',"{name}":"{format_instant(observed + away)}"' for name, away in self.instants)
        head = f'{{"dateObserved":"{format_instant(observed)}"{moved}'.encode()
        return head + b"}" if self.fields == b"{}" else head + b"," + self.fields[1:]


@dataclass
class Device:
    """What the rows say of one device; ``times`` are those of its readings, by stream."""

    kind: str
    fields: dict[str, None] = field(default_factory=dict)
    times: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    location: dict[str, Any] | None = None
    name: str | None = None
    area_column: str = ""


@dataclass
class Tally:
    """Rows read, and skipped by reason with the first examples."""

    read: int = 0
    skipped: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def skip(self, reason: str, example: str) -> None:
        self.skipped[reason] += 1
        if len(self.examples[reason]) < EXAMPLES:
            self.examples[reason].append(example)


@dataclass
class Recording:
    """A trace, read: ``rows`` are in order of time, equal times in order of the files."""

    name: str
    rows: list[Row]
    devices: dict[str, Device]
    areas: dict[str, str]
    tally: Tally

    @property
    def first(self) -> int:
        return self.rows[0].time

    @property
    def last(self) -> int:
        return self.rows[-1].time

    @cached_property
    def least_gap(self) -> int | None:
        """The shortest distance of two different times of one device, in µs."""
        return least_gap(own for device in self.devices.values() for own in device.times.values())

    def births(self, speed: float) -> list[tuple[str, str, dict[str, Any]]]:
        """(kind, device, meta) of every device, for a replay ``speed`` times as fast."""
        return [(device.kind, name, self._meta(name, device, speed)) for name, device in sorted(self.devices.items())]

    def _meta(self, name: str, device: Device, speed: float) -> dict[str, Any]:
        attributes: dict[str, Any] = {"trace": self.name, "measures": list(device.fields)}
        gap = median_gap(device.times[device.kind]) or self._usual_gap
        if gap is not None:
            attributes["reportingInterval"] = min(max(INTERVAL_S[0], round(gap / speed, 3)), INTERVAL_S[1])
        meta: dict[str, Any] = {"area": self.areas[name], "attributes": attributes}
        if device.name is not None:
            meta["name"] = device.name
        if device.location is not None:
            meta["location"] = device.location
        return meta

    @cached_property
    def _usual_gap(self) -> float | None:
        """The median of the devices' median gaps: for a device with a single row."""
        gaps = sorted(gap for device in self.devices.values() if (gap := median_gap(device.times[device.kind])))
        return gaps[len(gaps) // 2] if gaps else None


def read_recording(folder: Path, trace: TraceFile, city: City) -> Recording:
    """Read all files of a trace. Raises TraceError; rows that give no reading are counted, with examples."""
    reader = _Reader()
    for source in trace.source:
        mapper = Mapper(source)
        for path in source_files(folder, source):
            reader.read(mapper, open_sheet(path, source))
    rows = sorted(reader.rows, key=lambda row: row.time)
    if not rows:
        raise TraceError(f"{folder}: not one of its {reader.tally.read} rows gives a reading: {in_words(reader.tally)}")
    columns = {name: device.area_column for name, device in reader.devices.items()}
    areas = place(list(reader.devices), trace.areas, city, columns)
    return Recording(trace.name or folder.name, rows, reader.devices, areas, reader.tally)


def in_words(tally: Tally) -> str:
    """Why rows were skipped, how many, and the first examples; empty when none were."""
    parts = []
    for reason, count in tally.skipped.items():
        shown = "" if reason in ("empty", "where") else ": " + "; ".join(tally.examples[reason])
        parts.append(f"{count} skipped, {REASONS[reason]}{shown}")
    return "\n".join(parts)


class _Reader:
    """Collects the rows of all files."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.devices: dict[str, Device] = {}
        self.tally = Tally()

    def read(self, mapper: Mapper, sheet: Sheet) -> None:
        mapper.enter(sheet.columns, str(sheet.path))
        numbered = list(sheet.rows)
        if mapper.source.time.file_order == "descending":
            numbered.reverse()
        for number, cells in numbered:
            self.tally.read += 1
            try:
                mapped = mapper.map(cells)
                self._take(mapper, cells, mapped)
            except Skipped as skipped:
                self.tally.skip(skipped.reason, f"{sheet.path.name} line {number}: {skipped}")

    def _take(self, mapper: Mapper, cells: Sequence[str], mapped: Mapped) -> None:
        stream = mapper.stream
        device = self.devices.get(mapped.device)
        if device is None:
            device = self.devices[mapped.device] = Device(stream.kind)
        elif device.kind != stream.kind:
            raise TraceError(
                f"device {mapped.device!r} is a {device.kind} in one source and a {stream.kind} in another; "
                "give one of them another id (device.prefix)"
            )
        fields = self._numbered(mapper, cells, mapped.fields)
        device.fields |= dict.fromkeys((*mapped.fields, *mapped.instants))
        device.times[stream.name].append(mapped.time)
        device.location = device.location or mapper.location(cells)
        device.name = device.name or mapper.name(cells)
        if mapper.area is not None:
            device.area_column = device.area_column or mapper.area(cells)
        instants = tuple((name, at - mapped.time) for name, at in mapped.instants.items())
        self.rows.append(Row(mapped.time, stream, mapped.device, orjson.dumps(fields), instants))

    def _numbered(self, mapper: Mapper, cells: Sequence[str], fields: dict[str, Any]) -> dict[str, Any]:
        if mapper.source.seq is None:
            return fields
        if mapper.seq is None:
            return {"seq": self.tally.read, **fields}
        text = mapper.seq(cells)
        if not (text.isascii() and text.isdigit()):
            raise Skipped("seq", f"seq is {text!r}, must be a whole number")
        return {"seq": int(text), **fields}
