"""A processing service on a clock of the test's own, and what it publishes."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from live_api import PATIENCE, wait_until
from processing_material import NOW, small_city

from devices.kinds import kinds
from devices.topics import Topics
from ingest.retention import Retention
from processing.service import ProcessingService

CITY = small_city()


class Clock:
    """The machine's clock, set to NOW and moved at will."""

    def __init__(self, start: float = NOW / 1e6) -> None:
        self.offset = start - time.time()

    def __call__(self) -> float:
        return time.time() + self.offset

    def set(self, to: float) -> None:
        """Seconds since 1970."""
        self.offset = to - time.time()


class Published:
    """What the service sent to the broker."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.ticks: list[dict[str, Any]] = []

    def __call__(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            name = topic.rsplit("/", 1)[-1]
            if name == "tick":
                self.ticks.append(orjson.loads(payload))
            else:
                self.documents[name] = orjson.loads(payload)

    def numbers(self) -> list[int]:
        return [tick["tick"] for tick in self.ticks]


def service(
    database_url: str,
    clock: Callable[[], float],
    published: Published | None = None,
    retention: Retention | None = None,
    policy_file: Path | None = None,
) -> ProcessingService:
    return ProcessingService(
        city=CITY,
        topics=Topics(CITY.code, kinds()),
        database_url=database_url,
        publish=published or Published(),
        state=lambda: {"pending": 3},
        retention=retention,
        policy_file=policy_file,
        clock=clock,
    )


@contextmanager
def running(made: ProcessingService) -> Iterator[ProcessingService]:
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        assert made.restored.wait(PATIENCE)
        yield made
    finally:
        made.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def arrive(clock: Clock, published: Published) -> None:
    """Go to just before NOW once the service ticks: the first tick compiles, which may take long."""
    wait_until(lambda: bool(published.ticks), "the first tick")
    clock.set(NOW / 1e6 - 1.5)
