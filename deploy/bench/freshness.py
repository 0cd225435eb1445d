"""Benchmark `freshness`: how long a reading takes from being published to being committed, under load.

Probes, readings of one device that sends nothing else, go out between the others; a watcher looks for each in its table
every few milliseconds. So a figure is too large by at most that pause.
"""

import threading
import time
from random import Random
from typing import Any

import numpy as np
import orjson

from deploy.bench.contestants import Trial, pipeline, pipeline_rate, warm_up
from deploy.bench.ingest import DEVICES
from deploy.bench.load import STAMP, Load, prepare, publish
from deploy.bench.readings import device_id, kind_of, reading, single_readings
from deploy.bench.results import Result, Target
from deploy.bench.world import World, world
from deploy.settings import Settings
from ingest.database import connect

SHARES = (0.1, 0.5, 0.9)
SECONDS = 12
PROBES_A_SECOND = 25
LOOK_EVERY = 0.004


def freshness(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Percentiles at a tenth, half and nine tenths of the highest rate of the same run."""
    results = []
    with world(settings) as servers:
        servers.register(DEVICES + len(SHARES) * rounds)
        count = max(DEVICES, int(100_000 * scale))
        full = prepare(list(single_readings(servers.topics, DEVICES, count, 1_000_000)))
        probe = prepare(list(single_readings(servers.topics, DEVICES, 2_000, 0)))
        highest = pipeline_rate(Trial(servers, probe, full))
        number = DEVICES
        for share in SHARES:
            figures: dict[str, list[float]] = {"p50": [], "p90": [], "p99": [], "max": []}
            for _ in range(rounds):
                taken = _latencies(servers, probe, highest * share, max(2.0, SECONDS * scale), number)
                number += 1
                for name, rank in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)):
                    figures[name].append(float(np.percentile(taken, rank)))
            half = share == 0.5
            targets = [Target("p50", "", at_most=60), Target("p99", "", at_most=250)] if half else []
            rate = f"{share:.0%} of {highest:,.0f} readings/s"
            results.append(Result("freshness", rate, "ms, published to committed", figures, targets))
    return results


def _latencies(servers: World, warm: Load, rate: float, seconds: float, device: int) -> list[float]:
    servers.empty()
    load = prepare(list(single_readings(servers.topics, DEVICES, int(rate * seconds), 1_000_000)))
    with pipeline(servers):
        warm_up(Trial(servers, warm, load))
        host, port = servers.broker_address
        sender = threading.Thread(target=publish, args=(load, host, port), kwargs={"rate": rate})
        watcher = _Watcher(servers, device)
        sender.start()
        time.sleep(1.0)
        watcher.run(probes=int((seconds - 1.5) * PROBES_A_SECOND))
        sender.join()
    return watcher.taken


class _Watcher:
    """Sends probes and waits for each."""

    def __init__(self, servers: World, device: int) -> None:
        self._servers = servers
        self._device = device
        self.taken: list[float] = []

    def run(self, probes: int) -> None:
        servers, kind = self._servers, kind_of(self._device)
        topic = servers.topics.telemetry(kind, device_id(self._device))
        with connect(servers.database_url) as connection:
            connection.autocommit = True
            row = connection.execute("SELECT key FROM devices WHERE id = %s", [device_id(self._device)]).fetchone()
            assert row is not None
            query = f"SELECT 1 FROM {kind} WHERE device = %s AND seq = %s AND date_observed > now() - interval '1 h'"  # noqa: S608
            for seq in range(probes):
                body = orjson.dumps(_body(kind) | {"dateObserved": STAMP.decode(), "seq": seq})
                started = time.perf_counter()
                publish(prepare([(topic, body)]), *servers.broker_address, client="cvprobe")
                while connection.execute(query, [row[0], seq]).fetchone() is None:
                    time.sleep(LOOK_EVERY)
                took = time.perf_counter() - started
                self.taken.append(1000 * took)
                time.sleep(max(0.0, 1 / PROBES_A_SECOND - took))


def _body(kind: str) -> dict[str, Any]:
    return reading(kind, 0, Random(0))
