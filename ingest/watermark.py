"""How far a device's numbered readings are committed: a set of numbers kept as ranges. Pure.

    from ─────── committed │  gap  │▓▓ above ▓▓│  gap  │▓▓▓│ highest
    everything is committed                 some is

Numbers only ever join the set; asking anew can move its beginning forward or start a later count, never go back. So the
order in which readings and births arrive makes no difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devices.contract import shown
from devices.units import format_instant, parse_instant

Range = tuple[int, int]
"""first and last number"""

LARGEST_NUMBER = 2**53 - 1
MOST_RANGES = 1_000
MOST_GAPS = 100
RIGHT = 'true, false or {"from": first number, "since": when that count began}'


@dataclass(frozen=True)
class Asked:
    """What a device asks for in ``attributes.watermark``."""

    first: int = 0
    """numbers below are none of the watermark's business"""
    since: int | None = None
    """µs since 1970; what was observed earlier belongs to an older count"""


@dataclass(frozen=True)
class Watermark:
    """The committed numbers of one device in one stream."""

    committed: int
    """every number up to and including this one is committed"""
    highest: int
    """the highest committed number"""
    above: tuple[Range, ...] = ()
    """committed ranges above ``committed``: ascending, apart from each other"""
    since: int | None = None

    @classmethod
    def start(cls, asked: Asked) -> "Watermark":
        """Nothing is committed yet."""
        return cls(asked.first - 1, asked.first - 1, (), asked.since)

    def moved(self, asked: Asked) -> "Watermark":
        """What it becomes for a device that asks: a later count starts anew, an earlier one changes nothing."""
        if _instant(asked.since) > _instant(self.since):
            return Watermark.start(asked)
        if _instant(asked.since) < _instant(self.since):
            return self
        return self.joined([(0, asked.first - 1)]) if asked.first > 0 else self

    def joined(self, ranges: Iterable[Range]) -> "Watermark":
        """With further numbers committed.

        More than ``MOST_RANGES`` apart are not kept: the uppermost count as missing until they are sent again.
        """
        given = list(ranges)
        merged = merge([(0, self.committed), *self.above, *given] if self.committed >= 0 else [*self.above, *given])
        committed = -1
        if merged and merged[0][0] == 0:
            committed = merged.pop(0)[1]
        highest = max([self.highest, *(last for _, last in given)])
        return replace(self, committed=committed, highest=highest, above=tuple(merged[:MOST_RANGES]))

    def gaps(self, most: int = MOST_GAPS) -> list[Range]:
        """Ranges between ``committed`` and ``highest`` that hold all missing numbers.

        Where there are more than ``most``, the last one reaches to ``highest`` and may hold committed numbers too:
        whatever lies in no gap is committed in any case.
        """
        found: list[Range] = []
        below = self.committed
        for first, last in [*self.above, (self.highest + 1, self.highest)]:
            if below + 1 < first:
                found.append((below + 1, first - 1))
            below = last
        return found if len(found) <= most else [*found[: most - 1], (found[most - 1][0], self.highest)]

    def describe(self, stream: str, at: int) -> dict[str, Any]:
        """The document that is told back; ``at`` in µs since 1970."""
        document = {
            "stream": stream,
            "committed": self.committed,
            "highest": self.highest,
            "gaps": [list(gap) for gap in self.gaps()],
            "at": format_instant(at),
        }
        return document if self.since is None else document | {"since": format_instant(self.since)}


def read_asked(attributes: Mapping[str, Any]) -> Asked | None:
    """What a device's attributes ask for; None for nothing. Raises ValueError saying what would be right."""
    value = attributes.get("watermark")
    if value is None or value is False:
        return None
    if value is True:
        return Asked()
    if not isinstance(value, dict):
        raise ValueError(f"attributes.watermark is {shown(value)}, must be {RIGHT}")
    first, since = value.get("from"), value.get("since")
    first = 0 if first is None else first
    if type(first) is not int or not 0 <= first <= LARGEST_NUMBER:
        raise ValueError(f"attributes.watermark.from is {shown(first)}, must be an integer 0–{LARGEST_NUMBER}")
    try:
        return Asked(first, None if since is None else parse_instant(since))
    except (ValueError, OverflowError) as error:
        right = "RFC 3339 with an offset, or epoch milliseconds"
        raise ValueError(f"attributes.watermark.since is {shown(since)}, must be {right}") from error


def merge(ranges: Sequence[Range]) -> list[Range]:
    """The same numbers in as few ranges as possible, ascending."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = merged[-1][0], last
        else:
            merged.append((first, last))
    return merged


def _instant(since: int | None) -> float:
    return float("-inf") if since is None else since
