"""Listens to what the pipeline says of itself and of the city, straight at the broker."""

import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

import orjson

from tests.torture import packets


@dataclass(frozen=True)
class Tick:
    """A closed tick as it came."""

    number: int
    at: str
    pipeline: dict[str, Any]
    heard: float
    """time.monotonic()"""


class Monitor(threading.Thread):
    """Keeps the newest tick, and the documents of the newest closed tick of which all came."""

    def __init__(self, port: int, city: str) -> None:
        super().__init__(name="monitor", daemon=True)
        self._port, self._prefix = port, f"cv1/{city}/out/"
        self._ended = threading.Event()
        self.tick: Tick | None = None
        self.documents: dict[str, dict[str, Any]] = {}
        """by area, of the newest tick divisible by ``every``"""
        self.documents_of = 0
        self.every = 5
        self._gathering: dict[str, bytes] = {}

    def stop(self) -> None:
        self._ended.set()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=2) as line:
                    self._listen(line)
            except (OSError, ValueError):
                self._ended.wait(0.1)

    def wait_tick(self, within: float, after: float = 0.0) -> Tick:
        """A tick heard later than ``after`` (time.monotonic())."""
        deadline = time.monotonic() + within
        while (tick := self.tick) is None or tick.heard <= after:
            if time.monotonic() > deadline:
                raise AssertionError(f"the pipeline did not tick within {within:g} s")
            time.sleep(0.02)
        return tick

    def _listen(self, line: socket.socket) -> None:
        line.sendall(packets.connect(f"monitor-{time.time_ns()}", clean=True))
        line.sendall(packets.subscribe(self._prefix + "#", 1))
        splitter, spoke = packets.Splitter(), time.monotonic()
        line.settimeout(1.0)
        while not self._ended.is_set():
            if time.monotonic() - spoke > 5:
                line.sendall(packets.PINGREQ_PACKET)
                spoke = time.monotonic()
            try:
                data = line.recv(262_144)
            except TimeoutError:
                continue
            if not data:
                raise ConnectionError("the broker closed the connection")
            for packet in splitter.feed(data):
                if packet.type == packets.PUBLISH:
                    message = packets.read_publish(packet)
                    if not packet.flags & 1:  # what was retained is of before
                        self._hear(message.topic.removeprefix(self._prefix), message.payload)

    def _hear(self, name: str, payload: bytes) -> None:
        if name != "tick":
            self._gathering[name] = payload
            return
        said = orjson.loads(payload)
        if said["tick"] % self.every == 0:
            documents = {area: orjson.loads(text) for area, text in self._gathering.items()}
            self.documents = {a: d for a, d in documents.items() if d.get("tick") == said["tick"]}
            self.documents_of = said["tick"]
        self._gathering = {}
        self.tick = Tick(said["tick"], said["at"], said["pipeline"], time.monotonic())
