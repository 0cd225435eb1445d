"""Every SQL of docs/methodology.md computes what the engine says, for the city and for each of its areas."""

import math
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest
from processing_material import AREAS, NOW, SECOND, batch, store

from devices.units import EPOCH
from ingest.registry import Device
from processing.baseline_store import prepare
from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.legends import legend_of
from tests.processing.test_restore import Rows, city, restored

METHODOLOGY = Path(__file__).parents[2] / "docs" / "methodology.md"
EXACT = 1e-9
"""relative error; the page promises 1e-6"""


def queries() -> dict[str, str]:
    """The SQL blocks of the page by what stands after ```sql."""
    text = METHODOLOGY.read_text(encoding="utf-8")
    return dict(re.findall(r"^```sql (\S+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))


def ask(connection: psycopg.Connection, area: str, at: int) -> None:
    """What ``psql -v area=… -v at=…`` and the preamble do."""
    connection.execute("DROP TABLE IF EXISTS asked CASCADE")
    moment = (EPOCH + timedelta(microseconds=at)).isoformat()
    preamble = queries()["preamble"].replace(":'area'", f"'{area}'").replace(":'at'", f"'{moment}'")
    connection.execute(preamble.encode())


def answer(connection: psycopg.Connection, indicator: str) -> float | None:
    row = connection.execute(f"SELECT ({queries()[indicator]}\n)::float8".encode()).fetchone()
    assert row is not None
    return None if row[0] is None else float(row[0])


def compare(
    connection: psycopg.Connection, engine: Engine, areas: tuple[str, ...], at: int, only: set[str] | None = None
) -> dict[str, int]:
    """Ask the page about every value the engine has; how many there were of each indicator."""
    snapshot = engine.evaluate(at)
    compared = dict.fromkeys(snapshot.indicators, 0)
    for label, area in enumerate(areas):
        if only is not None and area not in only:
            continue
        ask(connection, area, at)
        for name, values in snapshot.indicators.items():
            value = float(values.value[label])
            if not math.isnan(value):
                assert answer(connection, name) == pytest.approx(value, rel=EXACT, abs=1e-12), (name, area, at)
                compared[name] += 1
    return compared


def stored(connection: psycopg.Connection, devices: list[Device], rows: Rows) -> None:
    store(connection, devices, *(batch(stream, readings) for stream, readings in rows.items() if readings))


def fix_baselines(connection: psycopg.Connection, engine: Engine) -> None:
    """A load is usual in every area at every hour of NOW's day."""
    usual = (10.0 + np.arange(24 * len(AREAS))).tolist()
    connection.execute(
        "INSERT INTO baselines (index, day, legend, median, spread, weeks) VALUES ('energy.load', %s, %s, %s, %s, %s)",
        [engine.usual.local(NOW).date(), legend_of(connection, AREAS), usual, usual, [3] * len(usual)],
    )
    prepare(connection, engine.usual, ["energy.load"], NOW, NOW)


def test_the_page_has_a_query_for_every_indicator_and_no_other() -> None:
    by_route = {"route.arrivals", "route.headways", "route.speed"}  # see test_routes_sql
    assert set(queries()) == {row.id for row in INDICATORS} | {"preamble"} | by_route


def test_random_readings_of_all_kinds(database_url: str) -> None:
    devices, rows = city()
    devices = [replace(d, attributes={"retired": True}) if d.kind == "bus" and d.key < 10 else d for d in devices]
    with psycopg.connect(database_url, autocommit=True) as connection:
        stored(connection, devices, rows)
        engine = restored(connection, devices)
        fix_baselines(connection, engine)
        for at in (NOW, NOW + 37 * SECOND):
            compared = compare(connection, engine, AREAS, at)
            assert {name for name, count in compared.items() if count < 4} == set()
