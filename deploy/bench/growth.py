"""Part of benchmark `scale`: one table grows, the way a city of 100,000 bays that report once a minute fills it.

The rows are written ahead with binary COPY, up to a moment ago and at the chunk length that ``ingest.chunking`` chose;
then the pipeline writes more of the same devices into the chunk that is full by then. The unique index is made after
each stage instead of row by row, which is several times faster, with pages as full as they are when it grows.
"""

import shutil
import time
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Any

import numpy as np
import psycopg

from deploy.bench.contestants import Trial, pipeline, warm_up
from deploy.bench.load import prepare
from deploy.bench.readings import PACK, packed_readings
from deploy.bench.results import Result
from deploy.bench.world import World, wait_for, world
from deploy.settings import Settings
from devices.contract import Stream
from devices.kinds import kinds
from ingest.batch import Batch
from ingest.database import connect, migrate
from ingest.packing import pack
from ingest.reading_store import copy_statement

KIND = "parking_bay"
DEVICES = 100_000
INTERVAL = 60.0
STAGES = (1_000_000, 10_000_000, 100_000_000)
READINGS = 200_000
AT_ONCE = 500_000
BYTES_A_ROW = 170
"""of disk while it grows: table, indexes, and the write-ahead log and sorting that come with them"""
GROWN = 70
"""percent that pages of an index hold when it has grown row by row"""
RATE, BYTES, QUERY = "readings/s", "database bytes a reading", "newest 100 of a device, ms"


def growth(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Rate, size and a query at each stage."""
    results = []
    with world(settings) as servers:
        servers.register(DEVICES, gateways=True, kind=KIND)
        migrate(servers.database_url)  # now that the devices are known, chunks get their length
        table = _Table(servers, kinds()[KIND].stream)
        stages = [max(100_000, int(stage * scale)) for stage in STAGES]
        room = shutil.disk_usage(servers.folder).free * 0.7 / BYTES_A_ROW
        fitting = [stage for stage in stages if stage <= room]
        load = prepare(list(packed_readings(servers.topics, DEVICES, int(READINGS * scale), 0, kind=KIND)))
        first = prepare(list(packed_readings(servers.topics, DEVICES, 5_000, 0, kind=KIND)))
        for stage in fitting:
            table.fill(stage)
            figures = _measure(table, Trial(servers, first, load, PACK), rounds)
            notes = [table.description]
            if len(fitting) < len(stages):
                notes.append(f"room for {room / 1e6:,.0f} million rows; the full benchmark has {stages[-1] / 1e6:g}")
            results.append(Result("scale", f"{stage:,} rows", "see columns", figures, notes=notes, size=stage))
    return results


def _measure(table: "_Table", trial: Trial, rounds: int) -> dict[str, list[float]]:
    servers = trial.world
    figures: dict[str, list[float]] = {RATE: [], BYTES: [], QUERY: []}
    with pipeline(servers), connect(servers.database_url) as connection:
        connection.autocommit = True
        warm_up(trial)
        for _ in range(rounds):
            before, size = servers.stored(connection), servers.size(connection)
            started = time.perf_counter()
            trial.publish()
            done = wait_for(lambda: servers.stored(connection), before + trial.readings, "the pipeline")
            figures[RATE].append(trial.readings / (done - started))
            figures[BYTES].append((servers.size(connection) - size) / trial.readings)
            figures[QUERY].append(table.query(connection))
    return figures


@dataclass
class _Table:
    """The table of a stream, filled backwards in time."""

    servers: World
    stream: Stream
    _rows: int = 0

    @property
    def description(self) -> str:
        with connect(self.servers.database_url) as connection:
            row = connection.execute(
                "SELECT extract(epoch FROM time_interval) / 3600, (SELECT count(*) FROM show_chunks(%s::regclass))"
                " FROM timescaledb_information.dimensions WHERE hypertable_name = %s",
                [self.stream.name, self.stream.name],
            ).fetchone()
        assert row is not None
        return (
            f"{self._rows:,} rows: {DEVICES:,} devices, a reading every {INTERVAL:g} s; {row[1]} chunks of"
            f" {float(row[0]):g} h, chosen by rule"
        )

    def fill(self, rows: int) -> None:
        """Have ``rows`` rows, the newest a moment old."""
        name = self.stream.name
        with connect(self.servers.database_url) as connection:
            keys = np.array(connection.execute("SELECT key FROM devices ORDER BY key").fetchall(), np.int32)[:, 0]
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("TRUNCATE ledger")
            connection.execute(f'TRUNCATE "{name}"')
            connection.execute(f'DROP INDEX "{name}_identity"')
            newest = time.time_ns() // 1000 - 1_000_000
            with connection.cursor() as cursor:
                for start in range(0, rows, AT_ONCE):
                    batch = self._batch(keys, np.arange(start, min(start + AT_ONCE, rows)) - rows, newest)
                    with cursor.copy(copy_statement(self.stream)) as copy:
                        for block in pack(batch):
                            for at in range(0, len(block), 131_072):
                                copy.write(block[at : at + 131_072])
            connection.execute(
                f'CREATE UNIQUE INDEX "{name}_identity" ON "{name}" (device, date_observed, seq)'
                f" WITH (fillfactor = {GROWN})"
            )
            connection.commit()
            connection.autocommit = True
            connection.execute("CHECKPOINT")
        self._rows = rows

    def _batch(self, keys: Any, number: Any, newest: int) -> Batch:
        """Rows number -1 (newest), -2 …: the devices take turns, evenly in time."""
        count = len(number)
        observed = newest + (number * (INTERVAL * 1e6 / DEVICES)).astype(np.int64)
        status = np.random.default_rng(-int(number[0])).integers(0, 2, count).astype(np.int16)
        seq = np.full(count, -1, np.int64)
        nothing = np.zeros(count, np.int32)
        device = keys[number % len(keys)]
        return Batch(self.stream, device, observed, seq, observed, {"status": status}, nothing, nothing)

    def query(self, connection: psycopg.Connection) -> float:
        """Milliseconds for the newest hundred readings of one device, the median of twenty devices."""
        dice, taken = Random(1), []
        keys = [row[0] for row in connection.execute("SELECT key FROM devices")]
        for key in dice.sample(keys, 20):
            started = time.perf_counter()
            connection.execute(
                f'SELECT * FROM "{self.stream.name}" WHERE device = %s ORDER BY date_observed DESC LIMIT 100',  # noqa: S608
                [key],
            ).fetchall()
            taken.append(1000 * (time.perf_counter() - started))
        return median(taken)
