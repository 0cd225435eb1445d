"""The transit indicators by route: those of an area with that route alone, those of a slow twin, on random cities."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from processing_material import (
    AREAS,
    CITY,
    EAST,
    FIRST,
    NOW,
    SECOND,
    SECOND_STREET,
    THIRD,
    batch,
    device,
    engine,
    instant,
    observed,
)

from devices.kinds import kinds
from ingest.registry import Device, Devices
from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.roster import Roster
from processing.route_book import RouteBook, Window
from processing.route_sums import WHOLE, Sums, Tree, pulls, value_of
from processing.routes import Measure, RouteTable, measurable, table_of
from processing.scoring import score

Reading = tuple[int, dict[str, Any]]
ROWS = measurable(INDICATORS)
BY_ID = {row.id: row for row in ROWS}
STREETS = (FIRST, SECOND_STREET, THIRD)
BUSES = [device(key, "bus", STREETS[key % 3]) for key in range(1, 19)]
EAST_PARTS = (EAST, FIRST, SECOND_STREET)


def readings(seed: int, routes: dict[int, list[str]], until: float = 0, mute: float = 0.1) -> dict[str, list[Reading]]:
    """Arrivals of more than an hour, and places; ``routes``: those of each street; ``mute``: share without places."""
    rng = random.Random(seed)
    arrivals: list[Reading] = []
    places: list[Reading] = []
    silent = {bus.key for bus in BUSES if rng.random() < mute}
    for bus in BUSES:
        for route in routes[STREETS[bus.key % 3]]:
            for stop in rng.sample(["a", "b", "c", "d"], rng.randrange(1, 5)):
                first = until - 4000 - rng.randrange(300)
                for n in range(rng.randrange(3, 16)):
                    planned = first + 300 * n
                    happened = planned + rng.choice([-90, -60, 0, 0, 30, 120, 359.9, 360, 700])
                    if happened > until:
                        continue
                    told = {"predictedAt": instant(happened - rng.choice([-40, 0, 15.5]))} if rng.random() < 0.7 else {}
                    told |= {"route": route, "stop": stop, "trip": f"{route}-{bus.key}-{n}", "seq": n}
                    told |= {"scheduledAt": instant(planned), "arrivedAt": instant(happened)}
                    arrivals.append((bus.key, observed(happened, **told)))
        if bus.key in silent:
            continue
        for n in range(45):
            named = rng.choice(routes[STREETS[bus.key % 3]])
            working = {"route": named, "trip": f"{named}-{bus.key}-{n // 20}"} if rng.random() < 0.95 else {}
            where = {"type": "Point", "coordinates": [121 + rng.random() / 50, 31 + rng.random() / 50]}
            places.append((bus.key, observed(until - 30 * n - rng.random(), position=where, seq=n, **working)))
    rng.shuffle(arrivals)
    rng.shuffle(places)
    return {"bus_arrival": arrivals, "bus": places}


def book(rows: dict[str, list[Reading]], window: Window, parts: int = 1, buses: Iterable[Device] = BUSES) -> RouteBook:
    roster = Roster(kinds()["bus"], {code: label for label, code in enumerate(AREAS)})
    roster.update(roster.place(Devices.of(buses)))
    made = RouteBook(roster, ROWS, window)
    for stream, members in rows.items():
        for part in range(parts):
            if members[part::parts]:
                made.take(batch(stream, members[part::parts]))
    return made


def table(rows: dict[str, list[Reading]], *areas: int, window: Window | None = None, parts: int = 1) -> RouteTable:
    chosen = np.isin(np.arange(len(AREAS)), areas or range(len(AREAS)))
    return table_of(book(rows, window or Window(NOW), parts), chosen)


def folded(rows: dict[str, list[Reading]]) -> Engine:
    made = engine(BUSES)
    for stream, members in rows.items():
        made.fold(batch(stream, [row for row in members if row[1]["dateObserved"] <= NOW / 1000]))
    return made


def of(found: RouteTable, indicator: str, route: str) -> tuple[float, str | None]:
    place = found.tree.routes.index(route)
    measure = found.measures[indicator]
    return float(measure.values.value[place]), measure.reasons[place]


@pytest.mark.parametrize("seed", range(8))
def test_an_area_whose_only_route_it_is_has_the_very_values_of_the_route(seed: int) -> None:
    # the route is driven from the next street as well: headways reach across the border, and belong to one side
    rows = readings(seed, {FIRST: ["r1"], SECOND_STREET: ["r1"], THIRD: ["r3", "r4"]}, mute=0)
    snapshot = folded(rows).evaluate(NOW)
    for areas in ((FIRST,), (SECOND_STREET,), EAST_PARTS):
        found = table(rows, *areas)
        for row in ROWS:
            said = snapshot.indicators[row.id]
            value, score_of = said.value[areas[0]], said.score[areas[0]]
            if np.isnan(value):
                continue
            place = found.tree.routes.index("r1")
            assert found.measures[row.id].values.value[place] == value, row.id
            assert np.array_equal(found.measures[row.id].values.score[place], score_of, equal_nan=True), row.id
            assert found.measures[row.id].values.coverage[place] == said.coverage[areas[0]]
            assert found.measures[row.id].values.freshness[place] >= said.freshness[areas[0]]  # of those in service


def test_all_routes_together_have_the_values_of_the_city() -> None:
    rows = readings(3, {FIRST: ["r1", "r2"], SECOND_STREET: ["r2"], THIRD: ["r3", "r1"]})
    snapshot = folded(rows).evaluate(NOW)
    found = table(rows)
    for row in ROWS:
        together = found.measures[row.id].own[WHOLE]
        if row.aggregation == "speed":  # a bus that changes its route is added up in two parts
            assert together == pytest.approx(snapshot.indicators[row.id].value[CITY], rel=1e-12)
        else:
            assert together == snapshot.indicators[row.id].value[CITY], row.id


def test_order_and_batches_make_no_difference() -> None:
    rows = readings(5, {FIRST: ["r1", "r2"], SECOND_STREET: ["r2"], THIRD: ["r1"]})
    one = table(rows, *EAST_PARTS)
    for parts in (3, 50):
        other = table({name: members[::-1] for name, members in rows.items()}, *EAST_PARTS, parts=parts)
        for route in one.tree.routes:
            for row in ROWS:
                assert repr(of(one, row.id, route)) == repr(of(other, row.id, route))


class Twin:
    """The measures of one route by their words, in plain Python; arrivals are wire objects of one route."""

    def __init__(self, arrivals: list[tuple[int, dict[str, Any]]], inside: set[int]) -> None:
        self.all, self.inside = arrivals, inside
        self.own = [fields for key, fields in arrivals if key in inside]

    def share(self, of: Iterable[bool]) -> float:
        told = [float(one) for one in of]
        return math.fsum(told) / len(told) if told else math.nan

    def headways(self) -> tuple[list[float], list[float], list[float]]:
        """Observed and scheduled ones of frequent stops in seconds, and observed ones over their stop's mean."""
        observed, scheduled, related = [], [], []
        stops = defaultdict(list)
        for key, fields in self.all:
            stops[fields["stop"]].append((key, fields))
        for calls in stops.values():
            plan = sorted({fields["scheduledAt"] for _, fields in calls})
            mean = (plan[-1] - plan[0]) / (len(plan) - 1) / 1000 if len(plan) > 1 else math.inf
            if mean > 720:
                continue
            for name, into in (("arrivedAt", observed), ("scheduledAt", scheduled)):
                order = sorted(calls, key=lambda call: (call[1][name], STREETS[call[0] % 3]))
                for (_, before), (key, after) in pairwise(order):
                    h = (after[name] - before[name]) / 1000
                    if h > 0 and key in self.inside:
                        into.append(h)
                        if name == "arrivedAt":
                            related.append(h / mean)
        return observed, scheduled, related

    def value(self, indicator: str) -> float:
        match indicator:
            case "transit.on_time_share":
                delays = [fields["arrivedAt"] - fields["scheduledAt"] for fields in self.own]
                return self.share(-60_000 <= delay < 360_000 for delay in delays)
            case "transit.forecast_coverage":
                return self.share("predictedAt" in fields for fields in self.own)
            case "transit.forecast_error":
                wrong = [abs(f["arrivedAt"] - f["predictedAt"]) / 1000 for f in self.own if "predictedAt" in f]
                return math.fsum(wrong) / len(wrong) if wrong else math.nan
        observed, scheduled, related = self.headways()
        if len(observed) < 5:
            return math.nan
        match indicator:
            case "transit.excess_wait":
                waits = [math.fsum(h * h for h in hs) / 2 / math.fsum(hs) for hs in (observed, scheduled)]
                return waits[0] - waits[1]
            case "transit.headway_cov":
                return float(np.std(related) / np.mean(related))
            case _:
                return self.share(x < 0.5 for x in related)


@pytest.mark.parametrize("seed", range(6))
def test_random_cities_against_the_twin(seed: int) -> None:
    rows = readings(100 + seed, {FIRST: ["r1", "r2"], SECOND_STREET: ["r2", "r3"], THIRD: ["r3"]})
    start, end = NOW - 2500 * SECOND, NOW - 200 * SECOND
    for areas in (EAST_PARTS, (THIRD,), range(len(AREAS))):
        found = table(rows, *areas, window=Window(end, start))
        inside = {bus.key for bus in BUSES if AREAS.index(bus.area) in areas}
        for route in found.tree.routes:
            told = [
                (key, fields)
                for key, fields in rows["bus_arrival"]
                if fields["route"] == route and start <= fields["dateObserved"] * 1000 <= end
            ]
            place = found.tree.routes.index(route)
            assert found.arrivals[place] == sum(key in inside for key, _ in told)
            assert found.buses[place] == len({key for key, _ in told if key in inside})
            assert found.trips[place] == len({fields["trip"] for key, fields in told if key in inside})
            for row in (row for row in ROWS if row.aggregation != "speed"):
                expected = Twin(told, inside).value(row.id)
                assert of(found, row.id, route)[0] == pytest.approx(expected, rel=1e-9, nan_ok=True), (row.id, route)
                _compare_stops(found, found.measures[row.id], place, told, inside)


def _compare_stops(found: RouteTable, measure: Measure, place: int, told: list[Reading], inside: set[int]) -> None:
    """The points of a stop are what the score of its route gains when nothing of the stop is known."""
    row = measure.indicator
    whole = Twin(told, inside).value(row.id)
    for number, (route, stop) in enumerate(found.tree.stops):
        if route != 1 + place:
            continue
        rest = Twin([one for one in told if one[1]["stop"] != stop], inside).value(row.id)
        gained = score(np.array([rest]), row.goalposts)[0] - score(np.array([whole]), row.goalposts)[0]
        points = measure.points[found.tree.first_stop + number]
        assert points == pytest.approx(gained, rel=1e-6, abs=1e-6, nan_ok=True), (row.id, stop)


def test_a_bus_that_changes_its_route_is_counted_where_it_drove() -> None:
    def at(seconds: float, metres: float, route: str | None, trip: str | None) -> Reading:
        where = {"type": "Point", "coordinates": [121.0, 31 + metres / 111_195.08]}
        named = {name: value for name, value in (("route", route), ("trip", trip)) if value}
        return 1, observed(seconds, position=where, **named)

    #   minute  −8        −7        −6        −5        −4
    #           r1 t1 ─600 m─▶ r1 t1 ──▶ r2 t2 ─300 m─▶ r2 t2 ──▶ (no route) t2
    way = [at(-480, 0, "r1", "t1"), at(-420, 600, "r1", "t1"), at(-360, 900, "r2", "t2"), at(-300, 1200, "r2", "t2")]
    fresh = [at(-60, 1500, None, "t9"), at(-1, 1501, None, "t9")]
    found = table({"bus": [*way, *fresh]})
    assert of(found, "transit.commercial_speed", "r1")[0] == pytest.approx(36.0, rel=1e-5)
    assert of(found, "transit.commercial_speed", "r2")[0] == pytest.approx(18.0, rel=1e-5)
    out_of_service = [*way, at(-1, 1501, None, None)]
    assert np.isnan(of(table({"bus": out_of_service}), "transit.commercial_speed", "r1")[0])


def calls(minutes: float, count: int, stop: str = "a", key: int = 3, **more: Any) -> list[Reading]:
    made = []
    for n in range(count):
        second = -60 - 60 * minutes * n
        told = {"route": "r1", "stop": stop, "trip": f"t{n}", "scheduledAt": instant(second)}
        made.append((key, observed(second, **told, arrivedAt=instant(second), **more)))
    return made


def test_why_there_is_no_value() -> None:
    seldom = table({"bus_arrival": calls(14, 4)})
    assert of(seldom, "transit.excess_wait", "r1")[1] == "not_frequent"
    one = table({"bus_arrival": calls(5, 1)})  # nobody knows how often it is to come
    assert of(one, "transit.excess_wait", "r1")[1] == "too_few"
    few = table({"bus_arrival": calls(5, 4)})
    assert of(few, "transit.headway_cov", "r1")[1] == "too_few"
    assert of(few, "transit.forecast_error", "r1")[1] == "no_readings"
    assert of(few, "transit.commercial_speed", "r1")[1] == "no_readings"
    assert of(few, "transit.on_time_share", "r1") == (1.0, None)


def test_buses_that_fall_silent_take_the_value_along_unless_a_span_was_asked_for() -> None:
    rows = {"bus_arrival": calls(5, 8, key=3) + calls(5, 8, key=6, stop="b")}
    later = Window(NOW + 20 * SECOND)  # of two buses both were heard within 90 s
    assert of(table(rows, window=later), "transit.on_time_share", "r1") == (1.0, None)
    silent = Window(NOW + 91 * SECOND)
    assert of(table(rows, window=silent), "transit.on_time_share", "r1")[1] == "stale"
    one = {"bus_arrival": [*rows["bus_arrival"], *((6, observed(80, **fields)) for fields in _arrived(80))]}
    assert of(table(one, window=Window(NOW + 95 * SECOND)), "transit.on_time_share", "r1")[1] == "coverage"
    over = Window(NOW + 95 * SECOND, NOW - 3600 * SECOND)
    found = table(one, window=over)
    assert of(found, "transit.on_time_share", "r1") == (1.0, None)
    assert found.measures["transit.on_time_share"].values.coverage[0] == 0.5


def _arrived(second: float) -> list[dict[str, Any]]:
    told = {"route": "r1", "stop": "b", "trip": "t", "scheduledAt": instant(second), "arrivedAt": instant(second)}
    return [told]


def test_the_worst_route_gains_the_area_most() -> None:
    good = calls(5, 10)
    bad = [(6, {**fields, "route": "r2", "scheduledAt": fields["scheduledAt"] - 900_000}) for _, fields in calls(5, 10)]
    found = table({"bus_arrival": [*good, *bad]})
    points = dict(zip(found.tree.routes, found.points.tolist(), strict=True))
    assert points["r2"] > 0
    assert points["r2"] > points["r1"]
    share = found.measures["transit.on_time_share"]
    by_label = dict(zip(("all", *found.tree.routes), share.points.tolist(), strict=False))
    assert by_label["r2"] == 100.0
    assert np.isnan(by_label["all"])


def test_nothing_was_heard() -> None:
    found = table({})
    assert found.tree.routes == ()
    assert found.heard.size == 0


def test_taking_a_part_out_of_sums_leaves_the_rest() -> None:
    tree = Tree(("r",), ((1, "a"), (1, "b")))
    row = replace(BY_ID["transit.on_time_share"], goalposts=((0.0, 0), (1.0, 100)))
    counts = np.array([10, 10, 4, 6])
    none = np.zeros(4)
    sums = Sums(counts, np.array([5.0, 5.0, 0.0, 5.0]), counts.astype(float), none, none)
    assert value_of(row, sums).tolist() == pytest.approx([0.5, 0.5, 0.0, 5 / 6])
    assert pulls(row, tree, sums)[2:].tolist() == pytest.approx([100 * (5 / 6 - 0.5), -50.0])
