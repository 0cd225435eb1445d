"""Fetches a set of Debian packages with apt into a private folder and makes them run from there.

Nothing is installed and no root is needed: apt works on lists, cache and an (empty) status of its own. The
folder appears under its final name only when complete, and one process at a time prepares it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded import apt
from deploy.embedded.apt import WAYS_OUT, Wanted
from deploy.embedded.processes import Interrupted, never
from deploy.embedded.progress import Progress
from deploy.embedded.relocate import patchelf_program, relocate
from deploy.errors import DeployError, InterruptedByUser

RECIPE = 2  # raise when the way of preparing changes: older copies are then made anew
MANIFEST = ".manifest.json"


@dataclass(frozen=True)
class PackageSet:
    """A private copy: its name, what to fetch, and which files prove that it is right."""

    name: str
    wanted: Wanted
    proofs: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Name of the copy: changes whenever the set or the way of preparing it does."""
        wanted = self.wanted
        words = [wanted.suite, str(RECIPE), str(wanted.with_dependencies), *wanted.packages, *wanted.left_out]
        return f"{self.name}-{hashlib.sha256(' '.join(words).encode()).hexdigest()[:12]}"


def read_package_list(name: str) -> tuple[str, ...]:
    """The package names in `<name>.txt` beside this file; `#` starts a comment."""
    text = Path(__file__).with_name(f"{name}.txt").read_text()
    return tuple(line for raw in text.splitlines() if (line := raw.split("#", 1)[0].strip()))


def private_copy(copy: PackageSet, cache: Path, *, interrupted: Interrupted = never) -> Path:
    """The folder with the unpacked, runnable packages, prepared now unless a whole copy is already there."""
    final = cache / copy.folder
    if is_whole(final):
        return final
    try:
        if not cache.exists():
            cache.mkdir(parents=True)
            cache.chmod(0o755)  # the account that runs the servers comes this way, whatever the umask
        with _alone(cache, interrupted):
            if not is_whole(final):
                _remove_remains(cache, copy, final)
                _prepare(copy, cache, final, interrupted)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise DeployError(
            f"cannot prepare {copy.wanted.purpose} in {cache}: {error.strerror or error}{where}; "
            f"make room or set CITYVITALS_CACHE_DIR to another folder, {WAYS_OUT}"
        ) from error
    return final


def _prepare(copy: PackageSet, cache: Path, final: Path, interrupted: Interrupted) -> None:
    missing = [tool for tool in ("apt-get", "apt-config", "dpkg-deb") if not shutil.which(tool)]
    if missing:
        raise DeployError(
            f"cannot prepare {copy.wanted.purpose}: {', '.join(missing)} not found (Debian's package tools are needed "
            f"for the private copy); install the missing tool, {WAYS_OUT}"
        )
    patchelf_program()
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=cache))
    try:
        with Progress(copy.wanted.purpose) as progress:
            debs = apt.fetch(copy.wanted, work, progress, interrupted)
            tree = work / "tree"
            tree.mkdir()
            progress.stage("unpacking", len(debs))
            for done, deb in enumerate(debs, 1):
                _unpack(deb, tree, work, interrupted)
                progress.advance(done)
            progress.stage("preparing", 1)
            relocate(tree, final)
            _check_proofs(copy, tree)
            _open_to_readers(tree)
            write_manifest(tree, copy)
            os.rename(tree, final)
            progress.finish(f"ready in {time.monotonic() - started:.0f} s: {final}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack(deb: Path, tree: Path, work: Path, interrupted: Interrupted) -> None:
    code, output = apt.run(["dpkg-deb", "-x", deb, tree], work, interrupted)
    if code:
        full = shutil.disk_usage(work).free < 2**20
        reason = "no space left on the disk" if full else apt.first_error(output)
        raise DeployError(f"cannot unpack {deb.name} in {work.parent}: {reason}; make room there and start again")
    deb.unlink()


def _check_proofs(copy: PackageSet, tree: Path) -> None:
    for proof in copy.proofs:
        if not (tree / proof).exists():
            raise DeployError(
                f"cannot prepare {copy.wanted.purpose}: "
                f"the packages of suite {copy.wanted.suite} hold no {proof}; {WAYS_OUT}"
            )


def _open_to_readers(tree: Path) -> None:
    """Let the unprivileged account that runs the servers read the copy that root unpacked."""
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod((mode | 0o755 if path.is_dir() or mode & 0o100 else mode | 0o644) & 0o755)


def write_manifest(tree: Path, copy: PackageSet) -> None:
    """Note the content of every file, and have the programs on disk before the copy gets its name."""
    digests = {
        str(path.relative_to(tree)): _digest(path)
        for path in sorted(tree.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    (tree / MANIFEST).write_text(json.dumps({"packages": copy.wanted.packages, "sha256": digests}))
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK):
            with path.open("rb") as file:
                os.fsync(file.fileno())


def is_whole(final: Path) -> bool:
    """True if every file of the copy is there with the content it was written with."""
    try:
        digests: dict[str, str] = json.loads((final / MANIFEST).read_text())["sha256"]
        return all(_digest(final / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_remains(cache: Path, copy: PackageSet, final: Path) -> None:
    """Clear what an interrupted preparation or a damaged copy left behind; called while holding the lock."""
    for remains in cache.glob(f".{copy.name}-*"):
        shutil.rmtree(remains, ignore_errors=True)
    if final.exists():
        shutil.rmtree(final)


@contextmanager
def _alone(cache: Path, interrupted: Interrupted) -> Iterator[None]:
    """Hold the cache's lock; wait while another process prepares the copy."""
    with (cache / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if interrupted():
                    raise InterruptedByUser from None
                time.sleep(0.1)
        yield
