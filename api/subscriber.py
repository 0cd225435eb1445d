"""The API's one MQTT connection, and the one place where paho's thread meets asyncio.

It listens to the pipeline's output and gathers the documents of a tick; when the tick's closing message arrives the
whole tick is scheduled on the event loop. Commands go out on the same connection.

Output is taken at QoS 0: a tick that is lost is replaced by the next one a second later, and a broker that holds
old ticks for a slow reader helps nobody.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from api import vitals
from api.live import Output
from api.vitals import Document, OutputError
from devices.publisher import Server
from devices.topics import ROOT, Topics

KEEPALIVE_S = 15
CLOSE_WAIT_S = 0.3
IDS_PER_COMMAND = 1000
MAX_QUEUED_COMMANDS = 1000

log = logging.getLogger(__name__)


class Subscriber:
    """Brings ticks to ``deliver`` on the event loop; reconnects by itself for as long as it is open."""

    def __init__(self, url: str, topics: Topics, deliver: Callable[[Output], None]) -> None:
        self._server = Server.parse(url)
        self._topics, self._deliver = topics, deliver
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: dict[str, tuple[Document, bytes]] = {}
        self._output_prefix = f"{ROOT}/{topics.city}/out/"
        self._connected = threading.Event()
        self._kept_came = False
        self.refused = 0
        self._client = self._make_client()

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to connect; returns at once, whether there is a broker or not. Ticks are scheduled on ``loop``."""
        self._loop = loop
        self._client.connect_async(self._server.host, self._server.port, KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect and end the thread; where that takes longer than a moment (no broker), it is left to end alone."""
        self._client.disconnect()
        ending = threading.Thread(target=self._client.loop_stop, daemon=True)
        ending.start()
        ending.join(CLOSE_WAIT_S)

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    def announce(self, devices: Sequence[str]) -> None:
        """Tell the pipeline that these devices' entries in the registry were written."""
        self._command("registry", "devices", devices)

    def replay(self, rejects: Sequence[int]) -> None:
        """Ask the pipeline to put these rejects through again."""
        self._command("replay", "rejects", rejects)

    def marked(self, marks: Sequence[int]) -> None:
        """Tell the pipeline that these marks were set or lifted."""
        self._command("marks", "marks", marks)

    def _command(self, name: str, key: str, ids: Sequence[Any]) -> None:
        for start in range(0, len(ids), IDS_PER_COMMAND):
            payload = orjson.dumps({key: list(ids[start : start + IDS_PER_COMMAND])})
            self._client.publish(self._topics.command(name), payload, qos=1)

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.connect_timeout = 3.0
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.max_queued_messages_set(MAX_QUEUED_COMMANDS)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        if self._server.user is not None:
            client.username_pw_set(self._server.user, self._server.password)
        if self._server.tls:
            client.tls_set()
        return client

    # --- everything below runs on paho's thread ---

    def _on_connect(self, client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _given: object) -> None:
        if code.is_failure:
            log.warning("the broker at %s refuses the API: %s", self._server, code)
            return
        self._gathered = {}
        # The retained messages come in no particular order, so their closing message may come too early; asking
        # for it once more brings it after all of them.
        self._kept_came = False
        client.subscribe(self._topics.vitals("+"), qos=0)
        client.subscribe(self._topics.tick, qos=0)
        self._connected.set()

    def _on_disconnect(self, _client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _: object) -> None:
        self._connected.clear()
        log.info("disconnected from the broker at %s: %s", self._server, code)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            self._take(message)
        except OutputError as error:
            self._refuse(error)
        except Exception:  # anything else would end paho's thread while it still says it is connected
            self.refused += 1
            log.exception("an output message could not be taken")

    def _take(self, message: mqtt.MQTTMessage) -> None:
        name = message.topic.removeprefix(self._output_prefix)
        payload = bytes(message.payload)
        if name != "tick":
            document = vitals.parse_document(payload, name)
            # an event's data is one line
            self._gathered[name] = document, orjson.dumps(document) if b"\n" in payload or b"\r" in payload else payload
            return
        if message.retain and not self._kept_came:
            self._kept_came = True
            return
        output = Output(vitals.parse_tick(payload), self._gathered, message.retain)
        self._gathered = {}
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed first
                self._loop.call_soon_threadsafe(self._deliver, output)

    def _refuse(self, error: OutputError) -> None:
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # at a falling rate: 1, 2, 4, 8, …
            log.warning("output message refused (%d so far): %s", self.refused, error)
