"""Benchmarks `fold` and `tick`: the numba core beside numpy, polars and duckdb on the same arrays."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from deploy.bench.city_data import NOW, SECOND, Readings, full_engine, readings
from deploy.bench.installed import use_python_packages
from deploy.bench.results import Result, Target, alternate
from deploy.settings import Settings
from devices.city import City, load_city
from processing import kernels
from processing.documents import Documents
from processing.engine import Engine
from processing.method import kind_of
from processing.service import WORST_EVERY

OURS, NUMPY, POLARS, DUCKDB, MEMORY = "cityvitals", "numpy", "polars", "duckdb", "memory bandwidth"
PANE = 10 * SECOND
PANES = 64
BYTES_A_READING = 4 + 8 + 8
SIZES = (1_000, 100_000, 1_000_000)


def fold(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Readings into panes: count and sum by street and ten seconds."""
    use_python_packages(settings.cache_dir)
    city = load_city(settings.city)
    results = []
    count = int(4_000_000 * scale)
    for devices in SIZES:
        arrived = readings(city, devices, count)
        for order, data in (("arrival order", arrived), ("shuffled", arrived.shuffled())):
            results.append(_fold_one(city, devices, order, data, rounds))
    return results


def _fold_one(city: City, devices: int, order: str, data: Readings, rounds: int) -> Result:
    areas = len(city.areas)
    works: dict[str, Callable[[], Any]] = {
        OURS: lambda: fold_ours(data, areas),
        NUMPY: lambda: fold_numpy(data, areas),
        POLARS: fold_polars(data),
        DUCKDB: fold_duckdb(data),
    }
    sums = {name: float(work()) for name, work in works.items()}
    expected = sums[NUMPY]
    wrong = [name for name, total in sums.items() if abs(total - expected) > 1e-6 * abs(expected)]
    if wrong:
        raise ArithmeticError(f"{', '.join(wrong)} came to another sum than numpy: {sums}")
    count = len(data.device)
    runs: dict[str, Callable[[], float]] = {name: _millions(count, work) for name, work in works.items()}
    runs[MEMORY] = lambda: memory_bandwidth() / BYTES_A_READING / 1e6
    figures = alternate(runs, rounds)
    targets = [Target(OURS, POLARS, 10), Target(OURS, DUCKDB, 10)] if order == "arrival order" else []
    targets += [Target(OURS, MEMORY, 0.3)] if order == "arrival order" else []
    notes = [f"memory bandwidth as readings of {BYTES_A_READING} bytes, read once", "polars and duckdb use all cores"]
    return Result("fold", f"{devices:,} devices, {order}", "million readings/s", figures, targets, notes)


def fold_ours(data: Readings, areas: int) -> float:
    pane_of = np.full(PANES, -1, np.int64)
    panes = kernels.empty_partials((PANES, areas))
    kernels.fold_panes(data.area[data.device], data.time // PANE, data.value, np.ones(len(data.value)), pane_of, panes)
    return float(kernels.total(panes["hi"], panes["lo"]).sum())


def fold_numpy(data: Readings, areas: int) -> float:
    key = data.area[data.device] + data.time // PANE % PANES * areas
    np.bincount(key, minlength=PANES * areas)
    return float(np.bincount(key, weights=data.value, minlength=PANES * areas).sum())


def fold_polars(data: Readings) -> Callable[[], float]:
    import polars

    frame = polars.DataFrame({"device": data.device, "time": data.time, "value": data.value})
    area = polars.Series(data.area)

    def run() -> float:
        summed = (
            frame.lazy()
            .select(area=polars.lit(area).gather(polars.col("device")), pane=polars.col("time") // PANE, value="value")
            .group_by("area", "pane")
            .agg(polars.len().alias("count"), polars.col("value").sum().alias("sum"))
            .collect()
        )
        return float(summed["sum"].sum())

    return run


def fold_duckdb(data: Readings) -> Callable[[], float]:
    import duckdb

    connection = duckdb.connect()
    arrived = {"device": data.device, "time": data.time, "value": data.value}
    places = {"device": np.arange(len(data.area), dtype=np.int32), "area": data.area}
    connection.execute("CREATE TABLE arrived AS SELECT * FROM arrived")
    connection.execute("CREATE TABLE places AS SELECT * FROM places")
    del arrived, places

    def run() -> float:
        row = connection.execute(
            f"SELECT sum(s) FROM (SELECT area, time // {PANE} AS pane, count(*) AS n, sum(value) AS s"  # noqa: S608
            " FROM arrived JOIN places USING (device) GROUP BY area, pane)"
        ).fetchone()
        assert row is not None
        return float(row[0])

    return run


def memory_bandwidth() -> float:
    """Bytes a second that one core reads from memory, summing an array far larger than the caches."""
    array = _LARGE
    return array.nbytes / _seconds(array.sum)


_LARGE = np.ones(32_000_000, np.int64)


def tick(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """One tick of the whole city: every indicator, domain and composite of every area."""
    use_python_packages(settings.cache_dir)
    city = load_city(settings.city)
    return [_tick_one(city, max(1_000, int(devices * scale)), rounds) for devices in SIZES]


def _tick_one(city: City, devices: int, rounds: int) -> Result:
    engine = full_engine(city, devices)
    documents, tables = Documents(city, engine), _latest(engine)
    runs: dict[str, Callable[[], float]] = {
        "cityvitals, all indicators": lambda: 1000 * _seconds(lambda: engine.evaluate(NOW)),
        "cityvitals, whole tick": lambda: 1000 * _seconds(lambda: _ticks(engine, documents)) / WORST_EVERY,
        POLARS: _milliseconds(reduce_polars(tables)),
        DUCKDB: _milliseconds(reduce_duckdb(tables)),
        NUMPY: _milliseconds(lambda: reduce_numpy(tables)),
    }
    for run in runs.values():
        run()
    figures = alternate(runs, rounds)
    whole = "cityvitals, whole tick"
    targets = [Target(whole, "", at_most=50)] if devices == SIZES[-1] else []
    notes = [
        f"{whole}: indicators, indices, worst devices (every {WORST_EVERY} s) and {len(city.areas)} documents as JSON",
        "peers: only the freshness filter, count and sum by street of the newest-value indicators",
    ]
    return Result("tick", f"{devices:,} devices", "ms", figures, targets, notes)


def _ticks(engine: Engine, documents: Documents) -> None:
    worst = engine.worst(NOW)
    for number in range(WORST_EVERY):
        for _ in documents.write(engine.evaluate(NOW), number, worst):
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


def _millions(count: int, work: Callable[[], Any]) -> Callable[[], float]:
    return lambda: count / _seconds(work) / 1e6


def _milliseconds(work: Callable[[], Any]) -> Callable[[], float]:
    return lambda: 1000 * _seconds(work)


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
