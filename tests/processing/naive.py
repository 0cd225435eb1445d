"""The obvious slow twin of every kernel: plain Python over lists and dicts, sums as exact fractions."""

import itertools
import math
import statistics
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


def lowest_ranks(
    parent: Sequence[int], area: Sequence[int], value: Sequence[float], sign: int, most: int
) -> list[list[int]]:
    """The lowest of every area, its parts included; a parent of -1 throughout leaves the parts out."""
    lowest = []
    for label in range(len(parent)):
        members = []
        for slot, own in enumerate(area):
            above = own
            while above not in (label, -1):
                above = parent[above]
            if own >= 0 and above == label and math.isfinite(value[slot]):
                members.append(slot)
        members.sort(key=lambda slot: sign * value[slot])
        lowest.append((members + [-1] * most)[:most])
    return lowest


def merge_in(held: list[tuple[int, ...]], more: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return sorted([*held, *more], key=lambda row: (row[1], row[2], row[4]))


def sum_headways(
    rows: Sequence[tuple[int, ...]], frequent: float, longest: float, bunched: float, areas: int
) -> tuple[list[int], list[list[Partial]]]:
    """Of rows (time, entity, scheduled, observed, area), times in µs, by the definitions."""
    partials = [[Partial() for _ in range(areas)] for _ in range(4)]
    for entity in {row[1] for row in rows}:
        mine = [row for row in rows if row[1] == entity]
        planned = sorted({row[2] for row in mine})
        steps = len(planned) - 1
        if steps < 1 or planned[-1] - planned[0] > frequent * 1e6 * steps:
            continue
        mean = (planned[-1] - planned[0]) / 1e6 / steps
        for instant, sums in ((2, partials[:1]), (3, partials[1:])):
            times = sorted((row[instant], row[4]) for row in mine)
            for (before, _), (after, area) in itertools.pairwise(times):
                h = (after - before) / 1e6
                if 0 < h <= longest:
                    x = h / mean
                    for one, value, per in zip(sums, (h * h, x * x, float(x < bunched)), (h, x, 1.0), strict=False):
                        one[area].add(value, per)
    return [sum(row[4] == area for row in rows) for area in range(areas)], partials


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


def spells(readings: Sequence[tuple[int, int]], panes: int) -> tuple[int, int, int, int]:
    """(begun, under way, high, known) of one device's readings (pane, state): 1 = low, 2 = high, 0 = neither."""
    newest = max(pane for pane, _ in readings)
    states: dict[int, int] = {}
    for pane, state in readings:
        if pane > newest - panes and state:
            states[pane] = max(states.get(pane, 0), state)
    known = sorted(states.items())
    steps = list(itertools.pairwise(known))
    begun = sum(old == 1 and new == 2 for (_, old), (_, new) in steps)
    high = sum(after - pane for (pane, state), (after, _) in steps if state == 2)
    return begun, int(bool(known) and known[0][1] == 2), high, known[-1][0] - known[0][0] if known else 0


def last_of_panes(
    readings: Sequence[tuple[int, tuple[float, ...]]], length: int, panes: int
) -> list[tuple[int, tuple[float, ...]]]:
    """Of one device's readings (time, values) the last of each pane, of two at one instant the larger."""
    newest = max(time // length for time, _ in readings)
    kept: dict[int, tuple[int, tuple[float, ...]]] = {}
    for time, values in readings:
        if time // length > newest - panes:
            kept[time // length] = max(kept.get(time // length, (time, values)), (time, values))
    return [kept[pane] for pane in sorted(kept)]


def register_rate(points: Sequence[tuple[int, tuple[float, ...]]], shortest: int) -> float:
    if len(points) < 2 or points[-1][0] - points[0][0] < shortest:
        return math.nan
    rise = 0.0
    for (_, (old,)), (_, (new,)) in itertools.pairwise(points):
        end = 10.0 ** max(0, len(str(math.floor(old)))) if old >= 1 else 1.0
        if new >= old:
            rise += new - old
        elif old >= 0.9 * end and new <= 0.1 * end:
            rise += end - old + new
    return rise / ((points[-1][0] - points[0][0]) / 1e6)


def fill_slope(points: Sequence[tuple[int, tuple[float, ...]]], drop: float) -> float:
    kept: list[tuple[int, float]] = []
    for time, (fill,) in points:
        if kept and kept[-1][1] - fill >= drop:
            kept = []
        kept.append((time, fill))
    if len(kept) < 3:
        return math.nan
    return statistics.median((g - f) / ((u - t) / 1e6) for i, (t, f) in enumerate(kept) for u, g in kept[i + 1 :])


def way(points: Sequence[tuple[int, tuple[float, ...]]]) -> tuple[float, float]:
    metres = seconds = 0.0
    for (t, (lon, lat, trip)), (u, (to_lon, to_lat, to_trip)) in itertools.pairwise(points):
        if trip and trip == to_trip:
            a, b, step = math.radians(lat), math.radians(to_lat), math.radians(to_lon - lon)
            h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(step / 2) ** 2
            metres += 2 * 6_371_008.8 * math.asin(math.sqrt(h))
            seconds += (u - t) / 1e6
    return metres, seconds


def relative_headways(
    entity: Sequence[int], scheduled: Sequence[int], happened: Sequence[int], longest: float
) -> dict[int, list[float]]:
    """Headways of each entity related to its mean scheduled one."""
    found: dict[int, list[float]] = {}
    for name in set(entity):
        planned = sorted({s for e, s in zip(entity, scheduled, strict=True) if e == name})
        times = sorted(t for e, t in zip(entity, happened, strict=True) if e == name)
        if len(planned) > 1:
            mean = (planned[-1] - planned[0]) / 1e6 / (len(planned) - 1)
            steps = ((b - a) / 1e6 for a, b in itertools.pairwise(times))
            found[name] = [h / mean for h in steps if 0 < h <= longest]
    return found
