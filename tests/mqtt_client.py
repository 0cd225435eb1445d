"""A plain MQTT 5 client, as an integrator has one: publishes, waits for the broker, collects what it subscribed to."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 150.0
"""seconds that anything may take on a busy machine"""


def eventually(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(0.02)


class MqttClient:
    """Connected; messages of its subscriptions gather in ``received``."""

    def __init__(self, url: str, *, client_id: str = "", session: bool = False) -> None:
        """``session``: go on with the session of that client id as long as nobody else does, and do not acknowledge
        anything."""
        self.received: list[mqtt.MQTTMessage] = []
        self._subscribed = threading.Event()
        self._paho = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=mqtt.MQTTv5,
            manual_ack=session,
            reconnect_on_failure=not session,  # two clients of one session would take it from each other without end
        )
        self._paho.on_message = lambda _client, _data, message: self.received.append(message)
        self._paho.on_subscribe = lambda *_: self._subscribed.set()
        properties = Properties(PacketTypes.CONNECT)
        if session:
            properties.SessionExpiryInterval = 3600
        address = urlsplit(url)
        self._paho.username_pw_set(address.username, address.password)
        self._paho.connect(
            str(address.hostname), int(address.port or 1883), clean_start=not session, properties=properties
        )
        self._paho.loop_start()
        eventually(self._paho.is_connected, "connected to the broker")

    def publish(
        self,
        topic: str,
        body: Any,
        *,
        qos: int = 1,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publish JSON (bytes go as they are) and wait until the broker has it."""
        self.send(topic, body, qos, retain, response_topic, correlation).wait_for_publish(PATIENCE)

    def send(
        self,
        topic: str,
        body: Any,
        qos: int = 1,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> mqtt.MQTTMessageInfo:
        """Publish without waiting."""
        properties = Properties(PacketTypes.PUBLISH)
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation is not None:
            properties.CorrelationData = correlation
        payload = body if isinstance(body, bytes) else orjson.dumps(body)
        return self._paho.publish(topic, payload, qos=qos, retain=retain, properties=properties)

    def subscribe(self, topic: str) -> None:
        """Subscribe and wait for the broker's word."""
        self._subscribed.clear()
        self._paho.subscribe(topic, qos=1)
        assert self._subscribed.wait(PATIENCE)

    def bodies(self, topic: str) -> list[Any]:
        """What came on a topic so far, as JSON."""
        return [orjson.loads(message.payload) for message in list(self.received) if message.topic == topic]

    def close(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()


@contextmanager
def mqtt_client(url: str, *, client_id: str = "", session: bool = False) -> Iterator[MqttClient]:
    client = MqttClient(url, client_id=client_id, session=session)
    try:
        yield client
    finally:
        client.close()
