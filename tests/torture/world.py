"""The world of a run: real Mosquitto, real TimescaleDB, the pipeline as its own process, and links that can be cut."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.embedded import broker, database
from deploy.embedded.processes import spawn
from deploy.embedded.server import Server, start
from deploy.embedded.servers import servers_copy
from deploy.settings import default_cache_dir
from ingest.database import migrate
from tests.ports import free_port
from tests.torture import shifted_clock
from tests.torture.monitor import Monitor
from tests.torture.processes import START_WITHIN, Node
from tests.torture.proxy import Proxy
from tests.torture.small_city import CITY, STREETS
from tests.torture.tap import Tap

ROOT = Path(__file__).parents[2]
SPOOL_QUOTA = 64 * 2**20
DISK = 6 * 2**20
"""bytes of the pipeline's own disk, where the machine lets a run have one"""


@dataclass(frozen=True)
class Options:
    """What sort of world a run needs."""

    links: bool = True
    """the pipeline reaches its servers through links that can be cut, and is listened to"""
    small_disk: bool = True
    spool_quota: int | None = SPOOL_QUOTA
    """None: the default"""
    city: str | None = None
    """None: a small one of the harness's own"""


class Servers:
    """A database server for all runs of a process; each run gets a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copy = servers_copy(default_cache_dir(os.environ))
        prepared = database.prepare(folder / "database", free_port(), self.copy)
        self.database = _server_node(prepared, folder / "database.log")
        self.url = prepared.url
        self._count = 0
        self.database.start()
        database.ensure_database(prepared.url)
        migrate(prepared.url)  # once for all: runs are cloned from it

    def new_database(self) -> str:
        """URL of a migrated, empty database."""
        self._count += 1
        base, _, template = self.url.rpartition("/")
        name = f"run_{self._count}"
        with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return f"{base}/{name}"

    def drop_database(self, url: str) -> None:
        base, _, name = url.rpartition("/")
        with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class World:
    """Everything of one run; ``pipeline``, ``broker`` and ``database`` are nodes that faults act on."""

    def __init__(self, servers: Servers, folder: Path, options: Options) -> None:
        self.options = options
        self.folder = folder
        self.database = servers.database
        self.database_url = servers.new_database()
        self._servers = servers
        prepared = broker.prepare(folder / "broker", free_port(), servers.copy)
        self.broker = _server_node(prepared, folder / "broker.log")
        self.broker_port = int(prepared.url.rpartition(":")[2])
        self.broker_folder = folder / "broker"
        self.tap = Tap()
        database_port = int(self.database_url.rpartition("/")[0].rpartition(":")[2])
        self.mqtt_link = Proxy(self.broker_port, self.tap) if options.links else None
        self.database_link = Proxy(database_port) if options.links else None
        self.data = folder / "data"
        self.data.mkdir()
        self.has_own_disk = options.small_disk and _mount(self.data)
        self.clock = folder / "clock"
        shifted_clock.set_shift(self.clock, 0)
        self.city = options.city or str(_small_city(folder / "city"))
        self.city_code = CITY if options.city is None else "310000"
        self.log = folder / "pipeline.log"
        self.pipeline = Node("pipeline", self._launch_pipeline, lambda: True, signal.SIGTERM)
        self.monitor = Monitor(self.broker_port, self.city_code)
        self.broker_losses: list[float] = []
        """when (seconds since 1970) the broker was made to lose what it kept"""
        self.clock_jumps: list[float] = []

    def note_broker_loss(self) -> None:
        """The broker is about to lose what it has acknowledged and not passed on."""
        self.broker_losses.append(time.time())

    def start(self) -> None:
        """Start all but the pipeline's own waiting: it is up when it ticks."""
        self.broker.start()
        self.pipeline.start()
        self.monitor.start()
        self.monitor.wait_tick(2 * START_WITHIN)

    def close(self) -> None:
        self.monitor.stop()
        for node in (self.pipeline, self.broker):
            node.proceed()
            node.kill()
        for link in (self.mqtt_link, self.database_link):
            if link is not None:
                link.close()
        if self.has_own_disk:
            subprocess.run(["umount", "-l", self.data], check=False)
        self.database.proceed()
        self.database.start()
        self._servers.drop_database(self.database_url)

    def connect(self) -> psycopg.Connection:
        """A connection of the harness's own, not through the link."""
        return psycopg.connect(self.database_url, autocommit=True, options="-c timezone=UTC")

    def _launch_pipeline(self) -> subprocess.Popen[bytes]:
        mqtt = self.mqtt_link.port if self.mqtt_link else self.broker_port
        environment = {
            **os.environ,
            "CITYVITALS_MQTT_URL": f"mqtt://127.0.0.1:{mqtt}",
            "CITYVITALS_DATABASE_URL": _through(self.database_url, self.database_link),
            "CITYVITALS_DATA_DIR": str(self.data),
            "CITYVITALS_CITY": self.city,
            shifted_clock.VARIABLE: str(self.clock),
        }
        if self.options.spool_quota is not None:
            environment["CITYVITALS_SPOOL_QUOTA"] = str(self.options.spool_quota)
        command = [sys.executable, "-m", "tests.torture.shifted_clock", "pipeline"]
        with self.log.open("ab") as output:
            return spawn(command, folder=ROOT, environment=environment, output=output)


@contextmanager
def servers() -> Iterator[Servers]:
    """The servers; what failed runs left in their folder is kept."""
    folder = Path(tempfile.mkdtemp(prefix="cityvitals-torture-"))
    folder.chmod(0o755)
    made = Servers(folder)
    try:
        yield made
    finally:
        made.database.end()
        shutil.rmtree(folder / "database", ignore_errors=True)
        if not any(kept.is_dir() for kept in folder.iterdir()):
            shutil.rmtree(folder)


@contextmanager
def world(made: Servers, name: str, options: Options | None = None) -> Iterator[World]:
    """A started world; its folder stays for inspection when the block raises."""
    folder = made.folder / name
    folder.mkdir()
    folder.chmod(0o755)
    opened = World(made, folder, options or Options())
    try:
        opened.start()
        yield opened
    finally:
        opened.close()
    shutil.rmtree(folder, ignore_errors=True)


def _server_node(server: Server, log: Path) -> Node:
    return Node(server.name, lambda: start(server, log), server.answers, server.stop_signal)


def _through(url: str, link: Proxy | None) -> str:
    """The address with the link's port in place of the server's."""
    if link is None:
        return url
    place, _, name = url.rpartition("/")
    return f"{place.rpartition(':')[0]}:{link.port}/{name}"


def _mount(folder: Path) -> bool:
    """Give a folder a small disk of its own; only root can."""
    if os.geteuid():
        return False
    with contextlib.suppress(OSError):
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "cityvitals-torture", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


def _small_city(folder: Path) -> Path:
    folder.mkdir()
    rows = ["code,level,parent,name_zh,name_en", f"{CITY},city,,小城,Smallville"]
    districts = sorted({street[:6] for street in STREETS})
    rows += [f"{code},district,{CITY},区{code},District {code}" for code in districts]
    rows += [f"{code},street,{code[:6]},街{code},Street {code}" for code in STREETS]
    (folder / "areas.csv").write_text("\n".join(rows) + "\n")
    (folder / "city.toml").write_text(
        f'code = "{CITY}"\ntimezone = "Asia/Shanghai"\ncentre = [121.4, 31.2]\n[map_note]\nzh = "无"\nen = "none"\n'
    )
    features = []
    for place, code in enumerate(districts):
        west = 121.0 + place
        ring = [[west, 31.0], [west + 0.9, 31.0], [west + 0.9, 31.9], [west, 31.9], [west, 31.0]]
        features.append(
            {
                "type": "Feature",
                "properties": {"code": code, "label": [west + 0.4, 31.4]},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        )
    (folder / "districts.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder
