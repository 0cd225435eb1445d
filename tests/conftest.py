"""The real servers of the test run: one TimescaleDB, one Mosquitto, one Chromium, started on first use.

`database_url` is a migrated database of the test's own, cloned from a template; `empty_database_url` has the
extension only; `broker_url` is shared, so tests take topics (city names) of their own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from ports import free_port

from deploy.embedded import broker, database
from deploy.embedded.chromium import chromium_program
from deploy.embedded.server import running
from deploy.embedded.servers import servers_copy
from deploy.settings import DATABASE, default_cache_dir

ROOT = Path(__file__).parents[1]
_REHEARSE = """
from devices.city import load_city
from devices.kinds import streams
from ingest.scanner import prepare
from processing.rehearsal import rehearse
prepare(next(iter(streams().values())))
rehearse(load_city("shanghai"))
"""
_numbers = count(1)

# A pause of the machine is no property of what is tested, and a run that fails is to fail again: the same examples
# every time. `--hypothesis-profile default` draws new ones.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")

# One cache for the tests and whatever they start, that of `make up`; numba looks at it when it is first imported.
os.environ.setdefault("NUMBA_CACHE_DIR", str(default_cache_dir(os.environ) / "numba"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Where several workers are about to start: compile the kernels once, and not in each while a test waits."""
    if getattr(session.config.option, "numprocesses", None) and not hasattr(session.config, "workerinput"):
        subprocess.run([sys.executable, "-c", _REHEARSE], cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    return default_cache_dir(os.environ)


@pytest.fixture(scope="session")
def servers(cache_dir: Path) -> Path:
    """The private copy of broker and database."""
    return servers_copy(cache_dir)


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory, servers: Path) -> Iterator[str]:
    """URL of the server's maintenance database."""
    folder = tmp_path_factory.mktemp("database")
    tuning = database.Tuning(durable=False)
    server = database.prepare(folder / "database", free_port(), servers, tuning=tuning)
    with running(server, folder / "database.log"):
        database.ensure_database(server.url)
        yield _with_database(server.url, "postgres")
    shutil.rmtree(folder / "database", ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(database_server: str) -> str:
    """Name of a database that holds the schema and no data; never connected to by tests."""
    from ingest.database import migrate

    name = "template_migrated"
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = _with_database(database_server, name)
    database.ensure_database(url)
    migrate(url)
    return name


@pytest.fixture
def database_url(database_server: str, migrated_template: str) -> Iterator[str]:
    """A migrated, empty database for this test alone."""
    yield from _own_database(database_server, migrated_template)


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """A database for this test alone that has the extension timescaledb and nothing else."""
    yield from _own_database(database_server, DATABASE)


def _own_database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield _with_database(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _with_database(url: str, name: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{name}"


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory, servers: Path) -> Iterator[str]:
    """A running Mosquitto, shared by the whole run."""
    folder = tmp_path_factory.mktemp("broker")
    server = broker.prepare(folder / "broker", free_port(), servers)
    with running(server, folder / "broker.log"):
        yield server.url


@pytest.fixture(scope="session")
def chromium(cache_dir: Path) -> tuple[Path, dict[str, str]]:
    """Program and environment of a headless Chromium for `playwright.chromium.launch`."""
    return chromium_program(cache_dir)
