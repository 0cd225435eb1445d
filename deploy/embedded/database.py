"""The embedded TimescaleDB: a PostgreSQL cluster of its own under the data folder, on loopback only."""

import os
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.embedded.processes import (
    Account,
    Interrupted,
    never,
    own_folder,
    require_reachable,
    run,
    server_account,
    write_owned,
)
from deploy.embedded.server import Server
from deploy.embedded.servers import POSTGRES_PROGRAMS
from deploy.errors import DeployError
from deploy.settings import DATABASE, database_address

# The server is entered through its working directory, so that no parent of the data folder need be open to the
# account it runs as: `-D /proc/self/cwd` is the folder whatever lies above it.
_HERE = "/proc/self/cwd"


@dataclass(frozen=True)
class Tuning:
    """Settings that differ between a city's database and one that lives for a test run."""

    durable: bool = True
    max_connections: int = 60


def prepare(
    folder: Path, port: int, copy: Path, *, tuning: Tuning | None = None, interrupted: Interrupted = never
) -> Server:
    """Make the cluster if there is none, write its configuration."""
    account = server_account(folder)
    require_reachable(copy, account, "CITYVITALS_CACHE_DIR")
    own_folder(folder, account)
    programs = copy / POSTGRES_PROGRAMS
    environment = _environment()
    if not (folder / "cluster").exists():
        _make_cluster(folder, programs, account, environment, interrupted)
    write_owned(folder / "cluster" / "cityvitals.conf", _configuration(port, tuning or Tuning()), account)
    url = database_address(folder, port)
    if url is None:
        raise DeployError(f"{folder / 'password'} is missing: the database in {folder} cannot be opened without it")
    return Server(
        name="database",
        url=url,
        command=(str(programs / "postgres"), "-D", _HERE),
        folder=folder / "cluster",
        account=account,
        environment=environment,
        stop_signal=signal.SIGINT,  # fast shutdown: sessions end, data is flushed
        answers=lambda: _answers(url),
    )


def ensure_database(server_url: str) -> None:
    """Create the database named in the URL, and TimescaleDB in it, unless they are there."""
    info = psycopg.conninfo.conninfo_to_dict(server_url)
    name = str(info["dbname"])
    with psycopg.connect(server_url, dbname="postgres", autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if not known:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, dbname="postgres", connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LD_"))}
    return {**kept, "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}


def _make_cluster(
    folder: Path, programs: Path, account: Account, environment: dict[str, str], interrupted: Interrupted
) -> None:
    """initdb into a neighbouring folder that takes its name only when complete."""
    unfinished = folder / "cluster.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    own_folder(unfinished, account)
    write_owned(folder / "password", secrets.token_urlsafe(24) + "\n", account)
    log = folder / "initdb.log"
    code, output = run(
        [programs / "initdb", "-D", _HERE, "-U", DATABASE, "--pwfile=../password", "--auth=scram-sha-256", "-E", "UTF8",
         "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums"],
        account=account, folder=unfinished, environment=environment, interrupted=interrupted, log=log,
    )  # fmt: skip
    if code:
        shutil.rmtree(unfinished, ignore_errors=True)
        telling = (line for line in output.splitlines() if "error:" in line or "FATAL" in line)
        reason = next(telling, output.strip()[-200:])
        raise DeployError(f"cannot make the database in {folder}: {reason}; make room or choose another --data-dir")
    log.unlink()
    with (unfinished / "postgresql.conf").open("a") as configuration:
        configuration.write("\ninclude = 'cityvitals.conf'\n")
    os.rename(unfinished, folder / "cluster")


def _memory_megabytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000


def _configuration(port: int, tuning: Tuning) -> str:
    memory = _memory_megabytes()
    durable = "on" if tuning.durable else "off"
    values: dict[str, str | int] = {
        "listen_addresses": "'127.0.0.1'",
        "port": port,
        "unix_socket_directories": "''",
        "max_connections": tuning.max_connections,
        "shared_preload_libraries": "'timescaledb'",
        "timescaledb.telemetry_level": "off",
        "timescaledb.max_background_workers": 0,  # the Apache edition has no jobs to run
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "jit": "off",
        "fsync": durable,
        "synchronous_commit": durable,
        "full_page_writes": durable,
        "shared_buffers": f"{max(64, min(1024, memory // 8))}MB",
        "effective_cache_size": f"{max(256, memory // 2)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "128MB",
        "wal_compression": "lz4",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "max_locks_per_transaction": 256,  # one lock per chunk a query touches
        "log_checkpoints": "off",
    }
    return "".join(f"{name} = {value}\n" for name, value in values.items())
