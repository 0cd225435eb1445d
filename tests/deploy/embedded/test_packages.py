"""The private copy: made whole or not at all, and never trusted once damaged."""

import os
import shutil
from pathlib import Path

import pytest

from deploy.embedded.apt import Wanted
from deploy.embedded.packages import MANIFEST, PackageSet, is_whole, private_copy, read_package_list, write_manifest
from deploy.embedded.servers import SERVERS, servers_copy
from deploy.errors import DeployError

NOTHING = PackageSet("nothing", Wanted("nothing at all", "trixie", ("no-such-package",)), ())


def _tree(folder: Path) -> Path:
    (folder / "usr/bin").mkdir(parents=True)
    (folder / "usr/bin/program").write_bytes(b"\x7fELF and more")
    write_manifest(folder, NOTHING)
    return folder


def test_a_complete_copy_is_used_as_it_is(servers: Path, cache_dir: Path) -> None:
    before = (servers / MANIFEST).stat().st_mtime_ns
    assert servers_copy(cache_dir) == servers
    assert (servers / MANIFEST).stat().st_mtime_ns == before


def test_a_flipped_byte_makes_a_copy_worthless(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "copy")
    assert is_whole(tree)
    (tree / "usr/bin/program").write_bytes(b"\x7fELF and mere")
    assert not is_whole(tree)


def test_a_missing_file_makes_a_copy_worthless(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "copy")
    (tree / "usr/bin/program").unlink()
    assert not is_whole(tree)


def test_a_folder_without_a_manifest_is_no_copy(tmp_path: Path) -> None:
    assert not is_whole(tmp_path)


def test_a_missing_tool_is_named_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "apt-get" else f"/usr/bin/{tool}")
    with pytest.raises(DeployError, match=r"apt-get not found.*CITYVITALS_DATABASE_URL.*compose"):
        private_copy(NOTHING, tmp_path)
    assert os.listdir(tmp_path) == [".lock"]


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="CITYVITALS_CACHE_DIR"):
        private_copy(NOTHING, tmp_path / "file" / "cache")


def test_another_list_of_packages_is_another_copy() -> None:
    other = PackageSet("servers", Wanted("x", "trixie", (*SERVERS.wanted.packages, "one-more")), SERVERS.proofs)
    assert other.folder != SERVERS.folder


def test_package_lists_hold_names_only() -> None:
    names = read_package_list("servers")
    assert "postgresql-17-timescaledb" in names
    assert all(name == name.strip() and " " not in name and "#" not in name for name in names)
