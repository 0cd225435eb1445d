"""The package set of the embedded servers: PostgreSQL 17 with TimescaleDB, and Mosquitto, from Debian 13."""

from pathlib import Path

from deploy.embedded.apt import Wanted
from deploy.embedded.packages import PackageSet, private_copy, read_package_list
from deploy.embedded.processes import Interrupted, never, require_reachable, server_account
from deploy.errors import DeployError

POSTGRES_PROGRAMS = "usr/lib/postgresql/17/bin"
MOSQUITTO = "usr/sbin/mosquitto"

SERVERS = PackageSet(
    name="servers",
    wanted=Wanted("the embedded broker and database", "trixie", read_package_list("servers")),
    proofs=(
        f"{POSTGRES_PROGRAMS}/postgres",
        f"{POSTGRES_PROGRAMS}/initdb",
        "usr/lib/postgresql/17/lib/timescaledb.so",
        MOSQUITTO,
    ),
)


def servers_copy(cache: Path, interrupted: Interrupted = never) -> Path:
    """The private copy of both servers, fetched on first use into a folder that their account can enter."""
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    require_reachable(existing, server_account(cache / "none"), "CITYVITALS_CACHE_DIR")
    return private_copy(SERVERS, cache, interrupted=interrupted)


def dynamic_security(copy: Path) -> Path:
    """The plugin by which Mosquitto tells the system's own clients from devices."""
    found = next(copy.glob("usr/lib/*/mosquitto_dynamic_security.so"), None)
    if found is None:
        raise DeployError(f"{copy} holds no mosquitto_dynamic_security.so; delete that folder and start again")
    return found
