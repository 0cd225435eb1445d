"""A gateway that loses nothing: it numbers the readings of its devices and keeps each until it is confirmed. Pure.

    take ──▶ sent, kept ──▶ confirmed: forgotten
                 ▲  │ in a gap of the answer, or no word of it for long
                 └──┘ sent again

The answers are the watermarks that the pipeline publishes on ``…/ack``. When the buffer is full, new readings are
refused rather than old ones forgotten: what has a number arrives.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from devices.simulation.fleet import Birth, Emission
from devices.units import format_instant, parse_instant

CAPACITY = 100_000
PATIENCE = 2_000_000
"""µs that a reading has to arrive before a gap counts as a loss"""
LONGEST_SILENCE = 30_000_000
"""µs after which a reading is sent again although no gap named it: nothing that was sent later has arrived either"""
MOST_AT_ONCE = 1_000

Key = tuple[str, str]
"""stream, device"""


@dataclass
class _Kept:
    """A reading that is not confirmed yet, and when it was last sent (µs)."""

    emission: Emission
    sent: int


@dataclass
class _Count:
    """The numbers of one device in one stream."""

    next: int = 0
    kept: dict[int, _Kept] = field(default_factory=dict)


class Gateway:
    """Speaks for all devices of a fleet. Times are µs since 1970."""

    def __init__(self, name: str, since: int, *, capacity: int = CAPACITY) -> None:
        """``since``: when this gateway began to count; it counts anew from 0."""
        self.name = name
        self.kept = 0
        self.confirmed = 0
        self.sent_again = 0
        self.refused = 0
        self._since = since
        self._capacity = capacity
        self._counts: dict[Key, _Count] = {}
        self._missing: dict[tuple[Key, int], None] = {}
        self._sent: deque[tuple[int, Key, int]] = deque()
        self._heard = self._probed = since

    def introduced(self, birth: Birth) -> Birth:
        """A device's birth: it stands behind this gateway and asks for its watermark."""
        counting = {"from": 0, "since": format_instant(self._since)}
        attributes = {**birth.meta["attributes"], "gateway": self.name, "watermark": counting}
        return replace(birth, meta={**birth.meta, "attributes": attributes})

    def take(self, emission: Emission, now: int) -> Emission | None:
        """A device's reading as the gateway sends it; None if there is no room to keep it."""
        spoken = {"device": emission.device, **emission.reading}
        if parse_instant(emission.reading["dateObserved"]) < self._since:
            return Emission(emission.stream, self.name, spoken)  # belongs to no count
        if self.kept >= self._capacity:
            self.refused += 1
            return None
        key = (emission.stream, emission.device)
        count = self._counts.setdefault(key, _Count())
        numbered = Emission(emission.stream, self.name, {**spoken, "seq": count.next})
        count.kept[count.next] = _Kept(numbered, now)
        self._sent.append((now, key, count.next))
        self.kept += 1
        count.next += 1
        return numbered

    def hear(self, device: str, answer: dict[str, Any], now: int) -> None:
        """Read a watermark: forget what is committed, note what is missing."""
        key = (str(answer.get("stream")), device)
        count = self._counts.get(key)
        if count is None or "since" not in answer or parse_instant(answer["since"]) != self._since:
            return  # of another gateway, or of an earlier life of this one
        self._heard = now
        gaps = iter([*answer["gaps"], [answer["highest"] + 1, float("inf")]])
        first, last = next(gaps)
        for number in list(count.kept):
            while number > last:
                first, last = next(gaps)
            if number <= answer["committed"] or number < first:
                del count.kept[number]
                self.kept -= 1
                self.confirmed += 1
            elif number <= answer["highest"]:
                self._missing[key, number] = None
            else:
                break

    def again(self, now: int) -> Iterator[Emission]:
        """What is to be sent again: at most MOST_AT_ONCE."""
        due: list[tuple[Key, int]] = []
        for key, number in list(self._missing)[:MOST_AT_ONCE]:
            kept = self._counts[key].kept.get(number)
            if kept is None or kept.sent <= now - PATIENCE:
                del self._missing[key, number]
                due.append((key, number))
        while self._sent and self._sent[0][0] <= now - LONGEST_SILENCE and len(due) < MOST_AT_ONCE:
            if self._heard < now - LONGEST_SILENCE:
                if self._probed > now - LONGEST_SILENCE:
                    break  # nobody answers at all: more would only fill the broker
                self._probed = now
            sent, key, number = self._sent.popleft()
            kept = self._counts[key].kept.get(number)
            if kept is not None and kept.sent == sent:
                due.append((key, number))
        for key, number in due:
            kept = self._counts[key].kept.get(number)
            if kept is not None:
                kept.sent = now
                self._sent.append((now, key, number))
                self.sent_again += 1
                yield kept.emission
