"""`cityvitals migrate`: TimescaleDB in the configured database, and its schema up to date."""

from urllib.parse import urlsplit, urlunsplit

import psycopg

from deploy.errors import DeployError
from deploy.settings import Settings
from ingest.database import SchemaError, in_one_line, migrate


def run_migration(settings: Settings) -> int:
    """Apply what is missing and print its names; the process's exit code."""
    ensure_extension(settings.database)
    try:
        for name in migrate(settings.database):
            print(f"applied {name}")
    except SchemaError as error:
        raise DeployError(str(error)) from error
    except psycopg.Error as error:
        raise DeployError(f"cannot migrate {without_password(settings.database)}: {in_one_line(error)}") from error
    return 0


def ensure_extension(url: str) -> None:
    """Have TimescaleDB in the database; raise when it cannot be reached or has none."""
    try:
        with psycopg.connect(url, connect_timeout=10, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise DeployError(
            f"no database at {without_password(url)}: {reason}; start it or correct CITYVITALS_DATABASE_URL"
        ) from error
    except psycopg.Error as error:
        raise DeployError(
            f"TimescaleDB is not available in {without_password(url)}: {in_one_line(error)}; "
            "have its administrator run CREATE EXTENSION timescaledb there"
        ) from error


def without_password(url: str) -> str:
    """The address as it may be shown in lists."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    place = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{place}"))
