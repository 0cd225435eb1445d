"""The transit indicators of every route, by the definitions and the kernels of the areas' indicators. Pure.

Headways lie between consecutive arrivals of a route at a stop, whoever drove them; each belongs to the area of the bus
that ends it. The devices expected of a route are the buses that were heard on it within the window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.expressions import Elapsed
from processing.method import BUNCHED_BELOW, HEADWAYS, Indicator
from processing.route_book import RouteBook
from processing.route_sums import WHOLE, Sums, Tree, pulls, too_few, value_of
from processing.scoring import NO_DEVICES, NOT_APPLICABLE, REASONS, Evidence, Values, judge
from processing.standing import Floats, Instants, rolled_up

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]
MEASURED = ("window_mean", "speed", *HEADWAYS)
"""aggregations that can be told apart by route"""


def measurable(indicators: Sequence[Indicator]) -> tuple[Indicator, ...]:
    """The transit indicators of a table that exist by route."""
    return tuple(row for row in indicators if row.domain == "transit" and row.aggregation in MEASURED)


@dataclass(frozen=True)
class Measure:
    """An indicator of every route."""

    indicator: Indicator
    values: Values
    """by label − 1"""
    reasons: tuple[str | None, ...]
    """why there is no value, by label − 1"""
    sums: Sums
    """by label; ``count`` tells the observations: arrivals, headways, or buses whose way is known"""
    own: Floats
    """value by label, stops included, not judged"""
    points: Floats
    """by label: what the score of the parent would gain without it"""


@dataclass(frozen=True)
class RouteTable:
    """The routes that were heard in some areas; arrays by label − 1."""

    tree: Tree
    heard: Flags
    arrivals: Counts
    trips: Counts
    buses: Counts
    stops: Counts
    measures: Mapping[str, Measure]
    points: Floats
    """what the weighted mean of the transit scores of all these routes together would gain without each"""


@dataclass(frozen=True)
class _Buses:
    """The buses heard on each route: pairs, each once."""

    route: Counts
    slot: Counts
    fresh: Flags
    newest: Instants


def table_of(book: RouteBook, chosen: Flags) -> RouteTable:
    """What was heard of the routes by the buses of some areas; ``chosen``: bool by area label."""
    calls, tree = book.calls, book.tree
    size = len(tree.routes)
    inside = (calls.area >= 0) & chosen[calls.area]
    route_of_stop = np.array([route - 1 for route, _ in tree.stops], np.int64)
    route = route_of_stop[calls.stop]
    measures: dict[str, Measure] = {}
    known: dict[int, _Buses] = {}
    for row in book.indicators:
        if row is book.speed:
            measures[row.id] = _speeds(book, row, chosen)
            continue
        since = book.window.since(row)
        counted = inside & (calls.time >= since)
        if since not in known:
            known[since] = _heard(book, *_pairs(route[counted], calls.slot[counted]))
        measures[row.id] = _of_calls(book, row, counted, known[since])
    since = min((book.window.since(row) for row in book.indicators if row is not book.speed), default=0)
    counted = inside & (calls.time >= since)
    trips, buses, stops = (
        np.bincount(_pairs(route[counted], of[counted])[0], minlength=size)
        for of in (calls.trip, calls.slot, calls.stop)
    )
    arrivals = np.bincount(route[counted], minlength=size)
    driven = np.bincount(book.ways.route[_there(book, chosen)], minlength=size)
    heard = arrivals + driven > 0
    return RouteTable(tree, heard, arrivals, trips, buses, stops, measures, _together(tree, measures))


def _of_calls(book: RouteBook, row: Indicator, counted: Flags, buses: _Buses) -> Measure:
    """An indicator of arrivals; ``counted``: those of the window and the areas."""
    calls, tree = book.calls, book.tree
    label = np.where(counted, tree.first_stop + calls.stop, -1).astype(np.int32)
    if row.aggregation in HEADWAYS:
        sums, seldom = _headways(book, row, label)
    else:
        partials = _added(tree, label, calls.columns[row.id], calls.columns[f"{row.id} per"])
        sums, seldom = Sums.of(partials), None
    arrivals = rolled_up(np.bincount(label[label >= 0], minlength=len(tree)), tree.parents)
    return _measure(book, row, sums, buses, too_few(row, sums) & (arrivals > 0), seldom)


def _headways(book: RouteBook, row: Indicator, label: NDArray[np.int32]) -> tuple[Sums, Flags]:
    """Sums of headways, and by label whether there is a timetable and none of it is frequent."""
    assert isinstance(row.value, Elapsed)
    calls, tree = book.calls, book.tree
    since = book.window.since(row)
    order = book.order(row.value.start, row.value.end, since)
    entity, longest = calls.stop[order.planned], (book.window.at - since + 1) / 1e6
    scheduled = calls.columns[row.value.start][order.planned]
    observed = calls.columns[row.value.end][order.happened]
    partials = [kernels.empty_partials(len(tree)) for _ in range(2)]
    own = np.where(order.frequent, label[order.happened], -1).astype(np.int32)
    if row.aggregation == "excess_wait":
        of_plan = np.where(order.frequent, label[order.planned], -1).astype(np.int32)
        kernels.headways(entity, own, observed, longest, partials[0])
        kernels.headways(entity, of_plan, scheduled, longest, partials[1])
    else:
        bunched = BUNCHED_BELOW if row.aggregation == "bunching" else 0.0
        kernels.relative_headways(entity, own, observed, order.mean, longest, bunched, partials[0])
    for one in partials:
        kernels.roll_up(tree.parents, one)
    timed = np.where(np.isnan(order.mean), -1, label[order.happened])
    often, known = (rolled_up(np.bincount(of[of >= 0], minlength=len(tree)), tree.parents) for of in (own, timed))
    return Sums.of(*partials), (known > 0) & (often == 0)


def _speeds(book: RouteBook, row: Indicator, chosen: Flags) -> Measure:
    ways, tree = book.ways, book.tree
    there = _there(book, chosen)
    label = np.where(there & ways.fresh, 1 + ways.route, -1).astype(np.int32)
    partials = _added(tree, label, ways.metres * 3.6, ways.seconds)
    buses = _Buses(ways.route[there], ways.slot[there].astype(np.int64), ways.fresh[there], ways.newest[there])
    sums = Sums.of(partials)
    nothing = (sums.count > 0) & ~(sums.per > 0)
    return _measure(book, row, sums, buses, too_few(row, sums) | nothing, None)


def _measure(book: RouteBook, row: Indicator, sums: Sums, buses: _Buses, idle: Flags, seldom: Flags | None) -> Measure:
    """Judge the routes. ``idle``: by label, where buses report and there is not (enough of) what is measured;
    ``seldom``: by label, where no service is frequent, None = it makes no difference."""
    size = len(book.tree.routes)
    value = value_of(row, sums)
    expected = np.bincount(buses.route, minlength=size)
    reporting = np.bincount(buses.route[buses.fresh], minlength=size)
    newest = np.full(size, kernels.NEVER, np.int64)
    np.maximum.at(newest, buses.route, buses.newest)
    over = book.window.start is not None  # nobody is silent in a span that is over
    evidence = Evidence(
        expected=expected,
        fresh=expected if over else reporting,
        excused=np.zeros(size, np.int64),
        reporting=reporting,
        freshness=np.where(newest > kernels.NEVER, (book.window.at - newest) / 1e6, np.nan),
        idle=idle[1 : 1 + size],
        base=sums.per[1 : 1 + size],
    )
    values = judge(value[1 : 1 + size], evidence, row.goalposts, 0.0 if over else row.minimum_coverage)
    reasons = [REASONS[code] for code in values.reason.tolist()]
    for place in np.flatnonzero(values.reason == NOT_APPLICABLE).tolist():
        if seldom is not None:
            reasons[place] = "not_frequent" if seldom[1 + place] else "too_few"
        elif sums.per[1 + place] > 0:
            reasons[place] = "too_few"
    for place in np.flatnonzero(values.reason == NO_DEVICES).tolist():
        reasons[place] = "no_readings"
    return Measure(row, values, tuple(reasons), sums, value, pulls(row, book.tree, sums))


def _added(tree: Tree, label: NDArray[np.int32], value: Floats, per: Floats) -> NDArray[np.void]:
    """PARTIAL[labels] of values, rolled up."""
    pane = np.zeros(len(label), np.int64)
    number, sums = np.zeros(1, np.int64), np.zeros((1, len(tree)), kernels.SUMS)
    kernels.fold_panes(label, pane, 1, value, per, number, sums)
    partials = kernels.empty_partials(len(tree))
    kernels.reduce_panes(0, 0, number, sums, partials)
    kernels.roll_up(tree.parents, partials)
    return partials


def _there(book: RouteBook, chosen: Flags) -> Flags:
    """The ways of buses of the areas."""
    area = book.roster.area[book.ways.slot]
    there: Flags = (area >= 0) & chosen[area]
    return there


def _pairs(route: Counts, other: Counts) -> tuple[Counts, Counts]:
    """The different pairs of two numbers."""
    width = int(other.max(initial=0)) + 1
    pairs = np.unique(route * width + other)
    return pairs // width, pairs % width


def _heard(book: RouteBook, route: Counts, slot: Counts) -> _Buses:
    newest = book.heard[slot]
    return _Buses(route, slot, newest >= book.window.at - book.roster.stale[slot], newest)


def _together(tree: Tree, measures: Mapping[str, Measure]) -> Floats:
    """Σ w·points / Σ w over the indicators that all routes together have a score of; nothing gained counts as 0."""
    size = len(tree.routes)
    weights = {
        name: one.indicator.weight
        for name, one in measures.items()
        if one.indicator.weight and not np.isnan(one.own[WHOLE])
    }
    gained = np.zeros(size)
    for name, weight in weights.items():
        gained += weight * np.nan_to_num(measures[name].points[1 : 1 + size])
    return gained / sum(weights.values()) if weights else np.full(size, np.nan)
