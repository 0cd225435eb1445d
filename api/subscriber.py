"""The API's one MQTT connection, and the one place where paho's thread meets asyncio.

It listens to the pipeline's output and gathers the documents of a tick; when the tick's closing message arrives a
thread of its own has the event loop take over the whole. Commands go out on the same connection.

    paho's thread ──put──▶ newest tick, one place ──take──▶ handing over ──▶ event loop

Documents are cut into pages as they come, while the broker still sends the others. A tick that comes while the one
before is not taken over yet waits in that one place, as it came, and gives it up to the next: a process that is short
of time skips ticks, and is never more than one behind.

Output is taken at QoS 0: a tick that is lost is replaced by the next one a second later, and a broker that holds
old ticks for a slow reader helps nobody.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from api import vitals
from api.live import Output
from api.pages import Page, read_page
from api.vitals import OutputError, Tick
from devices.publisher import Server
from devices.topics import ROOT, Topics
from ingest.broker_client import BrokerClient

KEEPALIVE_S = 15
CLOSE_WAIT_S = 0.3
IDS_PER_COMMAND = 1000
_LOOK_EVERY_S = 0.5
MAX_QUEUED_COMMANDS = 1000

log = logging.getLogger(__name__)


class Subscriber:
    """Brings ticks to ``deliver`` on the event loop; reconnects by itself for as long as it is open."""

    def __init__(self, url: str, topics: Topics, deliver: Callable[[Output], None]) -> None:
        self._server = Server.parse(url)
        self._topics, self._deliver = topics, deliver
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: dict[str, bytes | Page] = {}
        self._pages: dict[str, Page] = {}
        self._behind = False
        self._waiting: _Received | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._handing_over = threading.Thread(target=self._hand_over_ticks, name="ticks", daemon=True)
        self._output_prefix = f"{ROOT}/{topics.city}/out/".encode()
        self._connected = threading.Event()
        self._kept_came = False
        self.refused = 0
        self._client = self._make_client()

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to connect; returns at once, whether there is a broker or not. Ticks are scheduled on ``loop``."""
        self._loop = loop
        self._handing_over.start()
        self._client.connect_async(self._server.host, self._server.port, KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect and end the thread; where that takes longer than a moment (no broker), it is left to end alone."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._client.disconnect()
        ending = threading.Thread(target=self._client.loop_stop, daemon=True)
        ending.start()
        ending.join(CLOSE_WAIT_S)

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    @property
    def waiting(self) -> int | None:
        """Number of the tick that waits to be taken over."""
        waiting = self._waiting
        return None if waiting is None else waiting.tick.number

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
        client = BrokerClient(CallbackAPIVersion.VERSION2, receive=self._receive, protocol=mqtt.MQTTv5)
        client.connect_timeout = 3.0
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.max_queued_messages_set(MAX_QUEUED_COMMANDS)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
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

    def _receive(self, topic: bytes, payload: bytes, _mid: int, _qos: int, retain: bool, *_: object) -> None:
        try:
            self._take(topic.removeprefix(self._output_prefix).decode(), payload, retain)
        except (OutputError, UnicodeDecodeError) as error:
            self._refuse(error)
        except Exception:
            self.refused += 1
            log.exception("an output message could not be taken")

    def _take(self, name: str, payload: bytes, retain: bool) -> None:
        if name != "tick":
            self._gathered[name] = payload if self._behind else self._page(name, payload)
            return
        if retain and not self._kept_came:
            self._kept_came = True
            return
        tick = vitals.parse_tick(payload)
        with self._changed:
            skipped = {} if self._waiting is None else self._waiting.documents
            self._waiting = _Received(tick, skipped | self._gathered, retain)
            self._changed.notify()
        self._gathered = {}

    # --- everything below runs on the thread that hands over ---

    def _hand_over_ticks(self) -> None:
        while True:
            with self._changed:
                self._behind = False
                self._changed.wait_for(lambda: self._closed or self._waiting is not None)
                received, self._waiting = self._waiting, None
                self._behind = True
            if self._closed or received is None:
                return
            pages = {}
            for area, document in received.documents.items():
                try:
                    pages[area] = self._page(area, document) if isinstance(document, bytes) else document
                except OutputError as error:
                    self._refuse(error)
            self._hand_over(Output(received.tick, pages, received.retained))

    def _hand_over(self, output: Output) -> None:
        """Schedule a tick on the event loop and wait until it was taken over, so that ticks never pile up there."""
        assert self._loop is not None
        taken = threading.Event()

        def deliver() -> None:
            try:
                self._deliver(output)
            finally:
                taken.set()

        with contextlib.suppress(RuntimeError):  # the loop closed first
            self._loop.call_soon_threadsafe(deliver)
            while not taken.wait(_LOOK_EVERY_S) and not self._closed:
                pass

    def _page(self, area: str, payload: bytes) -> Page:
        """Called by both threads; whichever page is kept last serves the next to come."""
        page = self._pages[area] = read_page(payload, area, self._pages.get(area))
        return page

    def _refuse(self, error: Exception) -> None:
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # at a falling rate: 1, 2, 4, 8, …
            log.warning("output message refused (%d so far): %s", self.refused, error)


@dataclass(frozen=True)
class _Received:
    """A tick and the documents by area that came since the one before, cut or not."""

    tick: Tick
    documents: dict[str, bytes | Page]
    retained: bool
