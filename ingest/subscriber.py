"""The pipeline's one MQTT connection: deliveries in, acknowledgements and answers out.

QoS 1 with a persistent session and manual acknowledgement: the broker keeps a message until it is committed. Each
delivery carries the number of its connection (epoch), so that an ack never crosses into another connection, where its
packet id may mean another message. No-local keeps the pipeline's own output out of its subscription.
"""

import contextlib
import logging
import queue
import select
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.batch import Delivery
from ingest.broker_client import BrokerClient

log = logging.getLogger(__name__)

SESSION_EXPIRY = 7 * 86_400
WINDOW = 20_000
"""most unacknowledged messages the broker may send"""
KEEPALIVE = 3
"""seconds; a connection that died without a word is noticed within twice that"""
DROPPED = "$SYS/broker/publish/messages/dropped"
_DROPPED = DROPPED.encode()
_TOPICS_AT_HAND = 200_000
MOST_BYTES_TAKEN = 12 * 2**20
MOST_BYTES_WAITING = 24 * 2**20
"""two takes beside the two under way; the broker holds the rest"""
_MORE_TO_COME = 256
_LINGER = 0.015
_CLOSING = 2.0


@dataclass
class LinkState:
    """What health and metrics say of the connection."""

    connected: bool = False
    connections: int = 0
    sessions_lost: int = 0
    broker_dropped: int = 0
    """messages that the broker threw away since it started, for whichever client: as it says itself"""
    taken: int = 0


class Subscriber:
    """Connects, takes deliveries in arrival order, acknowledges them in that order."""

    def __init__(
        self, url: str, *, client_id: str, subscription: str, window: int = WINDOW, memory: Path | None = None
    ) -> None:
        """``window``: most unacknowledged messages the broker may send (MQTT 5 Receive Maximum, at most 65535);
        ``memory``: a file that tells a later process that the broker has a session to lose."""
        self.state = LinkState()
        self._subscription = subscription
        self._window = window
        self._queue: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._bytes_in = self._bytes_out = 0  # each moved by one thread alone
        self._epoch = 0
        self._acking = threading.Lock()
        self._stopping = False
        self._subscribed = threading.Event()
        self._topics: dict[bytes, str] = {}
        self._client = BrokerClient(
            CallbackAPIVersion.VERSION2,
            receive=self._receive,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        address = urlsplit(url)
        self._memory = memory
        self._session = f"{client_id} at {address.hostname}:{address.port or 1883}\n"
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 1883
        if address.username:
            self._client.username_pw_set(unquote(address.username), unquote(address.password or ""))
        if address.scheme == "mqtts":
            self._client.tls_set()
        self._client.suppress_exceptions = True  # an exception in a callback would end the network thread
        self._client.enable_logger(log)
        self._client.reconnect_delay_set(1, 5)
        self._client.max_queued_messages_set(0)
        self._client.on_pre_connect = self._on_pre_connect
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe

    def start(self) -> None:
        """Connect in the background and keep connected."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
        properties.SessionExpiryInterval = SESSION_EXPIRY
        properties.ReceiveMaximum = self._window
        self._client.connect_async(
            self._host, self._port, keepalive=KEEPALIVE, clean_start=False, properties=properties
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; what is not acknowledged stays with the broker."""
        self._stopping = True
        self._client.disconnect()
        self._client.loop_stop()

    def wait_subscribed(self, timeout: float) -> bool:
        """Wait until the broker has confirmed the subscription."""
        return self._subscribed.wait(timeout)

    def take(self, most: int, timeout: float) -> list[Delivery]:
        """Up to ``most`` deliveries (fewer when they are large); waits ``timeout`` seconds for the first, then a
        moment for company; 0 does not wait at all."""
        try:
            delivery = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
        except queue.Empty:
            return []
        if timeout and self._queue.qsize() < _MORE_TO_COME:
            time.sleep(_LINGER)
        deliveries, size = [delivery], len(delivery.payload)
        try:
            while len(deliveries) < most and size < MOST_BYTES_TAKEN:
                delivery = self._queue.get_nowait()
                deliveries.append(delivery)
                size += len(delivery.payload)
        except queue.Empty:
            pass
        self._bytes_out += size
        self.state.taken += len(deliveries)
        return deliveries

    @property
    def epoch(self) -> int:
        """Number of the connection that is up, 0 = none."""
        return self._epoch if self.state.connected else 0

    @property
    def waiting(self) -> int:
        """Deliveries received and not yet taken."""
        return self._queue.qsize()

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge, in the order given, what came on the present connection."""
        with self._acking:  # no connection ends or begins meanwhile: what is queued for a dead one is never sent
            if not self.state.connected:
                return
            self._client.ack_all([d.mid for d in deliveries if d.qos and d.epoch == self._epoch])

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, correlation: bytes | None = None
    ) -> None:
        """Send, without waiting; while the connection is away QoS 0 messages are dropped."""
        if qos == 0 and not self.state.connected:
            return
        properties = None
        if correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho
            properties.CorrelationData = correlation
        self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)

    def together(self) -> contextlib.AbstractContextManager[None]:
        """What the calling thread publishes meanwhile at QoS 1 leaves with one write; one thread at a time."""
        return self._client.together()

    def publish_retained(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages (topic, payload) at QoS 0, to be retained, without waiting; dropped while the connection is
        away."""
        if self.state.connected:
            self._client.publish_all(messages)

    def _on_connect(
        self, client: mqtt.Client, _data: Any, flags: mqtt.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refused the connection: %s", reason)
            return
        with self._acking:
            self._epoch += 1
            self.state.connected = True
        if not flags.session_present and (self.state.connections or self._had_session()):
            self.state.sessions_lost += 1
            log.error("the broker lost the pipeline's session: messages it had queued may be lost")
        self.state.connections += 1
        options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=False, retainHandling=1)
        client.subscribe([(self._subscription, options), (DROPPED, SubscribeOptions(qos=0))])

    def _on_disconnect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        self._lost()
        if self._stopping and (connection := client.socket()) is not None:
            _await_end(connection)
        if reason.value != 0:
            log.warning("connection to the broker lost: %s", reason)

    def _on_pre_connect(self, _client: mqtt.Client, _data: Any) -> None:
        self._lost()

    def _lost(self) -> None:
        with self._acking:
            self.state.connected = False
        self._subscribed.clear()

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        if codes[0].is_failure:  # the second, of the broker's own figures, may be denied
            log.error("the broker refused the subscription to %s: %s", self._subscription, codes[0])
            return
        if self._memory is not None and not self._had_session():
            with contextlib.suppress(OSError):  # a full disk must not keep the broker's messages away
                self._memory.write_text(self._session)
        self._subscribed.set()

    def _had_session(self) -> bool:
        try:
            return self._memory is not None and self._memory.read_text() == self._session
        except OSError:
            return False

    def _receive(
        self,
        topic: bytes,
        payload: bytes,
        mid: int,
        qos: int,
        retain: bool,
        redelivered: bool,
        properties: Properties | None,
    ) -> None:
        if topic == _DROPPED:
            self._note_dropped(payload)
            return
        self._queue.put(
            Delivery(
                topic=self._text(topic),
                payload=payload,
                received=time.time_ns() // 1000,
                mid=mid,
                qos=qos,
                epoch=self._epoch,
                retain=retain,
                redelivered=redelivered,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
            )
        )
        self._bytes_in += len(payload)
        while self._is_full() and not self._stopping:  # the window is no limit to QoS 0 nor to bytes: TCP is
            if self.state.connected and not self._client.breathe():
                self._lost()  # what was published now would only take memory
            time.sleep(0.005)

    def _text(self, topic: bytes) -> str:
        """A topic as text; the same topics come again and again."""
        text = self._topics.get(topic)
        if text is None:
            if len(self._topics) >= _TOPICS_AT_HAND:
                self._topics.clear()
            try:
                text = self._topics[topic] = topic.decode()
            except UnicodeDecodeError:
                text = "(not UTF-8)"
        return text

    def _note_dropped(self, payload: bytes) -> None:
        dropped = int(payload) if payload.isdigit() else 0
        if dropped > self.state.broker_dropped:
            log.error("the broker has dropped %d messages since it started", dropped)
        self.state.broker_dropped = dropped

    def _is_full(self) -> bool:
        return self._queue.qsize() > 2 * self._window or self._bytes_in - self._bytes_out > MOST_BYTES_WAITING


def _await_end(connection: "mqtt.SocketLike") -> None:
    """Let the broker close: it does so once it has read the last ack, which a close from here may cut off."""
    with contextlib.suppress(OSError):
        while select.select([connection], [], [], _CLOSING)[0] and connection.recv(65_536):
            pass
