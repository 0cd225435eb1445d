"""The embedded broker accepts clients on loopback and keeps what it must."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from mqtt_client import PATIENCE
from paho.mqtt.enums import CallbackAPIVersion
from ports import free_port

from deploy.embedded import broker
from deploy.embedded.server import running


def _publish_retained(url: str, topic: str, payload: bytes) -> None:
    parts = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.connect(str(parts.hostname), int(parts.port or 0))
    client.loop_start()
    client.publish(topic, payload, qos=1, retain=True).wait_for_publish(PATIENCE)
    client.disconnect()
    client.loop_stop()


def _first_message(url: str, topic: str) -> bytes:
    parts = urlsplit(url)
    received: list[bytes] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)

    def keep(client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        received.append(bytes(message.payload))
        client.disconnect()

    client.on_message = keep
    client.connect(str(parts.hostname), int(parts.port or 0))
    client.subscribe(topic, qos=1)
    client.loop_forever()
    return received[0]


def test_a_retained_message_survives_a_restart_of_the_broker(tmp_path: Path, servers: Path) -> None:
    server = broker.prepare(tmp_path / "broker", free_port(), servers)
    with running(server, tmp_path / "log"):
        _publish_retained(server.url, "kept/topic", b"still here")
    with running(server, tmp_path / "log"):
        assert _first_message(server.url, "kept/topic") == b"still here"


def test_a_message_of_a_megabyte_passes(broker_url: str) -> None:
    payload = b"x" * 1_000_000
    _publish_retained(broker_url, "large/topic", payload)
    assert _first_message(broker_url, "large/topic") == payload


def test_nothing_answers_where_no_broker_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        assert not broker.accepts_connections("127.0.0.1", taken.getsockname()[1])
