"""Benchmarks `fold` and `tick`: the numba core beside numpy, polars, duckdb and bytewax on the same arrays."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from deploy.bench.city_data import NOW, SECOND, Readings, full_engine, readings, second_of_readings
from deploy.bench.installed import use_python_packages
from deploy.bench.peers import bytewax_fold
from deploy.bench.results import Result, Target, alternate
from deploy.errors import DeployError
from deploy.settings import Settings
from devices.city import City, load_city
from processing import kernels
from processing.documents import Documents
from processing.engine import Engine
from processing.method import kind_of
from processing.service import WORST_EVERY

OURS, NUMPY, POLARS, DUCKDB = "cityvitals", "numpy", "polars", "duckdb"
WHOLE, FOLDED = "cityvitals, whole tick", "cityvitals, folding a second"
REPORTING = 60
BYTEWAX, MEMORY = "bytewax", "memory bandwidth"
PANE = 10 * SECOND
PANES = 64
BATCH = 50_000
PART = 0.01
BYTES_A_READING = 4 + 8 + 8
SIZES = (1_000, 100_000, 1_000_000)


def fold(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Readings into panes: count and sum by street and ten seconds."""
    failed = _fetched(settings)
    city = load_city(settings.city)
    results = []
    count = int(4_000_000 * scale)
    for devices in SIZES:
        arrived = readings(city, devices, count)
        for order, data in (("arrival order", arrived), ("shuffled", arrived.shuffled())):
            results.append(_fold_one(city, devices, order, data, rounds, dict(failed)))
    return results


def _fetched(settings: Settings) -> dict[str, str]:
    """Make the Python peers importable; what failed, if they cannot be had."""
    try:
        use_python_packages(settings.cache_dir)
    except DeployError as error:
        return {"Python peers": str(error)}
    return {}


def _fold_one(city: City, devices: int, order: str, data: Readings, rounds: int, failed: dict[str, str]) -> Result:
    areas, count = len(city.areas), len(data.device)
    part = data.first(max(1_000, int(count * PART)))
    makers: dict[str, Callable[[], Callable[[], float]]] = {
        NUMPY: lambda: lambda: fold_numpy(data, areas),
        OURS: lambda: lambda: fold_ours(data, areas),
        POLARS: lambda: fold_polars(data),
        DUCKDB: lambda: fold_duckdb(data),
        BYTEWAX: lambda: fold_bytewax(part),
    }
    runs: dict[str, Callable[[], float]] = {}
    for name, make in makers.items():
        taken = part if name == BYTEWAX else data
        try:
            work = make()
            _check_sum(name, work(), fold_numpy(taken, areas))
        except (ImportError, RuntimeError, ArithmeticError) as error:
            if name == OURS:
                raise
            failed[name] = str(error)
            continue
        runs[name] = _millions(len(taken.device), work)
    runs[MEMORY] = lambda: memory_bandwidth() / BYTES_A_READING / 1e6
    figures = alternate(runs, rounds, failed)
    targets = [Target(OURS, POLARS, 10), Target(OURS, DUCKDB, 10)] if order == "arrival order" else []
    targets += [Target(OURS, MEMORY, 0.3)] if order == "arrival order" else []
    notes = [
        f"memory bandwidth as readings of {BYTES_A_READING} bytes, read once by one core",
        f"{OURS}: one core, batches of {BATCH:,} readings as ingest hands them on, sums exact in any order",
        "polars and duckdb: all cores; numpy: one",
        f"bytewax, a reading at a time, is given {PART:.1%} of the readings",
    ]
    setting = f"{devices:,} devices, {order}"
    return Result("fold", setting, "million readings/s", figures, targets, notes, failed, size=devices)


def _check_sum(name: str, found: float, expected: float) -> None:
    if abs(found - expected) > 1e-6 * abs(expected):
        raise ArithmeticError(f"{name} came to the sum {found}, must be {expected}")


def fold_ours(data: Readings, areas: int) -> float:
    """As ``PaneTracker.fold`` does it, batch by batch."""
    pane_of = np.full(PANES, -1, np.int64)
    panes = kernels.empty_partials((PANES, areas))
    for start in range(0, len(data.device), BATCH):
        device, value = data.device[start : start + BATCH], data.value[start : start + BATCH]
        pane = data.time[start : start + BATCH] // PANE
        kernels.fold_panes(data.area[device], pane, value, np.ones(len(value)), pane_of, panes)
    return float(kernels.total(panes["hi"], panes["lo"]).sum())


def fold_bytewax(data: Readings) -> Callable[[], float]:
    """A reading at a time."""
    arrived = bytewax_fold.readings(data.device.tolist(), data.time.tolist(), data.value.tolist())
    return bytewax_fold.fold(arrived, data.area.tolist(), PANE // SECOND)


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
    failed = _fetched(settings)
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
            runs[name] = _milliseconds(make())
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
            batches = second_of_readings(self._devices, at, self._second % REPORTING, REPORTING)
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


def _millions(count: int, work: Callable[[], Any]) -> Callable[[], float]:
    return lambda: count / _seconds(work) / 1e6


def _milliseconds(work: Callable[[], Any]) -> Callable[[], float]:
    return lambda: 1000 * _seconds(work)


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
