"""Readings of buses told apart by route: arrivals by stop, and what each bus drove on each route. Pure.

A route is told by ``route`` (GTFS route_id), its stops by ``stop`` (stop_id). An arrival belongs to the route that it
names, a step between two places of a bus to the route that both name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.batch import MISSING, Batch
from ingest.refusals import is_refusal
from processing import kernels
from processing.expressions import Elapsed
from processing.method import FREQUENT_HEADWAY, HEADWAYS, Indicator, needs, pane_of
from processing.roster import Roster
from processing.route_sums import Tree
from processing.sequences import trip_numbers
from processing.standing import Floats, Instants, Labels, Rows

ROUTE, STOP, TRIP = "route", "stop", "trip"
_SECOND = 1_000_000
_TRIP, _ROUTE = 2, 3
"""columns of a point: longitude, latitude, number of the trip (0 = none), number of the route (-1 = none)"""


@dataclass(frozen=True)
class Window:
    """Which readings count: up to ``at``, from the start of each indicator's own window, or from ``start`` (µs)."""

    at: int
    start: int | None = None

    def since(self, indicator: Indicator) -> int:
        """The first instant (µs) that counts for an indicator of arrivals."""
        if self.start is not None:
            return self.start
        if indicator.aggregation in HEADWAYS:
            return self.at - indicator.window * _SECOND + 1
        pane = pane_of(indicator) * _SECOND
        return (self.at // pane - indicator.window * _SECOND // pane + 1) * pane


@dataclass(frozen=True)
class Calls:
    """Arrivals, in no order."""

    time: Instants
    slot: NDArray[np.int64]
    """of the bus, in the roster"""
    area: NDArray[np.int64]
    """label of the bus's area, -1 = none"""
    stop: NDArray[np.int64]
    """number of the stop of a route"""
    trip: NDArray[np.int64]
    """number of the trip of a route"""
    columns: dict[str, NDArray[Any]]
    """instants by field; values of an indicator (NaN = not known) by its id, what they relate to by id + ' per'"""


@dataclass(frozen=True)
class Ways:
    """What the buses in service drove on each route."""

    slot: Labels
    route: NDArray[np.int64]
    metres: Floats
    seconds: Floats
    newest: Instants
    """µs since 1970, the newest place of the bus"""
    fresh: NDArray[np.bool_]


@dataclass(frozen=True)
class Order:
    """Arrivals of a window in the order of their stops: rows of ``Calls``, as planned and as it happened."""

    planned: NDArray[np.intp]
    happened: NDArray[np.intp]
    frequent: NDArray[np.bool_]
    """of each row of both: whether the service of its route at its stop is frequent"""
    mean: Floats
    """of each row of both: the mean scheduled headway there in seconds, NaN = not known"""


class RouteBook:
    """Takes the readings of a window in, in any order."""

    def __init__(self, roster: Roster, indicators: Sequence[Indicator], window: Window) -> None:
        """``roster``: the buses; ``indicators``: as ``routes.measurable`` gives them."""
        self.roster, self.indicators, self.window = roster, tuple(indicators), window
        self.speed = next((row for row in indicators if row.aggregation == "speed"), None)
        self.heard: Instants = np.full(max(roster.capacity, 1), kernels.NEVER, np.int64)
        """when each slot was last heard"""
        self._routes: dict[str, int] = {}
        self._stops: dict[tuple[str, str], int] = {}
        self._trips: dict[tuple[str, str], int] = {}
        self._calls: list[Calls] = []
        self._places: list[tuple[NDArray[Any], ...]] = []
        self._orders: dict[tuple[str, str, int], Order] = {}

    def take(self, batch: Batch) -> None:
        """Take readings in; those after the window are left out."""
        slot = self.roster.slots(batch.device)
        known = (slot >= 0) & (batch.time <= self.window.at)
        if is_refusal(batch.stream) or not known.any():
            return
        if not known.all():
            batch, slot = batch.take(known), slot[known]
        np.maximum.at(self.heard, slot, batch.time)
        if not batch.stream.is_event:
            self._take_places(batch, slot)
        elif any(row.stream == batch.stream.name for row in self.indicators):
            self._take_calls(batch, slot)

    def close(self) -> None:
        """Put together what was taken in, so that several threads may look at it."""
        for part in ("tree", "calls", "ways"):
            getattr(self, part)

    @cached_property
    def tree(self) -> Tree:
        """The routes and their stops; nothing may be taken in any more."""
        return Tree(tuple(self._routes), tuple((1 + self._routes[route], stop) for route, stop in self._stops))

    @cached_property
    def calls(self) -> Calls:
        """All arrivals."""
        none = np.empty(0, np.int64)
        parts, self._calls = self._calls or [Calls(none, none, none, none, none, self._no_columns())], []
        return Calls(
            time=np.concatenate([part.time for part in parts]),
            slot=np.concatenate([part.slot for part in parts]),
            area=np.concatenate([part.area for part in parts]),
            stop=np.concatenate([part.stop for part in parts]),
            trip=np.concatenate([part.trip for part in parts]),
            columns={name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
        )

    def order(self, start: str, end: str, since: int) -> Order:
        """The arrivals from ``since`` (µs) on that have both instants, ``start`` as planned and ``end`` as observed."""
        key = start, end, since
        if key not in self._orders:
            calls = self.calls
            scheduled, observed = calls.columns[start], calls.columns[end]
            there = (calls.area >= 0) & (calls.time >= since) & (scheduled != MISSING) & (observed != MISSING)
            rows = np.flatnonzero(there)
            planned = rows[np.lexsort((calls.area[rows], scheduled[rows], calls.stop[rows]))]
            happened = rows[np.lexsort((calls.area[rows], observed[rows], calls.stop[rows]))]
            frequent = np.zeros(len(rows), np.bool_)
            kernels.mark_frequent(calls.stop[planned], scheduled[planned], float(FREQUENT_HEADWAY), frequent)
            mean = np.empty(len(rows))
            kernels.mean_headways(calls.stop[planned], scheduled[planned], mean)
            self._orders[key] = Order(planned, happened, frequent, mean)
        return self._orders[key]

    @cached_property
    def ways(self) -> Ways:
        """What every bus in service drove on each route within the window of the speed."""
        none = np.empty(0, np.int64)
        if self.speed is None or not self._places:
            return Ways(none.astype(np.int32), none, none.astype(float), none.astype(float), none, none.astype(bool))
        slot, time, seq, working, point = (np.concatenate(parts) for parts in zip(*self._places, strict=True))
        self._places = []
        length, panes = pane_of(self.speed) * _SECOND, self.speed.window // pane_of(self.speed)
        size = len(self.heard)
        newest, offset = np.full(size, -1, np.int64), np.zeros((panes, size), np.uint32)
        points, power = np.zeros((panes, size, point.shape[1])), np.ones(point.shape[1])
        kernels.fold_points(slot, time, point, length, (newest, offset, points, power))
        order = np.lexsort((seq, time, slot))
        last = order[np.append(slot[order][1:] != slot[order][:-1], True)]
        expected = self.roster.equipped(needs(self.speed))[slot[last]] >= 0
        last = last[working[last] & expected]
        at_last = np.full(size, kernels.NEVER, np.int64)
        at_last[slot[last]] = time[last]
        there = offset[:, slot[last]].T > 0
        routes = np.where(there, points[:, slot[last], _ROUTE].T, -1).astype(np.int64)
        named = routes >= 0
        width = max(len(self._routes), 1)
        pairs = np.unique(slot[last].astype(np.int64).repeat(panes)[named.ravel()] * width + routes[named])
        bus, route = (pairs // width).astype(np.int32), pairs % width
        own = points[:, bus]
        own[own[:, :, _ROUTE] != route, _TRIP] = 0.0  # what the bus drove elsewhere is no step of this route
        way = np.empty((len(bus), 2))
        kernels.ways(np.arange(len(bus), dtype=np.int32), length, (newest[bus], offset[:, bus], own, power), way)
        fresh = at_last[bus] >= self.window.at - self.roster.stale[bus]
        return Ways(bus, route, way[:, 0].copy(), way[:, 1].copy(), at_last[bus], fresh)

    def _take_calls(self, batch: Batch, slot: Labels) -> None:
        routes, stops, trips = (self._names(batch, name) for name in (ROUTE, STOP, TRIP))
        for route in dict.fromkeys(routes):
            self._routes.setdefault(route, len(self._routes))
        rows = Rows(batch, slot, self.roster.areas(slot, batch.time))
        columns: dict[str, NDArray[Any]] = {}
        for row in self.indicators:
            if isinstance(row.value, Elapsed):
                for name in (row.value.start, row.value.end):
                    columns[name] = batch.columns[batch.stream.field_by_name[name].columns[0]]
            if row.stream == batch.stream.name and row.aggregation not in HEADWAYS:
                value, per, present = rows.evaluate(row.value, row.per)
                columns[row.id], columns[f"{row.id} per"] = np.where(present, value, np.nan), per
        stop, trip = _numbered(self._stops, routes, stops), _numbered(self._trips, routes, trips)
        self._calls.append(Calls(batch.time, slot.astype(np.int64), rows.area.astype(np.int64), stop, trip, columns))

    def _take_places(self, batch: Batch, slot: Labels) -> None:
        if self.speed is None or self.speed.stream != batch.stream.name:
            return
        names = self._names(batch, ROUTE)
        for route in dict.fromkeys(names):
            if route is not None:
                self._routes.setdefault(route, len(self._routes))
        numbers: dict[str | None, int] = {None: -1}
        numbers.update(self._routes)
        rows = Rows(batch, slot, self.roster.area[slot])
        value, _, present = rows.evaluate(self.speed.value, self.speed.per)
        where = batch.stream.field_by_name[self.speed.value.needs[0][0]].columns
        point = np.column_stack(
            [
                *(batch.columns[name] for name in where),
                trip_numbers(rows, self.speed),
                np.fromiter(map(numbers.__getitem__, names), np.float64, len(names)),
            ]
        )
        taken = (slot, batch.time, batch.seq, np.isfinite(value), point)
        self._places.append(tuple(column[present] for column in taken))

    def _no_columns(self) -> dict[str, NDArray[Any]]:
        elapsed = [row.value for row in self.indicators if isinstance(row.value, Elapsed)]
        fields = {name for value in elapsed for name in (value.start, value.end)}
        values = [name for row in self.indicators for name in (row.id, f"{row.id} per")]
        return {name: np.empty(0, np.int64) for name in fields} | {name: np.empty(0) for name in values}

    @staticmethod
    def _names(batch: Batch, field: str) -> list[Any]:
        names: list[Any] = batch.labels(batch.stream.field_by_name[field].columns[0])
        return names


def _numbered(known: dict[tuple[str, str], int], routes: list[str], names: list[str]) -> NDArray[np.int64]:
    """A number for each name of a route, new ones added."""
    pairs = list(zip(routes, names, strict=True))
    for pair in dict.fromkeys(pairs):
        known.setdefault(pair, len(known))
    return np.fromiter(map(known.__getitem__, pairs), np.int64, len(pairs))
