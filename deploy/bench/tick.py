"""Benchmark `tick`: the vital signs of a whole city at one instant, beside a part of it done by others."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from deploy.bench.city_data import full_engine
from deploy.bench.fold import DUCKDB, NUMPY, POLARS, SIZES
from deploy.bench.installed import missing_python_packages
from deploy.bench.results import Result, Target, alternate
from deploy.bench.timing import milliseconds
from deploy.settings import Settings
from devices.city import City, load_city
from processing.documents import Documents
from processing.engine import Engine
from processing.method import kind_of
from processing.rehearsal import NOW, SECOND, made_readings
from processing.service import WORST_EVERY

WHOLE, FOLDED = "cityvitals, whole tick", "cityvitals, folding a second"
REPORTING = 60


def tick(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """One tick of the whole city: every indicator, domain and composite of every area."""
    failed = missing_python_packages(settings.cache_dir)
    city = load_city(settings.city)
    sizes = dict.fromkeys(max(1_000, int(devices * scale)) for devices in SIZES)
    return [_tick_one(city, devices, rounds, dict(failed)) for devices in sizes]


def _tick_one(city: City, devices: int, rounds: int, failed: dict[str, str]) -> Result:
    town, tables = _Town(city, devices), _latest(full_engine(city, devices))
    makers: dict[str, Callable[[], Callable[[], Any]]] = {
        POLARS: lambda: reduce_polars(tables),
        DUCKDB: lambda: reduce_duckdb(tables),
        NUMPY: lambda: lambda: reduce_numpy(tables),
    }
    runs: dict[str, Callable[[], float]] = {WHOLE: town.tick, FOLDED: town.folded}
    for name, make in makers.items():
        try:
            runs[name] = milliseconds(make())
        except ImportError as error:
            failed[name] = str(error)
    for run in runs.values():
        run()
    figures = alternate(runs, rounds, failed)
    targets = [Target(WHOLE, "", at_most=50)] if devices == SIZES[-1] else []
    notes = [
        f"{WHOLE}: mean of {WORST_EVERY} ticks, before each of which one device in {REPORTING} has reported",
        f"it holds indicators, indices, worst devices (once in {WORST_EVERY}), {len(city.areas)} documents as JSON",
        f"{FOLDED}: what processing does with those readings before the tick",
        "peers: only the freshness filter, count and sum by street of the newest-value indicators",
    ]
    return Result("tick", f"{devices:,} devices", "ms", figures, targets, notes, failed, size=devices)


class _Town:
    """An engine whose clock goes on and whose devices report in turn, one in REPORTING a second."""

    def __init__(self, city: City, devices: int) -> None:
        self._engine = full_engine(city, devices)
        self._documents = Documents(city, self._engine)
        self._devices = devices
        self._second = 0
        self._folding = 0.0

    def tick(self) -> float:
        """Milliseconds of a tick, the mean of as many as it takes to have each part once."""
        spent = self._folding = 0.0
        for number in range(WORST_EVERY):
            self._second += 1
            at = NOW + self._second * SECOND
            batches = made_readings(self._devices, at, self._second % REPORTING, REPORTING)
            started = time.perf_counter()
            for batch in batches:
                self._engine.fold(batch)
            folded = time.perf_counter()
            self._evaluate(at, number)
            self._folding += folded - started
            spent += time.perf_counter() - folded
        return 1000 * spent / WORST_EVERY

    def folded(self) -> float:
        """Milliseconds that folding a second's readings took, in the ticks of the same round."""
        if not self._folding:
            self.tick()
        taken, self._folding = self._folding, 0.0
        return 1000 * taken / WORST_EVERY

    def _evaluate(self, at: int, number: int) -> None:
        if number == 0:
            self._worst = self._engine.worst(at)
        for _ in self._documents.write(self._engine.evaluate(at), at // SECOND, self._worst):
            pass


def _latest(engine: Engine) -> list[dict[str, Any]]:
    """Area, newest time and value of every device, for each newest-value indicator, as plain columns."""
    dice = np.random.default_rng(3)
    tables = []
    for indicator in engine.indicators:
        if indicator.aggregation.startswith("latest"):
            roster = engine.rosters[kind_of(indicator)]
            size = len(roster)
            newest = NOW - dice.integers(0, 4 * SECOND, size)
            tables.append(
                {
                    "area": roster.area[:size].copy(),
                    "time": newest,
                    "oldest": NOW - roster.stale[:size],
                    "value": dice.random(size),
                }
            )
    return tables


def reduce_numpy(tables: list[dict[str, Any]]) -> None:
    for table in tables:
        fresh = (table["time"] >= table["oldest"]) & (table["area"] >= 0)
        area = table["area"][fresh]
        np.bincount(area)
        np.bincount(area, weights=table["value"][fresh])


def reduce_polars(tables: list[dict[str, Any]]) -> Callable[[], None]:
    import polars

    frames = [polars.DataFrame(table).lazy() for table in tables]
    fresh = (polars.col("time") >= polars.col("oldest")) & (polars.col("area") >= 0)

    def run() -> None:
        for frame in frames:
            frame.filter(fresh).group_by("area").agg(polars.len(), polars.col("value").sum()).collect()

    return run


def reduce_duckdb(tables: list[dict[str, Any]]) -> Callable[[], None]:
    import duckdb

    connection = duckdb.connect()
    for number, columns in enumerate(tables):  # noqa: B007 - duckdb looks the name up
        connection.execute(f"CREATE TABLE t{number} AS SELECT * FROM columns")  # noqa: S608

    def run() -> None:
        for number in range(len(tables)):
            connection.execute(
                f"SELECT area, count(*), sum(value) FROM t{number}"  # noqa: S608
                " WHERE time >= oldest AND area >= 0 GROUP BY area"
            ).fetchall()

    return run
