"""Every indicator equals what plain SQL computes over the stored rows, for the city and for each street."""

import math
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from processing_material import AREAS, NOW, SECOND

from devices.kinds import kinds
from devices.units import EPOCH
from processing.engine import Engine
from processing.indicators import INDICATORS
from tests.processing.test_restore import city, restored, store

# The newest row of each device that has the field(s); the instant and the areas below come in as parameters.
NEWEST = """
    SELECT DISTINCT ON (r.device) r.* FROM {table} r JOIN places p ON p.device = r.device
    WHERE p.area = ANY(%(areas)s) AND r.date_observed <= %(at)s AND ({present})
    ORDER BY r.device, r.date_observed DESC, r.seq DESC
"""
FRESH = "date_observed >= %(at)s::timestamptz - stale * interval '1 second'"
FILL = "greatest(filling_level_residual, filling_level_food, filling_level_recyclable, filling_level_hazardous)"


def latest(value: str, table: str, present: str, where: str = "true") -> str:
    newest = NEWEST.format(table=table, present=present)
    return f"SELECT {value} FROM ({newest}) n JOIN places p USING (device) WHERE {FRESH} AND {where}"


def window(value: str, table: str, present: str, seconds: int, pane: int) -> str:
    """Readings from the start of the pane in which the window begins."""
    start = f"to_timestamp((floor(extract(epoch FROM %(at)s::timestamptz) / {pane}) - {seconds // pane - 1}) * {pane})"
    return (
        f"SELECT {value} FROM {table} r JOIN places p ON p.device = r.device WHERE p.area = ANY(%(areas)s)"
        f" AND date_observed >= {start} AND date_observed <= %(at)s AND ({present})"
    )


WAIT = """
    WITH arrivals AS (
        SELECT r.*, p.area FROM bus_arrival r JOIN places p USING (device)
        WHERE date_observed > %(at)s::timestamptz - interval '1 hour' AND date_observed <= %(at)s
    ), frequent AS (
        SELECT route, stop FROM arrivals GROUP BY 1, 2 HAVING count(DISTINCT scheduled_at) > 1
        AND extract(epoch FROM max(scheduled_at) - min(scheduled_at)) / (count(DISTINCT scheduled_at) - 1) <= 720
    ), steps AS (
        SELECT area,
            extract(epoch FROM arrived_at - lag(arrived_at) OVER (PARTITION BY route, stop ORDER BY arrived_at, area))
                ::float8 AS h,
            extract(epoch FROM scheduled_at - lag(scheduled_at)
                OVER (PARTITION BY route, stop ORDER BY scheduled_at, area))::float8 AS s
        FROM arrivals JOIN frequent USING (route, stop)
    )
    SELECT CASE WHEN count(*) FILTER (WHERE h > 0) >= 5
        THEN sum(h * h) / (2 * sum(h)) - sum(s * s) / (2 * sum(s)) END
    FROM steps WHERE area = ANY(%(areas)s)
"""

QUERIES = {
    "waste.overflow_share": latest(f"avg(({FILL} >= 0.95)::int)", "garbage_hut", f"{FILL} IS NOT NULL"),
    "waste.warn_share": latest(f"avg(({FILL} >= 0.8)::int)", "garbage_hut", f"{FILL} IS NOT NULL"),
    "waste.nh3_exceedance": window("avg((nh3 > 1.5)::int)", "garbage_hut", "nh3 IS NOT NULL", 3600, 10),
    "waste.h2s_exceedance": window("avg((h2s > 0.06)::int)", "garbage_hut", "h2s IS NOT NULL", 3600, 10),
    "waste.illegal_dumping": "SELECT ("
    + window("count(*)::float8", "garbage_hut_illegal_dumping", "true", 86_400, 240)
    + ") / nullif(("
    + f"SELECT count(*) FROM places p WHERE area = ANY(%(areas)s) AND kind = 'garbage_hut' AND EXISTS"
    f" (SELECT FROM garbage_hut r WHERE r.device = p.device AND date_observed <= %(at)s AND {FRESH}"
    f"  UNION ALL SELECT FROM garbage_hut_illegal_dumping r WHERE r.device = p.device AND date_observed <= %(at)s"
    f"  AND {FRESH})), 0)",
    "parking.kerb_occupancy": latest(
        "avg((status = 'occupied')::int)", "parking_bay", "status IS NOT NULL", "status IN ('free', 'occupied')"
    ),
    "parking.garage_occupancy": latest(
        "sum(occupied_spot_number)::float8 / sum(total_spot_number)",
        "car_park",
        "occupied_spot_number IS NOT NULL AND total_spot_number IS NOT NULL",
    ),
    "transit.on_time_share": window(
        "avg((arrived_at - scheduled_at >= interval '-60 s' AND arrived_at - scheduled_at < interval '360 s')::int)",
        "bus_arrival",
        "true",
        3600,
        10,
    ),
    "transit.excess_wait": WAIT,
    "energy.low_power_factor": latest(
        "avg((abs(power_factor) < 0.9)::int)", "energy_meter", "power_factor IS NOT NULL"
    ),
    "energy.adjustable_share": latest(
        "sum(adjustable_power) / sum(greatest(total_active_power, 0))",
        "energy_meter",
        "adjustable_power IS NOT NULL AND total_active_power IS NOT NULL",
    ),
    "energy.load": latest("sum(total_active_power)", "energy_meter", "total_active_power IS NOT NULL"),
}
WITHIN = (
    AREAS,
    ("990101", "990101001", "990101002"),
    ("990102", "990102001"),
    ("990101001",),
    ("990101002",),
    ("990102001",),
)
"""for each area, those that lie within it"""


@pytest.fixture
def filled(database_url: str) -> Iterator[tuple[psycopg.Connection, Engine]]:
    """A database with some hours of a city, and the engine that was restored from it."""
    devices, rows = city()
    with psycopg.connect(database_url, autocommit=True) as connection:
        for stream, readings in rows.items():
            store(connection, stream, readings)
        connection.execute("CREATE TABLE places (device integer, kind text, area text, stale float8)")
        for device in devices:
            interval = device.attributes.get("reportingInterval", kinds()[device.kind].reporting_interval)
            connection.execute(
                "INSERT INTO places VALUES (%s, %s, %s, %s)", [device.key, device.kind, device.area, 3 * interval]
            )
        yield connection, restored(connection, devices)


def test_there_is_a_query_for_every_indicator() -> None:
    assert set(QUERIES) == {row.id for row in INDICATORS}


def test_every_indicator_equals_plain_sql(filled: tuple[psycopg.Connection, Engine]) -> None:
    connection, engine = filled
    for at in (NOW, NOW + 37 * SECOND):
        moment = EPOCH + timedelta(microseconds=at)
        snapshot = engine.evaluate(at)
        for name, query in QUERIES.items():
            compared = 0
            for value, areas in zip(snapshot.indicators[name].value.tolist(), WITHIN, strict=True):
                row = connection.execute(f"SELECT ({query})::float8", {"areas": list(areas), "at": moment}).fetchone()
                if not math.isnan(value):
                    assert row is not None
                    assert value == pytest.approx(row[0], rel=1e-9, abs=1e-12), (name, areas, at)
                    compared += 1
            assert compared >= 4, f"{name} has too few values to compare"
