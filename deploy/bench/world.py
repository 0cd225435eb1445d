"""A broker and a database of the benchmark's own, tuned and durable as in operation, and what is counted in them."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from deploy.bench.readings import registered
from deploy.embedded import broker, database
from deploy.embedded.server import running
from deploy.embedded.servers import servers_copy
from deploy.errors import DeployError
from deploy.settings import Settings
from devices.city import City, load_city
from devices.kinds import kinds
from devices.topics import Topics
from ingest.database import connect, migrate

PATIENCE = 300.0
_KEPT = ("devices", "migrations", "policies", "policy_changes")


@dataclass
class World:
    """The servers of a run."""

    folder: Path
    mqtt_url: str
    database_url: str
    cache: Path
    city: City
    pids: Mapping[str, int]

    @property
    def topics(self) -> Topics:
        return Topics(self.city.code, kinds())

    @property
    def broker_address(self) -> tuple[str, int]:
        address = urlsplit(self.mqtt_url)
        return address.hostname or "127.0.0.1", address.port or 1883

    @property
    def streets(self) -> list[str]:
        return [area.code for area in self.city.areas if area.level == "street"]

    def environment(self, **more: str) -> dict[str, str]:
        """For the commands under test: these servers, the user's numba cache."""
        own = {
            "CITYVITALS_MQTT_URL": self.mqtt_url,
            "CITYVITALS_DATABASE_URL": self.database_url,
            "CITYVITALS_DATA_DIR": str(self.folder / "data"),
            "CITYVITALS_CACHE_DIR": str(self.cache),
            "NUMBA_CACHE_DIR": str(self.cache / "numba"),
            "PYTHONUNBUFFERED": "1",
        }
        return {**os.environ, **own, **more}

    def register(
        self, devices: int, *, gateways: bool = False, streets: Sequence[str] = (), kind: str | None = None
    ) -> None:
        """Register devices as the benchmarks number them, of all kinds unless one is given, spread evenly over
        ``streets`` (all, unless given), two days ago."""
        copy_in = "COPY devices (id, kind, area, attributes, registered_at) FROM STDIN"
        before = datetime.now(UTC) - timedelta(days=2)
        with connect(self.database_url) as connection, connection.cursor() as cursor, cursor.copy(copy_in) as copy:
            for row in registered(devices, streets or self.streets, gateways=gateways, only=kind):
                copy.write_row((*row, before))

    def register_one(self, device: str, kind: str, area: str) -> None:
        """Register a device of the benchmark's own."""
        with connect(self.database_url) as connection:
            connection.execute("INSERT INTO devices (id, kind, area) VALUES (%s, %s, %s)", [device, kind, area])

    def empty(self) -> None:
        """Forget all but the devices, so that every contestant writes into empty tables."""
        with connect(self.database_url) as connection:
            rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = [sql.Identifier(name) for (name,) in rows if name not in _KEPT]
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
        with connect(self.database_url) as connection:
            connection.autocommit = True
            connection.execute("CHECKPOINT")

    def stored(self, connection: psycopg.Connection) -> int:
        """Readings in the ledger."""
        row = connection.execute(
            "SELECT coalesce(sum(stored + duplicate + rejected), 0)::bigint FROM ledger"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def size(self, connection: psycopg.Connection) -> int:
        """Bytes of all chunks with their indexes."""
        row = connection.execute(
            "SELECT coalesce(sum(pg_total_relation_size(format('%I.%I', schemaname, tablename))), 0)::bigint"
            " FROM pg_tables WHERE schemaname = '_timescaledb_internal'"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def rows(self, connection: psycopg.Connection) -> int:
        """Readings in the tables, for contestants that keep no ledger."""
        counts = sql.SQL(" + ").join(
            sql.SQL("(SELECT count(*) FROM {})").format(sql.Identifier(kind.stream.name)) for kind in kinds().values()
        )
        row = connection.execute(sql.SQL("SELECT {}").format(counts)).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def world(settings: Settings) -> Iterator[World]:
    """Servers in a temporary folder, stopped and removed at the end."""
    copy = servers_copy(settings.cache_dir)
    folder = Path(tempfile.mkdtemp(prefix="cityvitals-bench-"))
    folder.chmod(0o755)
    try:
        of_broker = broker.prepare(folder / "broker", free_port(), copy)
        of_database = database.prepare(folder / "database", free_port(), copy)
        with running(of_broker, folder / "broker.log") as one, running(of_database, folder / "database.log") as other:
            database.ensure_database(of_database.url)
            migrate(of_database.url)
            pids = {"broker": one.pid, "database": other.pid}
            yield World(folder, of_broker.url, of_database.url, settings.cache_dir, load_city(settings.city), pids)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(count: Callable[[], int], enough: int, what: str, pause: float = 0.02) -> float:
    """Wait until ``count()`` reaches ``enough``; returns when that was (perf_counter)."""
    deadline = time.perf_counter() + PATIENCE
    while True:
        reached = count()
        now = time.perf_counter()
        if reached >= enough:
            return now
        if now > deadline:
            raise DeployError(f"{what} got no further than {reached} of {enough} within {PATIENCE:.0f} s")
        time.sleep(pause)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
