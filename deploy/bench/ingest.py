"""Benchmarks `singles` and `packs`: from the broker to committed rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from deploy.bench.contestants import (
    Trial,
    copy_batches_rate,
    insert_each_rate,
    mosquitto_sub_rate,
    node_red_rate,
    pipeline_rate,
)
from deploy.bench.load import Load, prepare, stamp
from deploy.bench.readings import PACK, packed_readings, single_readings
from deploy.bench.results import Result, Target, alternate
from deploy.bench.world import World, world
from deploy.settings import Settings
from devices.topics import Topics
from ingest.batch import Batch, Delivery
from ingest.database import connect
from ingest.decoder import Decoder
from ingest.device_store import load_devices
from ingest.packing import pack
from ingest.reading_store import copy_statement
from ingest.registry import Registry

DEVICES = 5_000
OURS, LIMIT, RAW = "cityvitals", "mosquitto_sub -q 1 (C)", "raw COPY, packed ahead"
INSERT, COPY, NODE_RED = "paho, INSERT + COMMIT", "gmqtt + asyncpg COPY", "Node-RED 4 + pg"
SHARE = {INSERT: 0.04, NODE_RED: 0.06}
"""part of the messages a slow contestant is given, so that all take seconds"""


def singles(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """One reading a message."""
    with world(settings) as servers:
        servers.register(DEVICES)
        count = max(DEVICES, int(150_000 * scale))
        full = _single_load(servers.topics, count, 1_000_000)
        trial = Trial(servers, _single_load(servers.topics, 2_000, 0), full)
        usage: dict[str, float] = {}
        runs: dict[str, Callable[[], float]] = {
            OURS: partial(pipeline_rate, trial, usage),
            LIMIT: partial(mosquitto_sub_rate, trial),
            COPY: partial(copy_batches_rate, trial),
            INSERT: partial(insert_each_rate, _part(trial, INSERT)),
            NODE_RED: partial(node_red_rate, _part(trial, NODE_RED)),
        }
        failed: dict[str, str] = {}
        figures = alternate(runs, rounds, failed)
        notes = [
            "slow peers are given a part of the messages: " + ", ".join(f"{k} {v:.0%}" for k, v in SHARE.items()),
            (
                "all: QoS 1, persistent session, the same Receive Maximum where the client can set one (Node-RED"
                " cannot), synchronous_commit and fsync on; acknowledged after the commit, except by Node-RED, which"
                " acknowledges on arrival and cannot do otherwise"
            ),
            _shown(usage, trial.readings),
        ]
    targets = [Target(OURS, LIMIT, 0.65), Target(OURS, NODE_RED, 5), Target(OURS, INSERT, 3)]
    setting = f"{count:,} messages, 5,000 devices"
    return [Result("singles", setting, "readings/s", figures, targets, notes, failed)]


def packs(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Packs of 100 readings from gateways."""
    with world(settings) as servers:
        servers.register(DEVICES, gateways=True)
        count = max(4 * DEVICES, int(3_000_000 * scale))
        full = prepare(list(packed_readings(servers.topics, DEVICES, count, 1_000_000)))
        trial = Trial(servers, prepare(list(packed_readings(servers.topics, DEVICES, 20_000, 0))), full, PACK)
        usage: dict[str, float] = {}
        runs: dict[str, Callable[[], float]] = {
            OURS: partial(pipeline_rate, trial, usage),
            RAW: partial(raw_copy_rate, servers, decoded(servers, full)),
        }
        failed: dict[str, str] = {}
        figures = alternate(runs, rounds, failed)
        notes = [
            (
                "raw COPY: the same rows into the same hypertables with the same indexes, packed ahead, one COPY and"
                " commit a stream, nothing else running"
            ),
            _shown(usage, trial.readings),
        ]
    setting = f"{count:,} readings, 5,000 devices"
    return [Result("packs", setting, "readings/s", figures, [Target(OURS, RAW, 0.8)], notes, failed)]


def raw_copy_rate(servers: World, batches: Sequence[Batch]) -> float:
    """Readings a second of binary COPY alone: rows packed ahead, one COPY and commit a stream."""
    servers.empty()
    packed = [(batch.stream, list(pack(batch))) for batch in batches]
    rows = sum(map(len, batches))
    with connect(servers.database_url) as connection:
        started = time.perf_counter()
        for stream, blocks in packed:
            with connection.transaction(), connection.cursor() as cursor, cursor.copy(copy_statement(stream)) as copy:
                for block in blocks:
                    for start in range(0, len(block), 65_536):
                        copy.write(block[start : start + 65_536])
        return rows / (time.perf_counter() - started)


def decoded(servers: World, load: Load) -> list[Batch]:
    """The load's readings as batches, one a stream."""
    stamp(load, 0, len(load))
    with connect(servers.database_url) as connection:
        registry = Registry(load_devices(connection))
    now = time.time_ns() // 1000
    deliveries = []
    for place in range(len(load)):
        packet = bytes(load.packets[load.starts[place] : load.starts[place + 1]])
        payload_at = int(load.ids[place] - load.starts[place]) + 2
        topic = packet[: payload_at - 2].split(b"cv1/", 1)[1]
        deliveries.append(Delivery("cv1/" + topic.decode(), packet[payload_at:], now))
    return Decoder(servers.topics).decode(deliveries, registry).batches


def _single_load(topics: Topics, count: int, first_seq: int) -> Load:
    return prepare(list(single_readings(topics, DEVICES, count, first_seq)))


def _part(trial: Trial, contestant: str) -> Trial:
    """The first messages of a trial."""
    count = max(500, int(len(trial.load) * SHARE[contestant]))
    load = trial.load
    part = Load(
        packets=load.packets[: load.starts[count]].copy(),
        starts=load.starts[: count + 1],
        ids=load.ids[:count],
        stamps=load.stamps[: load.stamp_starts[count]],
        stamp_starts=load.stamp_starts[: count + 1],
    )
    return replace(trial, load=part)


def _shown(usage: dict[str, float], readings: int) -> str:
    """Processor time by process in the last round."""
    each = ", ".join(f"{name} {1e6 * seconds / readings:.1f}" for name, seconds in usage.items() if name != "published")
    return f"processor time of {OURS}'s last round in µs a reading: {each}"
