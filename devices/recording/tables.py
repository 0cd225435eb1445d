"""Reads the data files of a trace into rows of text: separated values, plain or gzipped, and GTFS-realtime."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.recording.format import CsvTable, SourceTable, TraceError

_SEPARATORS = {".tsv": "\t", ".tab": "\t", ".csv": ","}

GTFS_COLUMNS = (
    "entity_id", "trip_id", "route_id", "direction_id", "start_date", "start_time", "vehicle_id", "vehicle_label",
    "license_plate", "latitude", "longitude", "bearing", "odometer", "speed", "current_stop_sequence", "stop_id",
    "current_status", "timestamp", "congestion_level", "occupancy_status", "header_timestamp",
)  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """One data file: its column names and its rows, each with the number a reader would find it by."""

    path: Path
    columns: tuple[str, ...]
    rows: Iterable[tuple[int, Sequence[str]]]


def source_files(folder: Path, source: SourceTable) -> list[Path]:
    """The files of a source, in order of name. A pattern also finds the gzipped form of what it names."""
    found = {path for pattern in source.files for form in (pattern, f"{pattern}.gz") for path in folder.glob(form)}
    files = sorted(path for path in found if path.is_file())
    if not files:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:12]) or "nothing"
        raise TraceError(f"{folder}: no file matches {', '.join(source.files)}; there is {there}")
    return files


def open_sheet(path: Path, source: SourceTable) -> Sheet:
    """A file as rows of text. Raises TraceError naming the file when it cannot be read as what it should be."""
    content = _content(path)
    if source.format == "gtfs-realtime":
        return Sheet(path, GTFS_COLUMNS, list(_vehicle_rows(path, content)))
    try:
        text = content.decode(source.csv.encoding)
    except UnicodeDecodeError as error:
        at = content.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}: line {at} is not {source.csv.encoding} ({error.reason}); set csv.encoding") from None
    except LookupError:
        raise TraceError(f"csv.encoding is {source.csv.encoding!r}, must be one such as utf-8 or latin-1") from None
    return _csv_sheet(path, text, source.csv)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise TraceError(f"{path}: cannot be read whole: {error}") from error


def _csv_sheet(path: Path, text: str, table: CsvTable) -> Sheet:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    separator = table.separator or _SEPARATORS.get(suffix.lower(), ",")
    lines = io.StringIO(text, newline="")
    reader = csv.reader(
        lines,
        delimiter=separator,
        quotechar=table.quote or None,
        quoting=csv.QUOTE_MINIMAL if table.quote else csv.QUOTE_NONE,
        skipinitialspace=separator != " ",
    )
    rows = _numbered(path, reader, table.comment)
    # Lines above the header are free text, not cells: they are skipped as lines.
    for _ in range(table.header - 1):
        lines.readline()
    columns = [name.strip() for name in table.columns]
    if table.header > 0:
        header = next(rows, None)
        if header is None:
            raise TraceError(f"{path}: has no line {table.header} to be the header (csv.header)")
        columns = columns or [name.strip() for name in header[1]]
    for _ in range(table.skip_after_header):
        next(rows, None)
    above = max(table.header - 1, 0)
    return Sheet(path, tuple(columns), ((number + above, cells) for number, cells in rows))


def _numbered(path: Path, reader: Any, comment: str) -> Iterator[tuple[int, Sequence[str]]]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TraceError(f"{path}: line {reader.line_num} is not separated values: {error}") from error
        blank = not cells or (len(cells) == 1 and not cells[0].strip())
        if not blank and not (comment and cells[0].startswith(comment)):
            yield reader.line_num, cells


def _vehicle_rows(path: Path, content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """One row per vehicle position of a GTFS-realtime feed message; what the message leaves out is empty."""
    from google.protobuf.message import DecodeError
    from google.transit import gtfs_realtime_pb2

    feed = gtfs_realtime_pb2.FeedMessage()
    try:
        feed.ParseFromString(content)
    except DecodeError as error:
        raise TraceError(f"{path}: is not a GTFS-realtime message: {error}") from error
    for number, entity in enumerate(feed.entity, start=1):
        if not entity.HasField("vehicle"):
            continue
        vehicle = entity.vehicle
        cells = [entity.id]
        cells += _given(vehicle.trip, "trip_id", "route_id", "direction_id", "start_date", "start_time")
        cells += _given(vehicle.vehicle, "id", "label", "license_plate")
        cells += _given(vehicle.position, "latitude", "longitude", "bearing", "odometer", "speed")
        cells += _given(vehicle, "current_stop_sequence", "stop_id", "current_status", "timestamp")
        cells += _given(vehicle, "congestion_level", "occupancy_status")
        yield number, [*cells, str(feed.header.timestamp)]


def _given(message: Any, *names: str) -> list[str]:
    return [str(getattr(message, name)) if message.HasField(name) else "" for name in names]
