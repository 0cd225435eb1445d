"""The obvious slow twin of every kernel: plain Python over lists and dicts, sums as exact fractions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

NEVER = -(2**62)
LARGEST = 2.0**40


@dataclass
class Latest:
    """Newest reading of a device."""

    time: int = NEVER
    seq: int = 0
    value: float = math.nan
    per: float = math.nan


@dataclass
class Partial:
    """Sums of an area."""

    count: int = 0
    total: Fraction = field(default_factory=Fraction)
    per_total: Fraction = field(default_factory=Fraction)
    fresh: int = 0
    excused: int = 0
    reporting: int = 0
    newest: int = NEVER

    def add(self, value: float, per: float) -> None:
        self.count += 1
        self.total += Fraction(value)
        self.per_total += Fraction(per)

    def merge(self, other: "Partial") -> None:
        self.count += other.count
        self.total += other.total
        self.per_total += other.per_total
        self.fresh += other.fresh
        self.excused += other.excused
        self.reporting += other.reporting
        self.newest = max(self.newest, other.newest)


def known(value: float) -> bool:
    return abs(value) < LARGEST


def fold_latest(
    slot: Sequence[int],
    time: Sequence[int],
    seq: Sequence[int],
    value: Sequence[float],
    per: Sequence[float],
    latest: list[Latest],
) -> None:
    for s, t, q, v, p in zip(slot, time, seq, value, per, strict=True):
        if s >= 0 and (t, q) >= (latest[s].time, latest[s].seq):
            latest[s] = Latest(t, q, v, p)


def fold_seen(slot: Sequence[int], time: Sequence[int], seen: list[int]) -> None:
    for s, t in zip(slot, time, strict=True):
        if s >= 0:
            seen[s] = max(seen[s], t)


def fold_panes(
    area: Sequence[int],
    pane: Sequence[int],
    value: Sequence[float],
    per: Sequence[float],
    pane_of: list[int],
    partials: list[list[Partial]],
) -> None:
    for a, pane_number, v, p in zip(area, pane, value, per, strict=True):
        if a < 0 or not known(v) or not known(p):
            continue
        place = pane_number % len(pane_of)
        if pane_number < pane_of[place]:
            continue
        if pane_number > pane_of[place]:
            pane_of[place] = pane_number
            partials[place] = [Partial() for _ in partials[place]]
        partials[place][a].add(v, p)


def reduce_latest(
    area: Sequence[int], oldest: Sequence[int], latest: Sequence[Latest], partials: list[Partial]
) -> None:
    for a, bound, device in zip(area, oldest, latest, strict=True):
        if a < 0:
            continue
        partials[a].newest = max(partials[a].newest, device.time)
        if device.time < bound:
            continue
        partials[a].fresh += 1
        if device.value == math.inf:
            partials[a].excused += 1
        elif known(device.value) and known(device.per):
            partials[a].reporting += 1
            partials[a].add(device.value, device.per)


def reduce_seen(area: Sequence[int], oldest: Sequence[int], seen: Sequence[int], partials: list[Partial]) -> None:
    for a, bound, time in zip(area, oldest, seen, strict=True):
        if a >= 0:
            partials[a].newest = max(partials[a].newest, time)
            partials[a].fresh += time >= bound
            partials[a].reporting += time >= bound


def reduce_panes(
    first: int, last: int, pane_of: Sequence[int], panes: Sequence[Sequence[Partial]], partials: list[Partial]
) -> None:
    for number, areas in zip(pane_of, panes, strict=True):
        if first <= number <= last:
            for into, other in zip(partials, areas, strict=True):
                into.merge(other)


def roll_up(parent: Sequence[int], partials: list[Partial]) -> None:
    """Every area gets the sum over itself and all areas below it."""
    own = [replace(partial) for partial in partials]
    for label, partial in enumerate(own):
        above = parent[label]
        while above >= 0:
            partials[above].merge(partial)
            above = parent[above]


def lowest_ranks(area: Sequence[int], rank: Sequence[float], areas: int, most: int) -> list[list[int]]:
    lowest = []
    for label in range(areas):
        members = [slot for slot, a in enumerate(area) if a == label and rank[slot] == rank[slot]]
        members.sort(key=lambda slot: rank[slot])
        lowest.append((members + [-1] * most)[:most])
    return lowest


def merge_order(entity: Sequence[int], instant: Sequence[int], area: Sequence[int]) -> list[int]:
    return sorted(range(len(entity)), key=lambda row: (entity[row], instant[row], area[row]))


def mark_frequent(entity: Sequence[int], time: Sequence[int], longest: float) -> list[bool]:
    marks = {}
    for name in set(entity):
        times = sorted({t for e, t in zip(entity, time, strict=True) if e == name})
        steps = len(times) - 1
        marks[name] = steps > 0 and times[-1] - times[0] <= longest * 1e6 * steps
    return [marks[name] for name in entity]


def headways(
    entity: Sequence[int], area: Sequence[int], time: Sequence[int], longest: float, partials: list[Partial]
) -> None:
    previous: dict[int, int] = {}
    for e, a, t in zip(entity, area, time, strict=True):
        if e in previous and a >= 0 and 0 < (h := (t - previous[e]) / 1e6) <= longest:
            partials[a].add(h * h, h)
        previous[e] = t
