"""Decodes the take that comes next, and lays it out, in a second thread while the database is busy with the present.

What runs ahead reads the registry and changes nothing. What it finds is used if the registry is still the same when the
take's turn comes; otherwise the take is decoded again.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Thread

from ingest.batch import Decoded, Delivery
from ingest.decoder import Decoder
from ingest.laid_out import Ready, lay_out
from ingest.registry import Registry

WORTH_WHILE = 50_000
"""bytes of payload: less is decoded sooner than handed over"""


@dataclass(frozen=True)
class Prepared:
    """A take that was decoded ahead of time, and its batches laid out."""

    decoded: Decoded
    ready: Ready


class LookAhead:
    """Holds at most one take; owned by ingest's loop, whose decoder and registry it reads."""

    def __init__(self, decoder: Decoder, registry: Registry) -> None:
        self._decoder = decoder
        self._registry = registry
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        Thread(target=decoder.prepare, name="compile", daemon=True).start()
        self._deliveries: Sequence[Delivery] = ()
        self._changes = -1
        self._prepared: Future[Prepared] | None = None

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to decode what the next ``claim`` will ask for."""
        if sum(len(d.payload) for d in deliveries) < WORTH_WHILE:
            return
        self._deliveries, self._changes = deliveries, self._registry.changes
        self._prepared = self._thread.submit(self._prepare, deliveries)

    def claim(self, deliveries: Sequence[Delivery]) -> "Prepared | None":
        """What decoding these very deliveries led to; None when that was not begun or may be outdated.

        Call it before each ``start``.
        """
        if self._prepared is None:
            return None
        prepared, self._prepared = self._prepared.result(), None
        expected, self._deliveries = self._deliveries, ()
        return prepared if expected is deliveries and self._changes == self._registry.changes else None

    def finish(self) -> None:
        """Wait for what was begun; it can still be claimed. The decoder is the caller's alone until the next start."""
        if self._prepared is not None:
            wait([self._prepared])

    def _prepare(self, deliveries: Sequence[Delivery]) -> "Prepared":
        decoded = self._decoder.decode(deliveries, self._registry)
        return Prepared(decoded, lay_out(decoded.batches))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
