"""Which readings of a transaction may be new to minutes that are settled: those minutes are noted with them. Pure.

minute M ─── lateness of the slowest stream ──▶│ settled
                              │◀── MARGIN ────▶│
                    noted from here on: a commit, and processing, may still take a moment
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devices.kinds import streams
from ingest.batch import Batch

LATENESS = round(max(stream.lateness for stream in streams().values()) * 1e6)
"""µs between a minute and its final value, at the earliest"""
MARGIN = 30_000_000
"""µs that may pass from the note to the moment when processing has the readings"""
_MINUTE = 60_000_000


@dataclass(frozen=True)
class Note:
    """What was observed from ``since`` to ``until`` (µs, ends included) came, or changed, late."""

    id: int
    since: int
    until: int


def late_span(batches: Iterable[Batch], refused: Sequence[int], now: int) -> tuple[int, int] | None:
    """First and last instant (µs) of what counts in a minute that may be settled at ``now``; None = nothing does.

    ``refused``: when refused messages were received, which is when they count; the spool may have held them since.
    """
    newest = (now - LATENESS + MARGIN) // _MINUTE * _MINUTE  # what was observed on a full minute counts in it
    found = [at for at in (min(refused, default=now), max(refused, default=now)) if at <= newest]
    for batch in batches:
        if len(batch) and int(batch.time.min()) <= newest:
            late = batch.time[batch.time <= newest]
            found += [int(late.min()), int(late.max())]
    return (min(found), max(found)) if found else None
