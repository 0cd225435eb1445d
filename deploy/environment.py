"""`make setup`: the Python environment in .venv, from hash-locked files, with nothing but python3 to begin with.

Runs on the machine's own Python before any package is there, so it uses the standard library alone. Where
packages come from is pip's own configuration.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.embedded import apt, processes
from deploy.embedded.processes import never
from deploy.errors import DeployError

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
LOCK = ROOT / "requirements-dev.lock"
COMPLETE = ENVIRONMENT / ".complete"
OLDEST_PYTHON = (3, 11)


def main() -> int:
    """Make the environment, or do nothing when it is as the lock file says."""
    try:
        if sys.version_info < OLDEST_PYTHON:
            raise DeployError(
                f"{sys.executable} is Python {sys.version.split()[0]}; 3.11 or newer is needed: make PYTHON=/path/to/it"
            )
        if not _is_complete():
            _make()
    except DeployError as error:
        print(f"cityvitals: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cityvitals: cannot make {ENVIRONMENT}: {error}; make room or correct its rights", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _wanted() -> str:
    """What the environment is made from; a change of any part makes it anew."""
    content = LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    return hashlib.sha256(content).hexdigest()


def _is_complete() -> bool:
    python = ENVIRONMENT / "bin" / "python"
    return COMPLETE.exists() and COMPLETE.read_text().strip() == _wanted() and os.access(python, os.X_OK)


def _make() -> None:
    print("cityvitals: making the Python environment in .venv", file=sys.stderr, flush=True)
    COMPLETE.unlink(missing_ok=True)
    python = ENVIRONMENT / "bin" / "python"
    if not os.access(python, os.X_OK):
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT], "the machine's python3 cannot make a venv")
    pip = _pip(python)
    options = ["--disable-pip-version-check", "--no-input"]
    if not sys.stderr.isatty():
        options += ["--quiet", "--progress-bar", "off"]
    _run(
        [*pip, "install", *options, "--require-hashes", "--only-binary", ":all:", "-r", LOCK],
        "the Python packages could not be installed: check the network, pip's configuration and the disk",
    )
    _run(
        [*pip, "install", "--quiet", *options[:2], "--no-deps", "--no-build-isolation",
         "--config-settings", "editable_mode=compat", "--editable", ROOT],
        "cityvitals itself could not be installed",
    )  # fmt: skip
    COMPLETE.write_text(_wanted() + "\n")


def _pip(python: Path) -> list[str | Path]:
    """The command of a pip that installs into the environment, fetched from Debian where the machine has none."""
    own = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
    if own.returncode:
        wheel = _bundled_pip()
        if wheel:
            _install_pip(python, wheel)
        else:
            _fetch_pip(python)
    return [python, "-m", "pip"]


def _bundled_pip() -> Path | None:
    """The pip wheel that comes with this Python or with Debian's python3-pip-whl, if there is one."""
    folders = [Path("/usr/share/python-wheels")]
    try:
        import ensurepip

        folders.append(Path(ensurepip.__file__).parent / "_bundled")
    except ImportError:
        pass  # Debian's python3 without python3-venv
    wheels = [wheel for folder in folders if folder.is_dir() for wheel in sorted(folder.glob("pip-*.whl"))]
    return wheels[-1] if wheels else None


def _install_pip(python: Path, wheel: Path) -> None:
    # A wheel is a zip file that Python can run from.
    _run(
        [python, wheel / "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", wheel],
        f"pip could not be installed from {wheel}",
    )


def _fetch_pip(python: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=ENVIRONMENT) as folder:
        work = Path(folder)
        wanted = apt.Wanted("pip", "trixie", ("python3-pip-whl",))
        (deb,) = apt.fetch(wanted, work, apt.Quiet(), never)
        code, output = apt.run(["dpkg-deb", "-x", deb, work / "tree"], work, never)
        wheels = sorted((work / "tree").rglob("pip-*.whl"))
        if code or not wheels:
            raise DeployError(
                f"cannot unpack {deb.name}: {apt.first_error(output)}; install python3-venv and start again"
            )
        _install_pip(python, wheels[-1])


def _run(command: list[str | Path], problem: str) -> None:
    process = processes.spawn(command, folder=ROOT, output=sys.stderr.fileno())
    try:
        code = process.wait()
    finally:
        processes.stop(process, signal.SIGTERM)
    if code:
        raise DeployError(f"{problem} (the lines above say why), then run make again")


if __name__ == "__main__":
    sys.exit(main())
