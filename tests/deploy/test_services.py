"""A supervised process is restarted with growing pauses and its log stays bounded."""

import subprocess
import sys
from pathlib import Path

from deploy.services import LONGEST_PAUSE, STEADY_AFTER, Service, ServiceSpec, command_service, next_pause


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _service(tmp_path: Path, clock: _Clock, script: str) -> Service:
    def launch(log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen([sys.executable, "-c", script], stdout=output, stderr=output)

    return Service(ServiceSpec("worker", "nowhere", launch), tmp_path / "worker.log", clock)


def _end(service: Service) -> None:
    while service.exit_reason() is None:
        pass


def test_pauses_double_up_to_a_limit() -> None:
    assert [next_pause(n) for n in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert next_pause(50) == LONGEST_PAUSE


def test_an_ended_process_is_restarted_after_its_pause(tmp_path: Path) -> None:
    clock = _Clock()
    service = _service(tmp_path, clock, "print('went wrong'); raise SystemExit(3)")
    service.start()
    _end(service)
    assert service.check() == "worker ended (exit code 3, last words: went wrong); restarting in 0.5 s"
    assert service.check() is None
    clock.now = 0.5
    assert service.check() == "worker restarted"
    _end(service)
    assert "restarting in 1 s" in (service.check() or "")


def test_a_long_steady_run_forgets_earlier_restarts(tmp_path: Path) -> None:
    clock = _Clock()
    service = _service(tmp_path, clock, "raise SystemExit(1)")
    service.start()
    for _ in range(3):
        _end(service)
        service.check()
        clock.now += LONGEST_PAUSE
        service.check()
    _end(service)
    clock.now += STEADY_AFTER + 1
    assert "restarting in 0.5 s" in (service.check() or "")


def test_a_log_over_its_limit_moves_to_a_second_file_while_the_process_writes_on(tmp_path: Path) -> None:
    script = "import sys; print('x' * 100, flush=True); sys.stdin.read(); print('later', flush=True)"
    log = tmp_path / "worker.log"

    def launch(path: Path) -> subprocess.Popen[bytes]:
        with path.open("ab") as output:
            return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=output)

    service = Service(ServiceSpec("worker", "nowhere", launch), log)
    service.start()
    while not log.exists() or log.stat().st_size < 100:
        pass
    service.bound_log(limit=50)
    assert log.stat().st_size == 0
    assert log.with_suffix(".log.1").read_text().startswith("xxx")
    process = service._process
    assert process is not None
    process.communicate(b"")
    assert log.read_text() == "later\n"


def test_a_stopped_service_leaves_no_process(tmp_path: Path) -> None:
    spec = command_service("worker", "nowhere", ["sleep", "600"], {"PATH": "/usr/bin:/bin"})
    service = Service(spec, tmp_path / "worker.log")
    service.start()
    assert service.pid is not None
    service.stop()
    assert service.pid is None
