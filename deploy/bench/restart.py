"""Part of benchmark `startup`: the pipeline starts where its windows are full of stored readings.

It is ready with the last minutes and reads the rest beside the ticks (`processing.successor`).
"""

import json
import queue
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.bench import machine
from deploy.bench.contestants import pipeline
from deploy.bench.recompute import DEVICES, fill
from deploy.bench.results import Result, Target
from deploy.bench.world import PATIENCE, World, world
from deploy.errors import DeployError
from deploy.settings import Settings
from processing.windows import MINUTE

MINUTES = 60
"""of readings at scale 1"""
READY, WHOLE, MEMORY = "start to first tick", "start to whole windows", "most MB"


def restart(settings: Settings, *, rounds: int, scale: float) -> Result:
    """Seconds from the command to the first tick, and to the first without anything that is withheld."""
    minutes = max(5, int(MINUTES * scale))
    figures: dict[str, list[float]] = {READY: [], WHOLE: [], MEMORY: []}
    with world(settings) as servers:
        last = time.time_ns() // 1000 // MINUTE * MINUTE
        rows, _ = fill(servers, last - (minutes - 1) * MINUTE, last)
        for _ in range(rounds):
            for name, figure in zip(figures, _start(servers), strict=True):
                figures[name].append(figure)
    note = f"{rows:,} readings are stored; until windows are whole, what looks back further says `restoring`"
    setting = f"{minutes} minutes of {DEVICES:,} devices stored"
    return Result("startup", setting, "s, MB", figures, [Target(READY, "", at_most=8)], [note])


def _start(servers: World) -> tuple[float, float, float]:
    started = time.perf_counter()
    with _ticks(servers) as ticks, pipeline(servers) as process:
        first = _until(ticks, process, withheld=True)
        ready = time.perf_counter() - started
        if first:
            _until(ticks, process, withheld=False)
        return ready, time.perf_counter() - started, machine.peak_megabytes(process.pid)


def _until(ticks: "queue.Queue[dict[str, int]]", process: subprocess.Popen[bytes], *, withheld: bool) -> int:
    """Wait for a tick of the process, if need be for one that withholds nothing; how many indicators it withholds."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline and process.poll() is None:
        try:
            said = ticks.get(timeout=0.5)
        except queue.Empty:
            continue
        if said["pid"] == process.pid and (withheld or not said["restoring"]):
            return said["restoring"]
    raise DeployError("the pipeline did not get its windows")


@contextmanager
def _ticks(servers: World) -> "Iterator[queue.Queue[dict[str, int]]]":
    """What pipelines say of themselves with every tick."""
    said: queue.Queue[dict[str, int]] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe(servers.topics.tick)
    client.on_message = lambda _client, _data, message: said.put(json.loads(message.payload)["pipeline"])
    client.connect(*servers.broker_address)
    client.loop_start()
    try:
        yield said
    finally:
        client.disconnect()
        client.loop_stop()
