"""What processing's tests are made of: a city of two districts and three streets, its devices, and their readings."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg

from devices.area import parse_areas
from devices.city import City, build_city
from devices.kinds import kinds, streams
from devices.outline import parse_outlines
from ingest.batch import Batch
from ingest.columns import Columns
from ingest.database import declared_columns
from ingest.packing import pack
from ingest.registry import Device
from processing.engine import Engine, Snapshot
from processing.indicators import DOMAINS, INDICATORS
from processing.method import Domain, Indicator
from processing.usual import Usual

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
NOW = 1_795_132_800 * SECOND
"""2026-11-20T00:00:00Z"""

#              990000 city
#        990101         990102      districts
#  990101001 …002     990102001     streets
AREAS = ("990000", "990101", "990102", "990101001", "990101002", "990102001")
CITY, EAST, WEST, FIRST, SECOND_STREET, THIRD = range(6)
PARENTS = np.array([-1, 0, 0, 1, 1, 2], np.int32)
STREETS = AREAS[3:]

AREAS_CSV = """code,level,parent,name_zh,name_en
{0},city,,小城,Smallville
{1},district,{0},东区,East
{2},district,{0},西区,West
{3},street,{1},甲街,First
{4},street,{1},乙街,Second
{5},street,{2},丙街,Third
"""


def city_files(code: str = "99") -> dict[str, str]:
    """The three files of a small city's folder; ``code`` (two digits) begins every code, so that cities differ."""
    codes = [code + area[2:] for area in AREAS]
    features = [_square(codes[1], 121.0), _square(codes[2], 121.1)]
    return {
        "areas.csv": AREAS_CSV.format(*codes),
        "districts.geojson": json.dumps({"type": "FeatureCollection", "features": features}),
        "city.toml": f'code = "{codes[0]}"\ntimezone = "Asia/Shanghai"\ncentre = [121.1, 31.05]\n'
        '[map_note]\nzh = "示意"\nen = "Schematic"\n',
    }


def small_city(code: str = "99") -> City:
    files = city_files(code)
    return build_city(files["city.toml"], parse_areas(files["areas.csv"]), parse_outlines(files["districts.geojson"]))


def _square(code: str, west: float) -> dict[str, Any]:
    ring = [[west, 31.0], [west + 0.1, 31.0], [west + 0.1, 31.1], [west, 31.1], [west, 31.0]]
    return {
        "type": "Feature",
        "properties": {"code": code, "label": [west + 0.05, 31.05]},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def device(key: int, kind: str, area: int = FIRST, **attributes: Any) -> Device:
    return Device(key, f"{kind}-{key}", kind, AREAS[area], attributes=attributes)


def batch(stream: str, rows: Sequence[tuple[int, dict[str, Any]]]) -> Batch:
    """Readings as ingest hands them over; a row is (device key, wire object) with ``dateObserved`` in epoch ms."""
    declared = streams()[stream]
    columns = Columns(declared, [value for _, value in rows])
    assert columns.valid.all(), [value for (_, value), good in zip(rows, columns.valid, strict=True) if not good]
    count = len(rows)
    return Batch(
        stream=declared,
        device=np.array([key for key, _ in rows], np.int32),
        time=columns.time,
        seq=columns.seq,
        received=columns.time + SECOND,
        columns=columns.columns,
        source=np.zeros(count, np.int32),
        item=np.full(count, -1, np.int32),
        texts=columns.texts,
    )


def observed(seconds: float, **fields: Any) -> dict[str, Any]:
    """A reading some seconds before (negative) or after NOW."""
    return {"dateObserved": round(NOW / 1000 + seconds * 1000), **fields}


def instant(seconds: float) -> int:
    """Epoch milliseconds of an instant some seconds from NOW."""
    return round(NOW / 1000 + seconds * 1000)


def engine(
    devices: Iterable[Device] = (),
    indicators: Sequence[Indicator] = INDICATORS,
    domains: Sequence[Domain] = DOMAINS,
) -> Engine:
    made = Engine(AREAS, PARENTS, kinds(), indicators, domains, Usual(AREAS, ZoneInfo("Asia/Shanghai")))
    made.register(devices)
    return made


def store(connection: psycopg.Connection, devices: Iterable[Device], *batches: Batch) -> None:
    """Put devices and readings into their tables, past ingest."""
    for d in devices:
        connection.execute(
            "INSERT INTO devices (key, id, kind, area, attributes) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s)",
            [d.key, d.id, d.kind, d.area, json.dumps(d.attributes)],
        )
    for made in batches:
        names = ", ".join(["device", "date_observed", "seq", "received_at", *declared_columns(made.stream)])
        statement = f"COPY {made.stream.name} ({names}) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in pack(made):
                copy.write(block)


def digest(snapshot: Snapshot) -> dict[str, bytes]:
    """All numbers of a snapshot as bytes, to compare two for identity."""
    parts: dict[str, bytes] = {"at": str(snapshot.at).encode(), "version": snapshot.method_version.encode()}
    groups = [("composite", snapshot.composite), *snapshot.indicators.items(), *snapshot.domains.items()]
    for name, values in groups:
        for field in ("value", "score", "coverage", "freshness", "reason", "base"):
            parts[f"{name}.{field}"] = getattr(values, field).tobytes()
    for name, counts in [*snapshot.expected.items(), *snapshot.reporting.items()]:
        parts[f"{name}.devices"] = parts.get(f"{name}.devices", b"") + counts.tobytes()
    return parts
