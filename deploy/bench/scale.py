"""Benchmark `scale`: the same path with ever more devices, and into a table that has ever more rows."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.bench import machine
from deploy.bench.contestants import Trial, pipeline, warm_up
from deploy.bench.growth import growth
from deploy.bench.load import prepare
from deploy.bench.readings import PACK, packed_readings
from deploy.bench.results import Result, Target
from deploy.bench.world import World, wait_for, world
from deploy.settings import Settings
from ingest.database import connect

SIZES = (1_000, 10_000, 100_000, 1_000_000)
READINGS = 300_000
RATE, COST, MEMORY, BYTES, TICK = (
    "readings/s",
    "µs a reading",
    "pipeline, most MB",
    "database bytes a reading",
    "tick done late, ms",
)


def scale(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Packs of readings of ever more devices, into a pipeline that ticks meanwhile; then ever more rows."""
    results = []
    for devices in dict.fromkeys(max(1_000, int(size * scale) // 500 * 500) for size in SIZES):
        with world(settings) as servers:
            servers.register(devices, gateways=True)
            figures = _by_round(servers, devices, rounds, int(READINGS * scale))
        results.append(Result("scale", f"{devices:,} devices", "see columns", figures, size=devices))
    first, last = results[0], results[-1]
    last.targets = [Target(MEMORY, "", at_most=600)]
    costs = {last.setting: last.figures[COST], first.setting: first.figures[COST]}
    target = Target(last.setting, first.setting, at_most=3)
    ratio = Result("scale", "cost of a reading", "µs", costs, [target])
    return [*results, ratio, *growth(settings, rounds=rounds, scale=scale)]


def _by_round(servers: World, devices: int, rounds: int, least: int) -> dict[str, list[float]]:
    """One pipeline, a load a round."""
    count = max(devices, least) // 500 * 500
    load = prepare(list(packed_readings(servers.topics, devices, count, 1_000)))
    trial = Trial(servers, prepare(list(packed_readings(servers.topics, devices, 5_000, 0))), load, PACK)
    figures: dict[str, list[float]] = {RATE: [], COST: [], MEMORY: [], BYTES: [], TICK: []}
    servers.empty()
    with (
        pipeline(servers) as process,
        connect(servers.database_url) as connection,
        tick_delays(servers) as delays,
    ):
        connection.autocommit = True
        warm_up(trial)
        for _ in range(rounds):
            before, size = servers.stored(connection), servers.size(connection)
            delays.clear()
            started = time.perf_counter()
            trial.publish()
            done = wait_for(lambda: servers.stored(connection), before + trial.readings, "the pipeline")
            time.sleep(2.5)  # a tick or two more, and what is folded after the commit
            figures[RATE].append(trial.readings / (done - started))
            figures[COST].append(1e6 * (done - started) / trial.readings)
            figures[MEMORY].append(machine.peak_megabytes(process.pid))
            figures[BYTES].append((servers.size(connection) - size) / trial.readings)
            figures[TICK].append(fmean(delays) if delays else float("nan"))
    return figures


@contextmanager
def tick_delays(servers: World) -> Iterator[list[float]]:
    """How late each tick was done, in ms after its instant, as the pipeline says itself one tick later."""
    delays: list[float] = []

    def note(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        delays.append(1000 * json.loads(message.payload)["pipeline"]["tickLateBy"])

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe(servers.topics.tick)
    client.on_message = note
    client.connect(*servers.broker_address)
    client.loop_start()
    try:
        yield delays
    finally:
        client.disconnect()
        client.loop_stop()
