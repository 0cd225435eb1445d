"""Runs apt on a state of its own: which archive, which files, and their verified download."""

import hashlib
import os
import re
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from deploy.embedded import processes
from deploy.embedded.processes import Interrupted
from deploy.embedded.sources import (
    DEBIAN_KEYRING,
    AptSource,
    PackageFile,
    archive_candidates,
    parse_deb822,
    parse_one_line,
    parse_print_uris,
    source_line,
)
from deploy.errors import DeployError, InterruptedByUser

UNPACKED_PER_PACKED = 5  # a .deb grows three- to fivefold when unpacked

_CONFIGURATION = """\
Dir::State "{work}/state";
Dir::State::Lists "{work}/lists";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Etc::SourceList "{work}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Log "{work}/log";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
"""


# Most telling first.
_ERROR_LINES = (
    r"(?i).*no space left.*",
    r"E: (Failed to fetch .*)",
    r"(?:E|dpkg-deb: error): (.*)",
    r"(?:Err|W): ?(.*)",
)


WAYS_OUT = (
    "or use servers of your own (CITYVITALS_DATABASE_URL and CITYVITALS_MQTT_URL) "
    "or containers (docker compose -f deploy/compose.yaml up)"
)


class Reporter(Protocol):
    """Who is told how far a download is."""

    def stage(self, name: str, total: int, files: int | None = None) -> None: ...

    def advance(self, done: int) -> None: ...


class Quiet:
    """A reporter that tells nobody."""

    def stage(self, name: str, total: int, files: int | None = None) -> None:
        pass

    def advance(self, done: int) -> None:
        pass


@dataclass(frozen=True)
class Wanted:
    """Packages to fetch from a suite; `with_dependencies` lets apt add theirs, except those `left_out`."""

    purpose: str
    suite: str
    packages: tuple[str, ...]
    with_dependencies: bool = False
    left_out: tuple[str, ...] = ()


class ArchiveError(Exception):
    """One archive did not deliver; the next may."""


def run(command: Sequence[str | Path], work: Path, interrupted: Interrupted) -> tuple[int, str]:
    """Run a tool quietly; exit code and everything it printed."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return processes.run(command, interrupted=interrupted, environment=environment, log=work / "command.log")


def first_error(output: str) -> str:
    """The line of a tool's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for pattern in _ERROR_LINES:
        for line in lines:
            if found := re.fullmatch(pattern, line):
                return " ".join((found[1] if found.groups() else line).split())
    return lines[-1] if lines else "no reason given"


def machine_sources(work: Path, interrupted: Interrupted) -> list[AptSource]:
    """Every source this machine's apt is configured with."""
    _, output = run(
        ["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"], work, interrupted
    )
    places = dict(re.findall(r"^(LIST|PARTS)='([^']*)'", output, re.MULTILINE))
    files = [Path(places.get("LIST") or "/etc/apt/sources.list")]
    parts = Path(places.get("PARTS") or "/etc/apt/sources.list.d")
    if parts.is_dir():
        files += sorted(path for path in parts.iterdir() if path.suffix in (".list", ".sources"))
    sources: list[AptSource] = []
    for file in files:
        if file.is_file() and os.access(file, os.R_OK):
            parse = parse_deb822 if file.suffix == ".sources" else parse_one_line
            sources += parse(file.read_text(errors="replace"))
    return sources


def fetch(wanted: Wanted, work: Path, progress: Reporter, interrupted: Interrupted) -> list[Path]:
    """Download the set's package files, verified against the signed archive; their paths."""
    candidates = archive_candidates(machine_sources(work, interrupted))
    if not candidates:
        raise _failure(wanted, "this machine's apt configuration names no Debian archive (component main)")
    reasons = []
    for source in candidates:
        try:
            return _fetch_from(source, wanted, work, progress, interrupted)
        except ArchiveError as error:
            reasons.append(str(error))
    raise _failure(wanted, reasons[0])


def _failure(wanted: Wanted, reason: str) -> DeployError:
    return DeployError(
        f"cannot fetch {wanted.purpose}: {reason}; check the network and the disk and start again, {WAYS_OUT}"
    )


def _fetch_from(
    source: AptSource, wanted: Wanted, work: Path, progress: Reporter, interrupted: Interrupted
) -> list[Path]:
    _write_state(source, wanted.suite, work)
    apt_get: list[str | Path] = ["apt-get", "-q", "-c", work / "apt.conf"]
    progress.stage("reading the package index", 1)
    code, output = run([*apt_get, "update"], work, interrupted)
    if code:
        raise ArchiveError(first_error(output))
    resolve = ["install", "--yes"] if wanted.with_dependencies else ["download"]
    code, output = run([*apt_get, *resolve, "--print-uris", *wanted.packages], work, interrupted)
    files = [f for f in parse_print_uris(output) if not any(fnmatch(f.name, skip) for skip in wanted.left_out)]
    if code or not files:
        raise ArchiveError(first_error(output))
    _require_room(files, work)
    debs = work / "debs"
    debs.mkdir(exist_ok=True)
    progress.stage("downloading", sum(file.size for file in files), files=len(files))
    _download([*apt_get, "download", *(file.name for file in files)], work, progress, interrupted)
    return [_verified(debs, file) for file in files]


def _write_state(source: AptSource, suite: str, work: Path) -> None:
    for name in ("state", "lists", "cache", "debs"):
        shutil.rmtree(work / name, ignore_errors=True)
    for name in ("state", "lists/partial", "cache/archives/partial", "log"):
        (work / name).mkdir(parents=True, exist_ok=True)
    (work / "status").write_text("")
    (work / "apt.conf").write_text(_CONFIGURATION.format(work=work))
    keyring = source.signed_by
    if keyring and "BEGIN PGP" in keyring:
        key_lines = [("" if line == "." else line) for line in keyring.splitlines()]
        (work / "archive.asc").write_text("\n".join(key_lines) + "\n")
        keyring = str(work / "archive.asc")
    elif keyring is None and Path(DEBIAN_KEYRING).exists():
        keyring = DEBIAN_KEYRING
    (work / "sources.list").write_text(source_line(source, suite, keyring))


def _require_room(files: list[PackageFile], work: Path) -> None:
    needed = sum(file.size for file in files) * (1 + UNPACKED_PER_PACKED)
    free = shutil.disk_usage(work).free
    if free < needed:
        raise DeployError(
            f"{work.parent} has {free / 1e6:.0f} MB free but the private copy needs about {needed / 1e6:.0f} MB; "
            "make room or set CITYVITALS_CACHE_DIR to a folder on another disk"
        )


def _download(command: Sequence[str | Path], work: Path, progress: Reporter, interrupted: Interrupted) -> None:
    debs = work / "debs"
    log = work / "download.log"
    with log.open("wb") as output:
        process = processes.spawn(command, folder=debs, environment={**os.environ, "LC_ALL": "C"}, output=output)
        try:
            while process.poll() is None:
                if interrupted():
                    raise InterruptedByUser
                progress.advance(_bytes_in(debs))
                time.sleep(0.05)
        finally:
            processes.stop(process, signal.SIGTERM)
    progress.advance(_bytes_in(debs))
    if process.returncode:
        raise ArchiveError(first_error(log.read_text(errors="replace")))


def _bytes_in(folder: Path) -> int:
    total = 0
    for entry in os.scandir(folder):
        try:
            total += entry.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _verified(debs: Path, file: PackageFile) -> Path:
    path = debs / file.file
    if not path.exists():
        raise ArchiveError(f"{file.file} was not delivered")
    content = path.read_bytes()
    if len(content) != file.size or (file.sha256 and hashlib.sha256(content).hexdigest() != file.sha256):
        raise ArchiveError(f"{file.file} is damaged ({len(content)} bytes, {file.size} expected, or wrong SHA-256)")
    return path
