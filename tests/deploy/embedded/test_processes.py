"""Programs end with their parent, run as the right account, and their failures are told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.embedded.processes import Account, require_reachable, run, server_account, spawn, stop
from deploy.errors import DeployError, InterruptedByUser

_PARENT = """
import sys, time
from deploy.embedded.processes import spawn
print(spawn([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("before", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_a_child_ends_when_its_parent_is_killed(before: str) -> None:
    """Also where whoever started it all ignores the signal."""
    with subprocess.Popen([sys.executable, "-c", before + _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _is_running(child)
        parent.kill()
        parent.wait()
    while _is_running(child):  # bounded by the test's own limit
        time.sleep(0.01)


def test_a_stop_request_ends_a_running_step(tmp_path: Path) -> None:
    with pytest.raises(InterruptedByUser):
        run(["sleep", "600"], interrupted=lambda: True, log=tmp_path / "log")


def test_exit_code_and_output_of_a_step_are_returned(tmp_path: Path) -> None:
    assert run(["sh", "-c", "echo said; exit 3"], log=tmp_path / "log") == (3, "said\n")


def test_a_process_that_ignores_the_signal_is_killed() -> None:
    process = spawn(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], output=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert stop(process, signal.SIGTERM, patience=0.05) == -signal.SIGKILL
    process.stdout.close()


def test_a_private_folder_above_is_named(tmp_path: Path) -> None:
    private = tmp_path / "private"
    (private / "inner").mkdir(parents=True)
    tmp_path.chmod(0o755)
    private.chmod(0o700)
    other = Account(os.geteuid() + 12345, os.getegid() + 12345, "other")
    with pytest.raises(DeployError, match="CITYVITALS_CACHE_DIR"):
        require_reachable(private / "inner", other, "CITYVITALS_CACHE_DIR")


def test_servers_never_run_as_root(tmp_path: Path) -> None:
    assert server_account(tmp_path / "new").uid != 0
