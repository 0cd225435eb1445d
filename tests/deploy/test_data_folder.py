"""One instance per data folder, and none of a killed one's processes beside the next."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import data_folder
from deploy.errors import DeployError


def test_a_folder_in_use_is_refused_and_free_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    refused = pytest.raises(DeployError, match=r"in use by another.*--data-dir")
    with data_folder.held(folder), refused, data_folder.held(folder):
        pass
    with data_folder.held(tmp_path / "data"):
        pass


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    with data_folder.held(tmp_path / "data"):
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="--data-dir"), data_folder.held(tmp_path / "file" / "data"):
        pass


def test_a_disk_without_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "ROOM_NEEDED", 1e18)
    with pytest.raises(DeployError, match="MB free"), data_folder.held(tmp_path):
        pass


def test_what_a_killed_instance_left_running_is_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        data_folder.note_running(tmp_path, {"broker": process.pid})
        data_folder.outlast_previous(tmp_path, interrupted=lambda: False, patience=0.0)
        assert process.wait() < 0


def test_a_later_process_with_the_same_number_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        data_folder.note_running(tmp_path, {"broker": process.pid})
        note = tmp_path / "running.json"
        note.write_text(note.read_text().replace('"started": "', '"started": "9'))
        data_folder.outlast_previous(tmp_path, interrupted=lambda: False, patience=0.0)
        assert process.poll() is None
        process.kill()
