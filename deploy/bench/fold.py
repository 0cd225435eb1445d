"""Benchmark `fold`: the numba core beside numpy, polars, duckdb and bytewax on the same arrays."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from deploy.bench.city_data import Readings, readings
from deploy.bench.installed import missing_python_packages
from deploy.bench.peers import bytewax_fold
from deploy.bench.results import Result, Target, alternate
from deploy.bench.timing import RUNS, fastest, millions
from deploy.settings import Settings
from devices.city import City, load_city
from processing import kernels
from processing.rehearsal import SECOND

OURS, NUMPY, POLARS, DUCKDB, BYTEWAX = "cityvitals", "numpy", "polars", "duckdb", "bytewax"
MEMORY = "memory bandwidth"
PANE = 10 * SECOND
PANES = 64
BATCH = 50_000
PART = 0.01
BYTES_A_READING = 4 + 8 + 8
_ONES = np.empty(0)
SIZES = (1_000, 100_000, 1_000_000)


def fold(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Readings into panes: count and sum by street and ten seconds."""
    failed = missing_python_packages(settings.cache_dir)
    city = load_city(settings.city)
    results = []
    count = int(4_000_000 * scale)
    for devices in SIZES:
        arrived = readings(city, devices, count)
        for order, data in (("arrival order", arrived), ("shuffled", arrived.shuffled())):
            results.append(_fold_one(city, devices, order, data, rounds, dict(failed)))
    return results


def _fold_one(city: City, devices: int, order: str, data: Readings, rounds: int, failed: dict[str, str]) -> Result:
    areas, count = len(city.areas), len(data.device)
    part = data.first(max(1_000, int(count * PART)))
    makers: dict[str, Callable[[], Callable[[], float]]] = {
        NUMPY: lambda: lambda: fold_numpy(data, areas),
        OURS: lambda: partial(fold_ours, data, areas, places_of(data)),
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
        runs[name] = millions(len(taken.device), work)
    runs[MEMORY] = lambda: memory_bandwidth() / BYTES_A_READING / 1e6
    figures = alternate(runs, rounds, failed)
    targets = [Target(OURS, POLARS, 10), Target(OURS, DUCKDB, 10)] if order == "arrival order" else []
    targets += [Target(OURS, MEMORY, 0.3)] if order == "arrival order" else []
    notes = [
        f"memory bandwidth as readings of {BYTES_A_READING} bytes, read once by one core",
        f"{OURS}: one core, batches of {BATCH:,} readings as ingest hands them on, sums exact in any order",
        "polars and duckdb: all cores; numpy: one",
        f"all: the fastest of {RUNS} runs in a row is a round's figure",
        f"bytewax, a reading at a time, is given {PART:.1%} of the readings",
    ]
    setting = f"{devices:,} devices, {order}"
    return Result("fold", setting, "million readings/s", figures, targets, notes, failed, size=devices)


def _check_sum(name: str, found: float, expected: float) -> None:
    if abs(found - expected) > 1e-6 * abs(expected):
        raise ArithmeticError(f"{name} came to the sum {found}, must be {expected}")


def fold_ours(data: Readings, areas: int, places: NDArray[np.void]) -> float:
    """As ``Engine.fold`` and ``PaneTracker.fold`` do it, batch by batch."""
    pane_of = np.full(PANES, -1, np.int64)
    panes = np.zeros((PANES, areas), kernels.SUMS)
    for start in range(0, len(data.device), BATCH):
        device, value = data.device[start : start + BATCH], data.value[start : start + BATCH]
        area = np.empty(len(device), np.int32)
        kernels.areas_of(device, places, area)
        kernels.fold_panes(area, data.time[start : start + BATCH], PANE, value, _ONES, pane_of, panes)
    return float(kernels.total(panes["hi"], panes["lo"]).sum())


def places_of(data: Readings) -> NDArray[np.void]:
    """Where devices stand, as the engine keeps it."""
    places = np.zeros(len(data.area), kernels.PLACE)
    places["area"] = data.area
    return places


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
    array = _large()
    return array.nbytes / fastest(array.sum)


@cache
def _large() -> NDArray[np.int64]:
    return np.ones(32_000_000, np.int64)
