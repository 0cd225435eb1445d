"""Publishes to an MQTT 5 broker at QoS 1 without losing what it was given: the only paho code of the sending side.

It can also listen, to what is answered to the devices it speaks for.

One thread owns the connection. ``publish`` puts a message into a bounded outbox and returns; the thread keeps at
most ``window`` messages unacknowledged, and after a broken connection sends again whatever the broker had not
acknowledged. So a message may arrive twice, never not at all.

Every connection gets its own paho client: paho's memory of unsent messages, its message ids and half-read packets
die with the connection they belong to.
"""

import contextlib
import queue
import random
import select
import socket
import threading
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from devices.outbox import Message, Outbox, Progress, PublishError, Stop

__all__ = ["Message", "Progress", "PublishError", "Publisher", "Server"]

WINDOW = 1000
KEEPALIVE_S = 15
CONNECT_TIMEOUT_S = 5.0
BACKOFF_S = (0.2, 5.0)

# The broker could not take the message now: it is offered again. Any other code of 0x80 and above is final.
_TRY_AGAIN = frozenset({0x80, 0x83, 0x97})
_NO_LOGIN = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C})
_HEADERS = 64


@dataclass(frozen=True)
class Server:
    """Where the broker listens, as read from ``mqtt://[user:password@]host[:port]`` or ``mqtts://…``."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Server":
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == -1 or parts.path.strip("/"):
            raise PublishError(f"MQTT address is {url!r}, must be mqtt://[user:password@]host[:port] or mqtts://…")
        tls = parts.scheme == "mqtts"
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port or (8883 if tls else 1883), user, password, tls)

    def __str__(self) -> str:
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"


class Publisher:
    """A connection to one broker; a context manager that connects on entry and flushes and closes on exit.

    ``will`` is what the broker publishes when this client dies: for a single device its ``offline`` status. A
    publisher that speaks for a fleet has none.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "publisher",
        window: int = WINDOW,
        will: Message | None = None,
        connect_timeout: float = 15.0,
        listen: str | None = None,
    ) -> None:
        """``listen``: a subscription whose messages come into ``heard`` as (topic, payload)."""
        self.server = Server.parse(url)
        self._client_id = f"cityvitals-{name}-{random.getrandbits(32):08x}"
        self._will = will
        self._connect_timeout = connect_timeout
        self._listen = listen
        self.heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._outbox = Outbox(window)
        self._max_packet = 268_435_455
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{name}", daemon=True)

    def __enter__(self) -> "Publisher":
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(flush_timeout=10.0 if kind is None else 0.0)

    def connect(self) -> None:
        """Start and wait for the first connection. Raises PublishError when there is none in time."""
        outbox = self._outbox
        self._thread.start()
        outbox.wait_for(lambda: outbox.connected or outbox.fatal, self._connect_timeout)
        if not outbox.connected:
            reason = outbox.fatal or outbox.trouble or "no answer"
            self.close(flush_timeout=0)
            raise PublishError(f"no MQTT broker at {self.server}: {reason}")

    def publish(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        *,
        response_topic: str | None = None,
        expiry: int | None = None,
        stop: Stop | None = None,
    ) -> bool:
        """Hand over one message; waits while the outbox is full, also for a broker that is away.

        Returns False only when ``stop`` said so before there was room. Raises PublishError when the broker can
        never be reached again (access denied) or the publisher is closed.
        """
        accepted, asleep = self._outbox.put(Message(topic, payload, retain, response_topic, expiry), stop)
        if asleep:
            self._wake()
        return accepted

    def flush(self, timeout: float | None = None, stop: Stop | None = None) -> bool:
        """Wait until the broker has answered for every message; False if ``timeout`` (s) or ``stop`` came first."""
        return self._outbox.wait_empty(timeout, stop)

    def close(self, flush_timeout: float = 10.0) -> bool:
        """Flush, disconnect and end the thread; True if nothing was left unacknowledged."""
        complete = self._outbox.wait_empty(flush_timeout, None)
        self._outbox.close()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(CONNECT_TIMEOUT_S + 1)
        return complete

    @property
    def progress(self) -> Progress:
        return self._outbox.progress

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: a wake-up is on its way already; closed: nobody sleeps
            self._wake_out.send(b"w")

    # --- everything below runs on the connection's own thread ---

    def _run(self) -> None:
        outbox, pause = self._outbox, BACKOFF_S[0]
        try:
            while not outbox.closing and outbox.fatal is None:
                before = outbox.progress.connections
                try:
                    self._serve_connection()
                except OSError as error:
                    outbox.trouble = error.strerror or str(error)
                outbox.lost()
                if outbox.progress.connections > before:
                    pause = BACKOFF_S[0]
                outbox.wait_for(lambda: outbox.closing or outbox.fatal, pause * random.uniform(0.8, 1.2))
                pause = min(2 * pause, BACKOFF_S[1])
        except Exception as error:
            outbox.fail(f"the connection's thread died: {error!r}")  # the publishing thread must hear of it
        finally:
            self._wake_in.close()
            self._wake_out.close()

    def _client(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=mqtt.MQTTv5)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        # With this hook set, publish() only queues; one loop_write then sends a whole batch.
        client.on_socket_register_write = lambda *_: None
        if self.server.user is not None:
            client.username_pw_set(self.server.user, self.server.password)
        if self.server.tls:
            client.tls_set()
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=self._will.retain)
        return client

    def _serve_connection(self) -> None:
        outbox, client = self._outbox, self._client()
        client.connect(self.server.host, self.server.port, KEEPALIVE_S, clean_start=True)
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        outbox.trouble = "it accepts the connection but does not answer"
        while self._pump(client):
            if outbox.fatal or (not outbox.connected and time.monotonic() > deadline):
                break
            if outbox.closing:
                client.disconnect()
                client.loop_write()
                break
        if (sock := client.socket()) is not None:
            sock.close()

    def _pump(self, client: mqtt.Client) -> bool:
        """One round: wait, read acknowledgements, send what the window allows. False when the connection is gone."""
        sock = client.socket()
        if sock is None:
            return False
        to_write = [sock] if client.want_write() else []
        readable, writable, _ = select.select([sock, self._wake_in], to_write, [], self._outbox.patience())
        if self._wake_in in readable:
            self._wake_in.recv(4096)
        if sock in readable and client.loop_read(self._outbox.window) != mqtt.MQTT_ERR_SUCCESS:
            return False
        self._outbox.send(lambda message: self._hand_over(client, message))
        if (writable or client.want_write()) and client.loop_write() != mqtt.MQTT_ERR_SUCCESS:
            return False
        return client.loop_misc() == mqtt.MQTT_ERR_SUCCESS

    def _hand_over(self, client: mqtt.Client, message: Message) -> int | str:
        if len(message.payload) + len(message.topic.encode()) + _HEADERS > self._max_packet:
            return f"{len(message.payload)} bytes are more than the broker's limit of {self._max_packet} for a packet"
        info = client.publish(
            message.topic, message.payload, qos=1, retain=message.retain, properties=_properties(message)
        )
        return info.mid

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, given: Properties | None
    ) -> None:
        if code.is_failure:
            self._outbox.trouble = f"refused: {code}"
            if code.value in _NO_LOGIN:
                self._outbox.fail(f"it refuses access: {code}")
            return
        self._max_packet = getattr(given, "MaximumPacketSize", 268_435_455)
        # paho does not heed what the broker takes at a time; exceeding it costs the connection.
        self._outbox.opened(getattr(given, "ReceiveMaximum", 65_535))
        if self._listen is not None:
            client.subscribe(self._listen, options=SubscribeOptions(qos=1))

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # a topic that is none of ours
            self.heard.put((message.topic, bytes(message.payload)))

    def _on_publish(self, _client: mqtt.Client, _data: object, mid: int, code: ReasonCode, _given: Properties) -> None:
        if code.is_failure:
            self._outbox.refused(mid, str(code), try_again=code.value in _TRY_AGAIN)
        else:
            self._outbox.acknowledged(mid)


def _properties(message: Message) -> Properties | None:
    if message.response_topic is None and message.expiry is None:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's constructor has no types
    if message.response_topic is not None:
        properties.ResponseTopic = message.response_topic
    if message.expiry is not None:
        properties.MessageExpiryInterval = message.expiry
    return properties
