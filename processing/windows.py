"""Event time: which readings may be folded at a given instant, and which instants are ticks. Pure; the clock is an
argument.
"""

from collections.abc import Iterator

from ingest.batch import Batch
from processing.holding import Holding

TICK = 1_000_000
MINUTE = 60 * TICK
_PATIENCE = 2 * TICK
_MADE_UP = 2 * MINUTE


class Gate:
    """Holds back readings observed after the instant of the next tick, until their time has come."""

    def __init__(self) -> None:
        self._held = Holding()

    def __len__(self) -> int:
        """Readings held."""
        return len(self._held)

    def admit(self, batch: Batch, until: int) -> Batch | None:
        """The part of the batch observed at or before ``until`` (µs); the rest is held."""
        if int(batch.time.max(initial=until)) <= until:
            return batch
        early = batch.time > until
        if early.all():
            self._held.put(batch)
            return None
        self._held.put(batch.take(early))
        return batch.take(~early)

    def release(self, until: int) -> Iterator[Batch]:
        """What was held and is due by ``until`` (µs); nothing may be admitted before the last."""
        return self._held.take(until)


def first_tick(now: int) -> int:
    """The first full second after ``now`` (µs)."""
    return (now // TICK + 1) * TICK


def next_tick(due: int, now: int) -> int:
    """The tick that follows the one at ``due``, when it is ``now`` (both µs).

    Normally the next second. Who is more than two seconds behind goes on at the present, by way of the full minutes
    that history needs, as far as they lie within the last two minutes; a longer gap stays a gap. When the clock was
    set back, it is still the next second, which then is ``too_early``.
    """
    if now - (due + TICK) <= _PATIENCE:
        return due + TICK
    minute = (max(due, now - _MADE_UP) // MINUTE + 1) * MINUTE
    return minute if minute <= now else first_tick(now)


def too_early(due: int, now: int) -> bool:
    """Whether the clock was set back: the tick at ``due`` lies further ahead than ticks ever do."""
    return due - now > _PATIENCE
