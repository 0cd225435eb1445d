"""Recompute settled minutes beside the ticks, in a thread of its own, and write what changed as new revisions.

What is to be recomputed is in memory; where it comes from late readings or marks, notes in the database tell the next
process of it (``ingest/reopened_store``). They are dropped when their minutes are written.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import psycopg

from ingest.database import connect, in_one_line
from ingest.reopened_store import drop_notes
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
        unwritten: Callable[[], int] = lambda: 0,
    ) -> None:
        """``spans`` splits minutes (µs, ends included) by the policy that was in force; ``unwritten``: how many settled
        minutes wait to be written, which must not come after their own revision."""
        self._database_url = database_url
        self._new_engine = new_engine
        self._documents = documents
        self._by_policy = spans
        self._unwritten = unwritten
        self._spans: list[tuple[int, int]] = []
        self._notes: dict[int, tuple[int, int]] = {}  # ids, and the minutes that each waits for
        self._needless: list[int] = []
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
        """End the thread after the minute in hand. The next start finds what is left: minutes without a final value by
        themselves, those that late readings or marks touched by their notes."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(_PAUSE)

    def request(self, first: int, last: int, notes: Sequence[int] = ()) -> None:
        """Have the minutes from ``first`` to ``last`` (µs) recomputed, and then the ``notes`` (ids) dropped.

        What the notes tell of must be part of every minute that is settled from now on.
        """
        with self._changed:
            self._spans = merged([*self._spans, (first, last)])
            self._notes |= dict.fromkeys(notes, (first, last))
            self._changed.notify_all()

    def carries(self, note: int) -> bool:
        """Whether the minutes of a note are being recomputed, or wait for it."""
        with self._changed:
            return note in self._notes

    def forget(self, notes: Sequence[int]) -> None:
        """Have notes (ids) dropped that no minute waits for."""
        with self._changed:
            self._needless += [note for note in notes if note not in self._notes]
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._spans or self._needless or self._stopping)
                if self._stopping:
                    return
                span = self._spans.pop(0) if self._spans else None
            try:
                if self._needless:
                    self._drop_needless()
                if span is not None and self._may_begin():
                    self._recompute(*span)
            except psycopg.Error as error:
                log.warning("recomputing waits for the database: %s", in_one_line(error))
                if span is not None:
                    self.request(*span)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, _PAUSE)

    def _may_begin(self) -> bool:
        """Once all that was settled before is written; False when it is time to stop."""
        while self._unwritten() and not self._stopping:
            time.sleep(_NAP)
        return not self._stopping

    def _drop_needless(self) -> None:
        with connect(self._database_url, application="cityvitals recompute") as connection:
            needless = list(self._needless)
            drop_notes(connection, needless)
        del self._needless[: len(needless)]  # others only add behind them

    def _recompute(self, first: int, last: int) -> None:
        revised = 0
        with self._changed:  # those that come meanwhile wait for minutes that are still to be done
            notes = [note for note, (start, end) in self._notes.items() if first <= start and end <= last]
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
                drop_notes(writer, notes)
        with self._changed:
            for note in notes:
                del self._notes[note]
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
