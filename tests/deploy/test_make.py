"""What ``make`` does with signals, and that its commands notice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stopping import make_was_interrupted

WAIT = (
    "from deploy.stopping import StopRequest; stop = StopRequest().install(); print('up', flush=True);"
    " stop.sleep(60); print('stopped' if stop() else 'slept')"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_make_alone_stops_what_it_runs(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "Makefile").write_text(f'up:\n\t@exec {sys.executable} -c "{WAIT}"\n')
    # make leaves a signal ignored that was ignored when it began, and who runs the tests may ignore SIGTERM
    command = ["env", "--default-signal=INT,TERM", "make", "-C", str(tmp_path), "-s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as make:
        assert make.stdout is not None
        assert make.stdout.readline() == "up\n"
        assert not make_was_interrupted(make.pid)
        make.send_signal(number)
        assert make.stdout.readline() == "stopped\n"


def test_another_parent_is_not_taken_for_make() -> None:
    assert not make_was_interrupted(1)
    assert not make_was_interrupted(2**22 + 1)
