"""Final values: the same engine, run one lateness behind the present, so that readings have had time to arrive. Pure.

    observed ──────┬───────────────┬──────────▶ time
              settled          now − lateness    now
     late: reopens │ held until    │
     its windows   │ their minute  │

A minute is settled when the watermarks of all streams have passed it, one lateness of the slowest of them later; they
advance with the clock, also when every source is silent (see ``lateness``). A reading that comes after the watermark of
its own stream is late. One that comes for a settled minute is folded in for the minutes to come, and the minutes it
touches are to be recomputed from the database.
"""

from collections import Counter

from devices.kinds import streams
from ingest.batch import Batch
from ingest.registry import Devices
from ingest.registry_past import RegistryPast
from processing.engine import Engine, Snapshot
from processing.lateness import largest_lateness, late
from processing.registrations import Registrations, rewind, split
from processing.roster import Placements
from processing.windows import MINUTE, Gate

LATENESS = largest_lateness(streams().values())
"""µs between a minute and its final value: the lateness of the slowest stream"""


class Settler:
    """Settles one minute after the other."""

    def __init__(self, engine: Engine, settled: int, lateness: int = LATENESS) -> None:
        """``engine`` holds everything observed up to ``settled``, a full minute in µs since 1970."""
        self.engine = engine
        self._registrations = Registrations()
        self._gate = Gate()
        self._lateness = lateness
        self._late_from: int | None = None
        self.settled = settled
        """the newest minute that has final values"""
        self.late = 0
        """readings that came after their minute was settled"""
        self.late_by_stream: Counter[str] = Counter()
        """readings that came after the watermark of their stream, by stream"""

    @property
    def held(self) -> int:
        """Readings that wait for their minute."""
        return len(self._gate)

    def follow(self, engine: Engine, devices: Devices, past: RegistryPast) -> None:
        """Begin with the devices of the engine of the present, which holds ``devices``, as they were at ``settled``;
        nothing may have been registered here yet. ``past``: as for ``rewind``."""
        self.engine.follow(engine)
        self._registrations = rewind(self.engine, devices, past, self.settled)

    def register(self, new: Placements, changed: Placements) -> None:
        """Take devices in that were registered or changed at their ``since``; they count from their minute on.

        Both are as the engine places them, or the one that it follows. One that is told of only after its minute was
        settled reopens it, as a late reading does.
        """
        for told, is_new in ((new, True), (changed, False)):
            known, ahead = split(told, self.settled)
            if is_new:
                self.engine.expect(ahead)
            self._registrations.put(ahead)
            for untimely in self.engine.update(known):
                for placed in untimely.values():
                    for since in placed.since[placed.since > 0].tolist():
                        self.reopen(since)

    def restore(self, batch: Batch) -> None:
        """Take in what was stored before: what was observed up to ``settled`` is no news, and not late."""
        ready = self._gate.admit(batch, self.settled)
        if ready is not None and len(ready):
            self.engine.fold(ready)

    def admit(self, batch: Batch) -> None:
        """Take readings in, in any order."""
        if count := int(late(batch).sum()):
            self.late_by_stream[batch.stream.name] += count
        settled = self._gate.admit(batch, self.settled)
        if settled is not None and len(settled):
            self.engine.fold(settled)
            self.late += len(settled)
            self.reopen(int(settled.time.min()))

    def reopen(self, since: int) -> None:
        """What was observed at ``since`` (µs) came after its minute was settled."""
        self._late_from = since if self._late_from is None else min(self._late_from, since)

    def due(self, now: int) -> int | None:
        """The next minute to settle, if the watermark has passed it at ``now`` (µs)."""
        minute = self.settled + MINUTE
        return minute if minute <= now - self._lateness else None

    def settle(self, minute: int) -> Snapshot:
        """The final vital signs of ``minute``, which must be due."""
        self.engine.update(self._registrations.due(minute))
        for batch in self._gate.release(minute):
            self.engine.fold(batch)
        self.settled = minute
        return self.engine.evaluate(minute)

    def reopened(self) -> int | None:
        """The earliest instant (µs) of a late reading since this was last asked; None = there was none."""
        late_from, self._late_from = self._late_from, None
        return late_from


def full_minute(instant: int) -> int:
    """The newest full minute at or before ``instant`` (µs)."""
    return instant // MINUTE * MINUTE


def touched_minutes(first: int, last: int, longest_window: int, settled: int) -> tuple[int, int] | None:
    """First and last settled minute whose windows hold an instant between ``first`` and ``last`` (all µs).

    None when there is no such minute. A window of 24 h that ends at minute M reaches back one window, and to the start
    of the pane it begins in.
    """
    start = -(-first // MINUTE) * MINUTE
    end = min(settled, full_minute(last + longest_window) + MINUTE)
    return (start, end) if start <= end else None
