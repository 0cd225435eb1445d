import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from live_api import PATIENCE, Events, wait_until
from ports import free_port

from api.auth import new_key
from deploy.errors import DeployError
from deploy.serve import Listener, bind, configured, is_loopback, refuse_open_door, run_api
from deploy.settings import load


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", "")),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("host", "keys", "tls", "trusted"),
    [("127.0.0.1", False, False, False), ("0.0.0.0", True, True, False), ("0.0.0.0", False, False, True)],
)
def test_doors_that_may_be_opened(host: str, keys: bool, tls: bool, trusted: bool) -> None:
    refuse_open_door(Listener(host, 8000, trusted), keys, tls)


@pytest.mark.parametrize(
    ("keys", "tls", "missing"),
    [
        (False, False, "CITYVITALS_API_KEYS and CITYVITALS_TLS_CERTIFICATE"),
        (True, False, "without CITYVITALS_TLS_CERTIFICATE"),
        (False, True, "without CITYVITALS_API_KEYS"),
    ],
)
def test_a_door_open_to_others_is_refused_with_what_is_missing(keys: bool, tls: bool, missing: str) -> None:
    with pytest.raises(DeployError, match=missing):
        refuse_open_door(Listener("0.0.0.0", 8000), keys, tls)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    away = {
        "CITYVITALS_DATA_DIR": str(tmp_path),
        "CITYVITALS_DATABASE_URL": "postgresql://x@127.0.0.1:1/x",
        "CITYVITALS_MQTT_URL": "mqtt://127.0.0.1:1",
    }
    return {**os.environ, **away, **more}


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeployError, match=f"port {port}: Address already in use; choose another"):
            bind(Listener(port=port))


def test_a_weak_key_is_one_clear_line(tmp_path: Path) -> None:
    settings = load(environment(tmp_path, CITYVITALS_API_KEYS="ops.short"))
    with pytest.raises(DeployError, match="number 1 is not of the form"):
        run_api(settings, Listener(port=0))


def test_a_certificate_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "not-a.pem").write_text("nonsense")
    pem = str(tmp_path / "not-a.pem")
    settings = load(environment(tmp_path, CITYVITALS_TLS_CERTIFICATE=pem, CITYVITALS_TLS_KEY=pem))
    with pytest.raises(DeployError, match="matching pair"):
        run_api(settings, Listener(port=0))


def test_settings_reach_the_api(tmp_path: Path) -> None:
    key = new_key("ops")
    more = {"CITYVITALS_API_KEYS": key, "CITYVITALS_ALLOWED_HOSTS": "ops.example"}
    config = configured(load(environment(tmp_path, **more)))
    assert config.api_keys == (key,)
    assert "ops.example" in config.hosts
    assert key not in repr(config)


def test_a_signal_ends_the_server_with_streams_open(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "deploy.cli", "api", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, process.communicate()[1]
        try:
            return httpx.get(f"{url}/livez").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "the server")
        with httpx.Client(timeout=30) as client, client.stream("GET", f"{url}/v1/live") as response:
            Events(response).next()
            with socket.create_connection(("127.0.0.1", port)) as stuck:
                stuck.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.wait()
