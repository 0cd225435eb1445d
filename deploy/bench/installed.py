"""Peers and tools of the benchmarks, fetched into the user's cache on first use: nothing of them is a dependency."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.embedded import processes
from deploy.embedded.apt import Wanted
from deploy.embedded.packages import PackageSet, private_copy
from deploy.errors import DeployError

LOCK = Path(__file__).resolve().parents[2] / "requirements-bench.lock"
NODE_PACKAGES = ("node-red@4", "pg@8")

CLIENTS = PackageSet(
    name="bench-clients",
    wanted=Wanted("Mosquitto's clients for the benchmarks", "trixie", ("mosquitto-clients",), with_dependencies=True),
    proofs=("usr/bin/mosquitto_sub",),
)


def mosquitto_sub(cache: Path) -> Path:
    """Mosquitto's own subscriber, in C."""
    return private_copy(CLIENTS, cache) / "usr/bin/mosquitto_sub"


def python_packages(cache: Path) -> Path:
    """A folder for PYTHONPATH with the Python peers."""
    if not LOCK.exists():
        raise DeployError(f"{LOCK} is missing: benchmarks run from a checkout of the repository")
    name = f"bench-python-{hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
               "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK), "--target"]  # fmt: skip
    return _once(cache, name, command)


def use_python_packages(cache: Path) -> None:
    """Make the Python peers importable here, behind the project's own packages."""
    folder = str(python_packages(cache))
    if folder not in sys.path:
        sys.path.append(folder)


def missing_python_packages(cache: Path) -> dict[str, str]:
    """``use_python_packages`` for those who can do without: nothing, or why the peers are not there."""
    try:
        use_python_packages(cache)
    except DeployError as error:
        return {"Python peers": str(error)}
    return {}


def node_red(cache: Path) -> Path | None:
    """A folder with Node-RED and its PostgreSQL client; None where the machine has no npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    name = f"bench-node-{hashlib.sha256(' '.join(NODE_PACKAGES).encode()).hexdigest()[:12]}"
    return _once(cache, name, [npm, "install", "--no-fund", "--no-audit", *NODE_PACKAGES, "--prefix"])


def _once(cache: Path, name: str, command: list[str]) -> Path:
    """The folder that ``command`` fills, under its name only when complete."""
    final = cache / name
    if final.exists():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    print(f"cityvitals: fetching {name} (first benchmark only)", file=sys.stderr, flush=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache))
    try:
        process = processes.spawn([*command, unfinished], folder=unfinished, output=sys.stderr.fileno())
        try:
            code = process.wait()
        finally:
            processes.stop(process, signal.SIGTERM)
        if code:
            raise DeployError(f"{name} could not be fetched: check the network and the configuration of {command[0]}")
        os.rename(unfinished, final)
    except subprocess.SubprocessError as error:
        raise DeployError(f"{name} could not be fetched: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return final
