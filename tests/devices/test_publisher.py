"""The publisher against the real broker: order, retained messages, last will, and a connection that breaks."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paho.mqtt.client as mqtt
import pytest
from mqtt_client import PATIENCE, eventually
from paho.mqtt.enums import CallbackAPIVersion

from devices.publisher import Message, Publisher, PublishError, Server


class Listener:
    """Collects what arrives under a topic filter."""

    def __init__(self, url: str, topics: str) -> None:
        self.messages: list[mqtt.MQTTMessage] = []
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        self._client.on_subscribe = lambda *_: self._ready.set()
        server = Server.parse(url)
        self._client.connect(server.host, server.port)
        self._client.loop_start()
        self._client.subscribe(topics, qos=1)
        assert self._ready.wait(PATIENCE)

    def wait(self, count: int) -> list[mqtt.MQTTMessage]:
        eventually(lambda: len(self.messages) >= count, f"{count} messages")
        return list(self.messages)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def listening(url: str, topics: str) -> Iterator[Listener]:
    listener = Listener(url, topics)
    try:
        yield listener
    finally:
        listener.close()


class Proxy:
    """Passes bytes between clients and the broker, until told to cut every connection."""

    def __init__(self, url: str) -> None:
        self._broker = Server.parse(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._guard = threading.Lock()
        self.passed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection((self._broker.host, self._broker.port))
            except OSError:
                client.close()
                continue
            with self._guard:
                self._open += [client, broker]
            for source, target in ((client, broker), (broker, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(4096):
                self.passed += len(data)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):  # closing alone would not end what the other thread still reads from
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self) -> None:
        with self._guard:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone lets the accept that waits take one more connection
        self._listener.close()
        self.cut()


def test_everything_published_arrives_in_order_and_is_acknowledged(broker_url: str) -> None:
    with listening(broker_url, "pub-order/#") as listener, Publisher(broker_url, window=50) as publisher:
        for i in range(1000):
            publisher.publish("pub-order/x", str(i).encode())
        assert publisher.flush(PATIENCE)
        received = [int(message.payload) for message in listener.wait(1000)]
        progress = publisher.progress
    assert received == list(range(1000))
    assert (progress.published, progress.acknowledged, progress.pending, progress.refused) == (1000, 1000, 0, 0)


def test_a_cut_connection_loses_nothing(broker_url: str) -> None:
    proxy = Proxy(broker_url)
    with listening(broker_url, "pub-cut/#") as listener, Publisher(proxy.url, window=100) as publisher:
        for i in range(3000):
            publisher.publish("pub-cut/x", str(i).encode())
            if i in (500, 1500, 2500):
                proxy.cut()
        assert publisher.flush(PATIENCE)
        progress = publisher.progress
        eventually(lambda: {int(m.payload) for m in list(listener.messages)} == set(range(3000)), "each at least once")
    proxy.close()
    assert progress.acknowledged == 3000
    assert progress.connections >= 2


def test_retained_messages_and_response_topic_reach_a_later_subscriber(broker_url: str) -> None:
    with Publisher(broker_url) as publisher:
        publisher.publish("pub-retain/x", b"kept", retain=True, response_topic="pub-retain/answer", expiry=600)
        assert publisher.flush(PATIENCE)
    with listening(broker_url, "pub-retain/#") as listener:
        (message,) = listener.wait(1)
    assert message.retain
    assert message.payload == b"kept"
    assert message.properties is not None
    assert message.properties.ResponseTopic == "pub-retain/answer"


def test_the_last_will_is_published_when_the_device_vanishes(broker_url: str) -> None:
    proxy = Proxy(broker_url)
    will = Message("pub-will/status", b"offline", retain=True)
    with listening(broker_url, "pub-will/#") as listener:
        publisher = Publisher(proxy.url, will=will)
        publisher.connect()
        proxy.close()
        (message,) = listener.wait(1)
        publisher.close(flush_timeout=0)
    assert message.payload == b"offline"


def test_publishing_waits_for_room_and_gives_up_when_told_to_stop(broker_url: str) -> None:
    proxy = Proxy(broker_url)
    publisher = Publisher(proxy.url, window=5)
    publisher.connect()
    proxy.close()
    accepted = sum(publisher.publish("pub-room/x", b"1", stop=lambda: True) for _ in range(100))
    assert 20 <= accepted < 100
    assert not publisher.flush(0.1)
    assert not publisher.close(flush_timeout=0)


def test_an_absent_broker_is_reported_with_its_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        with pytest.raises(PublishError, match=f"no MQTT broker at mqtt://127.0.0.1:{port}: Connection refused"):
            Publisher(f"mqtt://127.0.0.1:{port}", connect_timeout=5.0).connect()


def test_a_closed_publisher_refuses_messages(broker_url: str) -> None:
    publisher = Publisher(broker_url)
    publisher.connect()
    assert publisher.close()
    with pytest.raises(PublishError, match="closed"):
        publisher.publish("pub-closed/x", b"")


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://x:99999", "mqtt://x/path", "x:1883"])
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(PublishError, match="must be mqtt://"):
        Server.parse(url)


def test_an_address_with_credentials_and_tls() -> None:
    server = Server.parse("mqtts://me:p%40ss@broker.example")
    assert (server.host, server.port, server.user, server.password, server.tls) == (
        "broker.example", 8883, "me", "p@ss", True,
    )  # fmt: skip
    assert "p@ss" not in str(server)
