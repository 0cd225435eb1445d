"""Decodes the take that comes next in a second thread, while the database is busy with the present one.

Only decoding runs ahead: it reads the registry and changes nothing. What it finds is used if the registry is still the
same when the take's turn comes; otherwise the take is decoded again.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread

from ingest.batch import Decoded, Delivery
from ingest.decoder import Decoder
from ingest.registry import Registry

WORTH_WHILE = 50_000
"""bytes of payload: less is decoded sooner than handed over"""


class LookAhead:
    """Holds at most one take; owned by ingest's loop, whose decoder and registry it reads."""

    def __init__(self, decoder: Decoder, registry: Registry) -> None:
        self._decoder = decoder
        self._registry = registry
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        Thread(target=decoder.prepare, name="compile", daemon=True).start()
        self._deliveries: Sequence[Delivery] = ()
        self._changes = -1
        self._decoded: Future[Decoded] | None = None

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to decode what the next ``claim`` will ask for."""
        if sum(len(d.payload) for d in deliveries) < WORTH_WHILE:
            return
        self._deliveries, self._changes = deliveries, self._registry.changes
        self._decoded = self._thread.submit(self._decoder.decode, deliveries, self._registry)

    def claim(self, deliveries: Sequence[Delivery]) -> Decoded | None:
        """What decoding these very deliveries led to; None when that was not begun or may be outdated.

        Call it before each ``start``.
        """
        if self._decoded is None:
            return None
        decoded, self._decoded = self._decoded.result(), None
        expected, self._deliveries = self._deliveries, ()
        return decoded if expected is deliveries and self._changes == self._registry.changes else None

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
