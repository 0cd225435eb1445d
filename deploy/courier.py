"""The simulated gateway at work: hears the watermarks, passes on what is new and what is to be sent again."""

import contextlib
import queue
from collections.abc import Iterable, Iterator
from datetime import datetime

import orjson

from devices.publisher import Publisher
from devices.simulation.fleet import Emission
from devices.simulation.gateway import Gateway
from devices.units import EPOCH, MICROSECOND


class Courier:
    """A gateway and the connection it listens on."""

    def __init__(self, publisher: Publisher, start: datetime, name: str) -> None:
        self.gateway = Gateway(name, (start - EPOCH) // MICROSECOND)
        self._heard = publisher.heard

    def passed(self, now: int, emissions: Iterable[Emission]) -> Iterator[Emission]:
        """What goes out at ``now`` (µs since 1970)."""
        self._listen(now)
        for emission in emissions:
            taken = self.gateway.take(emission, now)
            if taken is not None:
                yield taken
        yield from self.gateway.again(now)

    def report(self) -> str:
        """How far the gateway is, in words."""
        gateway = self.gateway
        refused = f", {gateway.refused} not taken: the buffer was full" if gateway.refused else ""
        return (
            f"gateway: {gateway.confirmed} confirmed, {gateway.kept} waiting, {gateway.sent_again} sent again{refused}"
        )

    def _listen(self, now: int) -> None:
        while True:
            try:
                topic, payload = self._heard.get_nowait()
            except queue.Empty:
                return
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # whatever others publish there
                self.gateway.hear(topic.split("/")[3], orjson.loads(payload), now)
