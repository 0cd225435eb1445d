"""Which devices a simulated city has and where: kinds shared out over all streets, some districts worse off."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from devices.area import Area
from devices.city import City
from devices.contract import Kind
from devices.simulation.behaviour import Mood, Site
from devices.simulation.lines import Line, draw_line

# Devices of each kind for a street, when the whole is 8.5; a kind not named here gets one.
WEIGHTS: Mapping[str, float] = {
    "garbage_hut": 2.0,
    "parking_bay": 3.0,
    "car_park": 1.0,
    "bus": 1.0,
    "energy_meter": 1.5,
}
SHORT_NAMES: Mapping[str, str] = {
    "garbage_hut": "hut",
    "parking_bay": "bay",
    "car_park": "park",
    "energy_meter": "meter",
}
TROUBLED_DISTRICTS = 2
BUSES_PER_LINE = 5
SILENT_STREETS = 0.04


@dataclass
class Plan:
    """All sites; by their index which never report (``dead``), report seldom (``flaky``), or drive on a line."""

    sites: list[Site]
    street_names: dict[str, str]
    dead: set[int] = field(default_factory=set)
    flaky: set[int] = field(default_factory=set)
    vehicles: dict[int, tuple[Line, int, int]] = field(default_factory=dict)


def share_out(n: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Split ``n`` by weights into whole numbers that add up to ``n`` (largest remainder)."""
    total = sum(weights.values())
    exact = {name: n * weight / total for name, weight in weights.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_remainder[: n - sum(counts.values())]:
        counts[name] += 1
    return counts


def plan_sites(city: City, kinds: Mapping[str, Kind], n: int, seed: int, mood: Mood) -> Plan:
    """Draw the places of ``n`` devices. Every street gets its share of every kind as far as ``n`` reaches."""
    rng, points = random.Random(f"plan {seed}"), np.random.default_rng(seed)
    streets = list(city.at_level("street")) or list(city.at_level("district"))
    rng.shuffle(streets)
    districts = [area.code for area in city.at_level("district")]
    trouble = _trouble(districts, rng)
    plan = Plan([], {street.code: street.name_zh for street in streets})
    counts = share_out(n, {kind: WEIGHTS.get(kind, 1.0) for kind in kinds})
    offset = 0
    for kind_id, count in counts.items():
        for i in range(count):
            street = streets[(i + offset) % len(streets)]
            site = _site(city, kinds[kind_id], street, i // len(streets) + 1, trouble, mood, points)
            plan.sites.append(site)
        offset += count
    _lay_lines(plan, city, rng)
    _silence(plan, streets, mood, rng)
    return plan


def _trouble(districts: list[str], rng: random.Random) -> dict[str, float]:
    """How much worse each district fares, 0–1: most a little, one or two a lot."""
    levels = {code: rng.choice([0.0, 0.0, 0.1, 0.2, 0.3]) for code in districts}
    for rank, code in enumerate(rng.sample(districts, min(TROUBLED_DISTRICTS, len(districts) // 2))):
        levels[code] = 1.0 if rank == 0 else 0.7
    return levels


def _site(
    city: City,
    kind: Kind,
    street: Area,
    ordinal: int,
    trouble: Mapping[str, float],
    mood: Mood,
    points: np.random.Generator,
) -> Site:
    district = street.code if street.level == "district" else street.parent or ""
    lon, lat = city.random_point(street.code, points)
    short = SHORT_NAMES.get(kind.id, kind.id.replace("_", "-"))
    device = f"{short}-{street.code}-{ordinal}"
    level = trouble.get(district, 0.0)
    return Site(device, kind, district, street.code, round(lon, 6), round(lat, 6), ordinal, level, mood)


def _lay_lines(plan: Plan, city: City, rng: random.Random) -> None:
    outlines = {outline.code: outline for outline in city.outlines}
    by_district: dict[str, list[int]] = defaultdict(list)
    for index, site in enumerate(plan.sites):
        if site.kind.id == "bus":
            by_district[site.district].append(index)
    for district, buses in by_district.items():
        for number, first in enumerate(range(0, len(buses), BUSES_PER_LINE), start=1):
            members = buses[first : first + BUSES_PER_LINE]
            start = plan.sites[members[0]]
            line = draw_line(f"{district[-3:]}-{number:02d}", (start.lon, start.lat), outlines.get(district), rng)
            for ordinal, index in enumerate(members):
                plan.vehicles[index] = (line, ordinal, len(members))


def _silence(plan: Plan, streets: list[Area], mood: Mood, rng: random.Random) -> None:
    """Let some devices be dead from the start, half of them together in a few streets, and some flaky."""
    silent = {street.code for street in streets if rng.random() < SILENT_STREETS * mood.dead / 0.02}
    for index, site in enumerate(plan.sites):
        if rng.random() < (0.4 if site.street in silent else mood.dead / 2):
            plan.dead.add(index)
        elif rng.random() < mood.dead / 2:
            plan.flaky.add(index)
