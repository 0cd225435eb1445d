"""Tells devices how far their numbered readings are committed: retained, on ``…/ack``."""

import logging
import time
from collections.abc import Iterable

import orjson

from devices.contract import Stream
from devices.topics import Topics
from ingest.confirmations import Confirmations, Key
from ingest.database_link import DatabaseAwayError, DatabaseLink
from ingest.registry import Device, Registry
from ingest.subscriber import Subscriber
from ingest.watermark import Watermark
from ingest.watermark_store import Standing, read_watermarks

log = logging.getLogger(__name__)

MOST_AT_ONCE = 500


class Teller:
    """Works in ingest's thread: ``moved`` after a commit, ``work`` again and again."""

    def __init__(self, subscriber: Subscriber, topics: Topics, registry: Registry, link: DatabaseLink) -> None:
        self._subscriber = subscriber
        self._topics = topics
        self._registry = registry
        self._link = link
        self._streams: dict[str, Stream] = {s.name: s for kind in topics.kinds.values() for s in kind.streams}
        self._confirmations = Confirmations()
        self._epoch = 0

    def __len__(self) -> int:
        """How many devices and streams have a watermark."""
        return len(self._confirmations)

    def moved(self, standings: Iterable[Standing]) -> None:
        """Watermarks as a transaction that is committed left them."""
        now = time.monotonic()
        for standing in standings:
            if standing.device.key in self._registry.askers:
                self._confirmations.put((standing.device.id, standing.stream), standing.watermark, now)

    def work(self, *, database_away: bool) -> None:
        """Answer who asks anew, tell what is due."""
        if self._registry.asking_anew and not database_away:
            self._answer_askers()
        epoch = self._subscriber.epoch
        if not epoch:
            return  # whatever moves meanwhile is told when the broker is back
        if epoch != self._epoch:
            self._epoch = epoch
            self._confirmations.tell_all_again(time.monotonic())
        for key, watermark in self._confirmations.due(time.monotonic(), MOST_AT_ONCE):
            self._tell(key, orjson.dumps(watermark.describe(key[1], time.time_ns() // 1000)))

    def _answer_askers(self) -> None:
        """Read where they stand: after a start, or when a birth asks for the first time or anew."""
        asking = self._registry.asking_anew
        try:
            known = self._link.do(lambda connection: read_watermarks(connection, asking))
        except DatabaseAwayError:
            return
        for device in asking.values():
            self._answer(device, known)
        asking.clear()

    def _answer(self, device: Device, known: dict[tuple[int, str], Watermark]) -> None:
        kind = self._topics.kinds.get(device.kind)
        streams = kind.streams if kind is not None else ()
        if device.key not in self._registry.askers:
            self._confirmations.drop(device.id)
            for stream in streams:
                self._tell((device.id, stream.name), b"")
            return
        asked = self._registry.askers[device.key][1]
        for stream in streams:
            before = known.get((device.key, stream.name))
            watermark = Watermark.start(asked) if before is None else before.moved(asked)
            self._confirmations.put((device.id, stream.name), watermark, time.monotonic())

    def _tell(self, key: Key, payload: bytes) -> None:
        device, stream = key
        self._subscriber.publish(self._topics.watermark(self._streams[stream], device), payload, qos=1, retain=True)
