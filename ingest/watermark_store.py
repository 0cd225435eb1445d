"""The SQL of watermarks: move them in the transaction of the readings, read them to tell them again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from devices.units import EPOCH, MICROSECOND, format_instant
from ingest.numbering import Numbers
from ingest.registry import Device
from ingest.watermark import Watermark

_COLUMNS = "device, stream, committed, highest, above, since"
_Row = tuple[int, str, int, int, list[int], datetime | None]


@dataclass(frozen=True)
class Standing:
    """A device's watermark in one stream."""

    device: Device
    stream: str
    watermark: Watermark


def move_watermarks(connection: psycopg.Connection, settled: Sequence[Numbers]) -> list[Standing]:
    """Add settled numbers, within the present transaction; returns where the watermarks stand then."""
    if not settled:
        return []
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM watermarks WHERE device = ANY(%s) FOR UPDATE",  # noqa: S608 - own constant
        [sorted({numbers.device.key for numbers in settled})],
    )
    known = _by_key(rows)
    moved = []
    for numbers in settled:
        before = known.get((numbers.device.key, numbers.stream))
        watermark = Watermark.start(numbers.asked) if before is None else before.moved(numbers.asked)
        moved.append(Standing(numbers.device, numbers.stream, watermark.joined(numbers.ranges)))
    changed = [s for s in moved if s.watermark != known.get((s.device.key, s.stream))]
    if changed:
        connection.execute(
            "INSERT INTO watermarks (device, stream, committed, highest, above, since)"
            " SELECT device, stream, committed, highest, above::bigint[], since"
            " FROM unnest(%s::integer[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[])"
            " AS moved (device, stream, committed, highest, above, since)"
            " ON CONFLICT (device, stream) DO UPDATE SET committed = excluded.committed, highest = excluded.highest,"
            " above = excluded.above, since = excluded.since, updated_at = now()",
            [list(column) for column in zip(*map(_row, changed), strict=True)],
        )
    return moved


def read_watermarks(connection: psycopg.Connection, devices: Collection[int]) -> dict[tuple[int, str], Watermark]:
    """The watermarks of devices (by key) in all streams of which anything is committed."""
    return _by_key(
        connection.execute(
            f"SELECT {_COLUMNS} FROM watermarks WHERE device = ANY(%s)",  # noqa: S608 - own constant
            [list(devices)],
        )
    )


def _by_key(rows: psycopg.Cursor[tuple[object, ...]]) -> dict[tuple[int, str], Watermark]:
    found: list[_Row] = rows.fetchall()  # type: ignore[assignment] # the columns' own types
    return {
        (device, stream): Watermark(
            committed,
            highest,
            tuple(zip(above[::2], above[1::2], strict=True)),
            None if since is None else (since - EPOCH) // MICROSECOND,
        )
        for device, stream, committed, highest, above, since in found
    }


def _row(standing: Standing) -> tuple[object, ...]:
    watermark = standing.watermark
    above = "{" + ",".join(f"{first},{last}" for first, last in watermark.above) + "}"
    since = None if watermark.since is None else format_instant(watermark.since)
    return standing.device.key, standing.stream, watermark.committed, watermark.highest, above, since
