"""`cityvitals up` as a person runs it: ready, watched, stopped without a trace, its data kept."""

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from ports import free_port

from deploy.supervisor import own_command


@dataclass
class Running:
    """An `up` that said it is ready."""

    process: subprocess.Popen[str]
    lines: list[str]

    def said(self, word: str) -> str:
        return next(line.split(" ", 1)[1] for line in self.lines if line.startswith(f"{word} "))

    @property
    def children(self) -> dict[str, int]:
        found = (re.match(r"  (\w+) +pid (\d+)", line) for line in self.lines)
        return {match[1]: int(match[2]) for match in found if match}

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait()


def _command(data: Path, *more: str) -> list[str]:
    ports = [word for option in ("--port", "--mqtt-port", "--db-port") for word in (option, str(free_port()))]
    return [*own_command("up", "--data-dir", str(data)), *ports, *more]


@contextmanager
def _up(data: Path, *more: str) -> Iterator[Running]:
    environment = {k: v for k, v in os.environ.items() if k not in ("CITYVITALS_DATABASE_URL", "CITYVITALS_MQTT_URL")}
    process = subprocess.Popen(
        _command(data, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield Running(process, _lines_until(process, "api" if "--no-devices" in more else "simulate"))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def _lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """What it says up to the list entry of the last service."""
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(f"  {last} "):
            return lines
    pytest.fail(f"up ended before it was ready: {lines} {process.stderr.read()}")


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/readyz") as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def _eventually(true: Callable[[], bool]) -> None:
    while not true():  # bounded by the test's own limit
        time.sleep(0.05)


def test_up_says_where_everything_is_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with _up(tmp_path, "--devices", "50") as running:
        assert [line.split()[0] for line in running.lines[:3]] == ["broker", "database", "ready"]
        assert list(running.children) == ["broker", "database", "pipeline", "api", "simulate"]
        _eventually(lambda: _is_ready(running.said("ready")))  # a tick may have come late since it was said
        assert all(_is_running(pid) for pid in running.children.values())
        assert running.stop(signal.SIGINT) == 0
        assert not any(_is_running(pid) for pid in running.children.values())


def test_data_outlives_a_restart_and_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    with _up(tmp_path, "--no-devices") as first:
        with psycopg.connect(first.said("database")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        first.process.kill()
        first.process.wait()
        _eventually(lambda: not any(_is_running(pid) for pid in first.children.values()))
    with _up(tmp_path, "--no-devices") as second:
        with psycopg.connect(second.said("database")) as connection:
            row = connection.execute("SELECT answer FROM kept").fetchone()
        assert row == (42,)
        assert second.stop(signal.SIGTERM) == 0


def test_a_killed_pipeline_is_started_again_and_a_second_up_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with _up(tmp_path, "--no-devices") as running:
        refused = subprocess.run(_command(tmp_path), capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert f"in use by another cityvitals (process {running.process.pid})" in refused.stderr
        assert refused.stdout == ""
        os.kill(running.children["pipeline"], signal.SIGKILL)
        assert running.process.stderr is not None
        news = (line for line in running.process.stderr if "pipeline" in line)  # not: that the start took long
        assert next(news).startswith("cityvitals: pipeline ended (signal SIGKILL")
        assert next(news) == "cityvitals: pipeline restarted\n"


@pytest.mark.parametrize(
    ("variable", "value"), [("CITYVITALS_CITY", "atlantis"), ("CITYVITALS_API_KEYS", "short")], ids=["city", "keys"]
)
def test_a_wrong_setting_is_named_before_anything_starts(tmp_path: Path, variable: str, value: str) -> None:
    command = own_command("up", "--no-devices", "--data-dir", str(tmp_path / "data"))
    done = subprocess.run(command, env={**os.environ, variable: value}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert variable in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_stop_during_the_start_is_obeyed(tmp_path: Path) -> None:
    with subprocess.Popen(_command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("broker ")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert "ready" not in process.stdout.read()


def test_servers_of_one_s_own_that_do_not_answer_are_named(tmp_path: Path) -> None:
    environment = {**os.environ, "CITYVITALS_MQTT_URL": "mqtt://127.0.0.1:1"}
    done = subprocess.run(_command(tmp_path), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("cityvitals: no broker answers at 127.0.0.1 port 1")
    assert len(done.stderr.splitlines()) == 1
