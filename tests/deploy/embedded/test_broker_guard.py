"""On the guarded broker only the system speaks as the system; devices stay anonymous and may do all else."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from mqtt_client import eventually, mqtt_client
from ports import free_port

from deploy.embedded import broker
from deploy.embedded.server import running
from deploy.settings import load

OWN = (
    "out/310104",
    "out/tick",
    "out/incident/1",
    "in/replay",
    "in/marks",
    "parking_bay/b/err",
    "parking_bay/b/ack",
    "bus/b/ack/arrival",
)
OPEN = ("parking_bay/b/tele", "bus/b/event/arrival", "parking_bay/b/meta", "parking_bay/b/status", "x", "input/b/tele")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory, servers: Path) -> Iterator[tuple[str, str]]:
    """How devices, and how pipeline and API reach a guarded broker."""
    data = tmp_path_factory.mktemp("guarded")
    port = free_port()
    server = broker.prepare(data / "broker", port, servers, guarded=True)
    settings = load({"HOME": str(data), "CITYVITALS_MQTT_URL": server.url}, data_dir=data)
    with running(server, data / "log"):
        yield settings.broker, settings.broker_login


@pytest.mark.parametrize("topic", OWN)
def test_what_the_system_says_can_be_said_by_no_other_and_read_by_all(addresses: tuple[str, str], topic: str) -> None:
    anonymous, own = addresses
    full = f"cv1/310000/{topic}"
    with mqtt_client(anonymous) as stranger, mqtt_client(own) as system:
        stranger.subscribe(full)
        stranger.publish(full, {"from": "stranger"})
        system.publish(full, {"from": "system"})
        eventually(lambda: bool(stranger.bodies(full)), "the system's message")
        assert stranger.bodies(full) == [{"from": "system"}]


@pytest.mark.parametrize("topic", OPEN)
def test_devices_publish_without_a_login_also_what_is_badly_addressed(addresses: tuple[str, str], topic: str) -> None:
    anonymous, own = addresses
    full = f"cv1/310000/{topic}"
    with mqtt_client(anonymous) as device, mqtt_client(own) as system:
        system.subscribe(full)
        device.publish(full, {"from": "device"})
        eventually(lambda: system.bodies(full) == [{"from": "device"}], "the device's message")


def test_the_password_is_kept_over_restarts_and_readable_by_its_owner_alone(tmp_path: Path, servers: Path) -> None:
    folder = tmp_path / "broker"
    texts = []
    for _ in range(2):
        broker.prepare(folder, free_port(), servers, guarded=True)
        texts.append((folder / "password").read_text())
    assert texts[0] == texts[1]
    assert texts[0].strip() not in (folder / "rules.json").read_text()
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
