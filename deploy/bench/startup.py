"""Benchmark `startup`: compiling the kernels, and the second start of a city with many devices."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.bench.load import prepare, publish
from deploy.bench.readings import PACK, packed_readings, registered
from deploy.bench.restart import restart
from deploy.bench.results import Result, Target
from deploy.bench.world import wait_for
from deploy.embedded.processes import spawn, stop
from deploy.embedded.server import last_line
from deploy.errors import DeployError
from deploy.settings import Settings, database_address
from deploy.supervisor import own_command
from devices.city import load_city
from devices.kinds import kinds
from devices.topics import Topics
from ingest.database import connect

COLD_ROUNDS = 3

_USE_EVERY_KERNEL = """
import time
started = time.perf_counter()
from deploy.bench.city_data import full_engine
from devices.city import load_city
from devices.kinds import kinds
from devices.topics import Topics
from ingest import kernels as reading
from ingest.batch import Delivery
from ingest.decoder import Decoder
from ingest.registry import Device, Registry
from processing import kernels, unpacking
from processing.rehearsal import NOW, rehearse
bus = b'{"dateObserved":0,"device":"bus","route":"1","speed":1}'
topics, registry = Topics("310000", kinds()), Registry([Device(1, "bus", "bus", "310104003")])
assert Decoder(topics).decode([Delivery(topics.telemetry("bus", "bus"), bus, 0)], registry).batches
city = load_city("shanghai")
rehearse(city)
engine = full_engine(city, 1000)
engine.evaluate(NOW)
engine.worst(NOW)
compiled = [f for m in (kernels, unpacking, reading) for f in vars(m).values() if hasattr(f, "stats")]
print(time.perf_counter() - started, sum(sum(f.stats.cache_misses.values()) for f in compiled))
"""


def startup(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Cold and warm compile; `up` on data that is there; the pipeline where much is stored."""
    devices = max(500, int(100_000 * scale) // 500 * 500)
    return [_compile(rounds), _second_start(rounds, devices), restart(settings, rounds=rounds, scale=scale)]


def _compile(rounds: int) -> Result:
    cold, warm, compiled = [], [], 0
    for _ in range(min(rounds, COLD_ROUNDS)):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(_use_kernels(folder)[0])
            for _ in range(-(-rounds // COLD_ROUNDS)):
                seconds, misses = _use_kernels(folder)
                warm.append(seconds)
                compiled += misses
    figures = {"cold: import, compile, first tick": cold, "warm: import, load, first tick": warm}
    notes = [f"kernels compiled on warm starts: {compiled} in {len(warm)} starts; cold starts: {len(cold)}"]
    return Result("startup", "numba kernels", "s", figures, [], notes)


def _use_kernels(cache: str) -> tuple[float, int]:
    output = subprocess.run(
        [sys.executable, "-c", _USE_EVERY_KERNEL],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seconds, misses = output.split()
    return float(seconds), int(misses)


def _second_start(rounds: int, devices: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="cityvitals-bench-") as folder:
        data = Path(folder)
        data.chmod(0o755)
        first = _up(data, devices)
        seconds = [_up(data, 0) for _ in range(rounds)]
    figures = {"first start (empty)": [first], "second start to ready": seconds}
    targets = [Target("second start to ready", "", at_most=8)]
    return Result("startup", f"{devices:,} devices registered", "s", figures, targets)


def _up(data: Path, devices: int) -> float:
    """Seconds from the command to `ready`; registers devices, each with a reading, before it stops."""
    ports = ("--port", "0", "--mqtt-port", "0", "--db-port", "0")
    log = data / "bench-up.log"
    started = time.perf_counter()
    with log.open("wb") as output:
        process = spawn(own_command("up", "--no-devices", "--data-dir", str(data / "data"), *ports), output=output)
    try:
        while "\nready http" not in log.read_text(errors="replace"):
            if process.poll() is not None or time.perf_counter() - started > 180:
                raise DeployError(f"`up` did not get ready: {last_line(log)}")
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        if devices:
            _fill(data / "data", log.read_text(), devices)
    finally:
        stop(process, signal.SIGTERM, patience=60)
    return seconds


def _fill(folder: Path, said: str, devices: int) -> None:
    addresses = dict(line.split(" ", 1) for line in said.splitlines() if line.count(" ") == 1)
    city = load_city("shanghai")
    host, port = addresses["broker"].removeprefix("mqtt://").rsplit(":", 1)
    url = database_address(folder / "database", int(addresses["database"].rsplit(":", 1)[1].split("/")[0]))
    assert url is not None
    streets = [area.code for area in city.areas if area.level == "street"]
    with connect(url) as connection:
        with connection.cursor() as cursor, cursor.copy("COPY devices (id, kind, area, attributes) FROM STDIN") as copy:
            for row in registered(devices, streets, gateways=True):
                copy.write_row(row)
        connection.commit()
        connection.autocommit = True
        load = prepare(list(packed_readings(Topics(city.code, kinds()), devices, devices, 1)))
        publish(load, host, int(port))
        query = "SELECT coalesce(sum(stored), 0)::bigint FROM ledger"
        wait_for(lambda: int((connection.execute(query).fetchone() or (0,))[0]), len(load) * PACK, "the pipeline")
