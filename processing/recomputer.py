"""Recompute settled minutes beside the ticks, in a thread of its own, and write what changed as new revisions."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import psycopg

from ingest.database import connect
from processing.documents import Documents
from processing.engine import Engine, Snapshot
from processing.policy import Policy
from processing.recompute import recompute
from processing.rollup_store import make_rollups
from processing.store import newest_final_minute, write_history
from processing.windows import MINUTE

log = logging.getLogger(__name__)

_PAUSE = 5.0
_NAP = 0.02


class Recomputer:
    """Takes spans of minutes; those that overlap are done once."""

    def __init__(
        self,
        database_url: str,
        new_engine: Callable[[Policy], Engine],
        documents: Documents,
        spans: Callable[[int, int], Sequence[tuple[int, int, Policy]]],
    ) -> None:
        """``spans`` splits minutes (µs, ends included) by the policy that was in force."""
        self._database_url = database_url
        self._new_engine = new_engine
        self._documents = documents
        self._by_policy = spans
        self._spans: list[tuple[int, int]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recompute", daemon=True)
        self.revisions = 0
        """values that were revised"""

    @property
    def waiting(self) -> int:
        """Minutes still to be recomputed."""
        return sum((last - first) // MINUTE + 1 for first, last in self._spans)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the minute in hand; what is left is found missing at the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(_PAUSE)

    def request(self, first: int, last: int) -> None:
        """Have the minutes from ``first`` to ``last`` (µs) recomputed."""
        with self._changed:
            self._spans = merged([*self._spans, (first, last)])
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._spans or self._stopping)
                if self._stopping:
                    return
                span = self._spans.pop(0)
            try:
                self._recompute(*span)
            except psycopg.Error as error:
                log.warning("recomputing waits for the database: %s", str(error).splitlines()[0])
                self.request(*span)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, _PAUSE)

    def _recompute(self, first: int, last: int) -> None:
        revised = 0
        with connect(self._database_url, application="cityvitals recompute") as connection:
            connection.autocommit = True  # baselines that are fixed on the way are nobody's to wait for
            writer = connect(self._database_url, application="cityvitals recompute")
            with writer:
                writer.autocommit = True
                for snapshot in self._snapshots(connection, first, last):
                    minute = self._documents.history(snapshot, "final")
                    revised += write_history(writer, minute)
                    if self._stopping:
                        return
                    time.sleep(_NAP)  # the ticks come first
                settled = max(last, newest_final_minute(writer) or last)
                make_rollups(writer, minute.areas, minute.zone, first, last, settled)
        self.revisions += revised
        log.info("recomputed %d minutes, %d values were revised", (last - first) // MINUTE + 1, revised)

    def _snapshots(self, connection: psycopg.Connection, first: int, last: int) -> Iterator[Snapshot]:
        for start, end, policy in self._by_policy(first, last):
            yield from recompute(connection, partial(self._new_engine, policy), start, end)


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of full minutes (µs, ends included) in order, overlapping and adjacent ones joined."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + MINUTE:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined
