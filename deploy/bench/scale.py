"""Benchmark `scale`: the same path with a thousand, a hundred thousand and a million devices."""

import time

from deploy.bench import machine
from deploy.bench.contestants import Trial, pipeline, warm_up
from deploy.bench.load import prepare
from deploy.bench.readings import PACK, packed_readings
from deploy.bench.results import Result, Target
from deploy.bench.world import World, wait_for, world
from deploy.settings import Settings
from ingest.database import connect

SIZES = (1_000, 100_000, 1_000_000)
COST, MEMORY, BYTES, TICK = (
    "µs a reading",
    "pipeline, most MB in memory",
    "database bytes a reading",
    "tick late by, ms",
)


def scale(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Packs of readings of ever more devices, into a pipeline that ticks meanwhile."""
    results = []
    for devices in SIZES:
        devices = max(1_000, int(devices * scale) // 500 * 500)
        with world(settings) as servers:
            servers.register(devices, gateways=True)
            figures: dict[str, list[float]] = {COST: [], MEMORY: [], BYTES: []}
            for _ in range(rounds):
                for name, figure in _round(servers, devices).items():
                    figures[name].append(figure)
        targets = [Target(MEMORY, "", at_most=600)] if devices == SIZES[-1] else []
        results.append(Result("scale", f"{devices:,} devices", "see rows", figures, targets))
    first, last = results[0], results[-1]
    growth = last.median(COST) / first.median(COST)
    last.notes.append(f"cost per reading at {last.setting} / at {first.setting}: {growth:.2f} (target ≤ 3)")
    return results


def _round(servers: World, devices: int) -> dict[str, float]:
    count = max(devices, 300_000)
    topics = servers.topics
    load = prepare(list(packed_readings(topics, devices, count, 1_000)))
    trial = Trial(servers, prepare(list(packed_readings(topics, devices, 5_000, 0))), load, PACK)
    servers.empty()
    with pipeline(servers) as process, connect(servers.database_url) as connection:
        connection.autocommit = True
        warm_up(trial)
        before, size = servers.stored(connection), _size(servers)
        started = time.perf_counter()
        trial.publish()
        done = wait_for(lambda: servers.stored(connection), before + trial.readings, "the pipeline")
        memory = machine.peak_megabytes(process.pid)
        return {
            COST: 1e6 * (done - started) / trial.readings,
            MEMORY: memory,
            BYTES: (_size(servers) - size) / trial.readings,
        }


def _size(servers: World) -> int:
    with connect(servers.database_url) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(format('%I.%I', schemaname, tablename)))::bigint"
            " FROM pg_tables WHERE schemaname = '_timescaledb_internal'"
        ).fetchone()
    return int(row[0] or 0) if row else 0
