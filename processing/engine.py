"""Batches in, a snapshot out: the vital signs of every area at one instant. No clock, no I/O."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.contract import Kind
from ingest.batch import Batch
from ingest.refusals import is_refusal
from ingest.registry import Device, Devices, Places
from processing import kernels
from processing.expressions import Needs
from processing.heard import Heard, Newest
from processing.indicators import DOMAINS, INDICATORS
from processing.laggards import Laggard, worst_by_area
from processing.latest import LatestTracker
from processing.method import Domain, Indicator, check_table, kind_of, method_version, needs
from processing.roster import Placements, Roster
from processing.scoring import Evidence, Values, combine, judge, score, slope
from processing.sensing import SensingTracker
from processing.slots import Numbering, SlotTable
from processing.standing import Rows, Standing, rolled_up
from processing.trackers import folded_by, make_trackers
from processing.usual import Usual, deviation


@dataclass(frozen=True)
class Snapshot:
    """All vital signs at one instant; arrays are indexed by area label."""

    at: int
    """microseconds since 1970"""
    method_version: str
    indicators: dict[str, Values]
    domains: dict[str, Values]
    composite: Values
    domain_points: dict[str, dict[str, NDArray[np.float64]]]
    """points of each indicator in its domain"""
    composite_points: dict[str, NDArray[np.float64]]
    expected: dict[str, NDArray[np.int64]]
    """devices expected, by kind"""
    reporting: dict[str, NDArray[np.int64]]


class Engine:
    """The state of a city. Not thread-safe: processing's loop owns it."""

    def __init__(
        self,
        areas: Sequence[str],
        parents: NDArray[np.int32],
        kinds: dict[str, Kind],
        indicators: Sequence[Indicator] = INDICATORS,
        domains: Sequence[Domain] = DOMAINS,
        usual: Usual | None = None,
        restoring: Collection[str] = (),
    ) -> None:
        """``areas``: codes in label order; ``parents``: label of each area's parent, lower than its own, -1 at the top;
        ``usual``: the baselines that deviations are taken from, filled by whoever has a database; ``restoring``:
        indicators (by id) whose windows this engine never gets all the readings of: it says so, and measures nothing.

        Raises IndicatorError when a row of the table cannot be used.
        """
        check_table(indicators, domains)
        self._parents = np.ascontiguousarray(parents, np.int32)
        self.usual = usual or Usual(areas)
        self.adopt(indicators, domains)
        labels = {code: label for label, code in enumerate(areas)}
        table = SlotTable()
        self.rosters = {kind: Roster(declared, labels, Numbering(table)) for kind, declared in kinds.items()}
        self._heard = {kind: _heard_of(declared, len(areas)) for kind, declared in kinds.items()}
        self._room = dict.fromkeys(kinds, 0)
        self.restoring = frozenset(restoring)
        heard = {kind: heard for kind, heard in self._heard.items() if isinstance(heard, Newest)}
        self._trackers = make_trackers([i for i in indicators if i.id not in self.restoring], self._parents, heard)
        self._expected: dict[tuple[str, Needs], tuple[int, NDArray[np.int64]]] = {}

    def adopt(self, indicators: Sequence[Indicator], domains: Sequence[Domain]) -> None:
        """Judge by other weights, goalposts and minimum coverage from now on.

        What was folded in stays, so whatever else the table says must be as it was (``policy.same_measures``).
        """
        self.indicators = tuple(indicators)
        self.domains = tuple(d for d in domains if any(i.domain == d.id for i in indicators))
        self.method_version = method_version(indicators, domains)
        self._needs = {indicator.id: needs(indicator) for indicator in indicators}
        self._reach = 2 * max((indicator.window for indicator in indicators), default=0) * 1_000_000

    def follow(self, other: "Engine") -> None:
        """Begin with the devices of another engine of the same city, to be told of them later than that one, by the
        same thread; nothing may have been registered here yet."""
        self.rosters = {kind: roster.follower() for kind, roster in other.rosters.items()}

    def register(self, devices: Iterable[Device]) -> tuple[Placements, Placements]:
        """Take devices in; returns those that are new and those that changed what vital signs depend on."""
        return self.update(self.place(devices))

    def place(
        self, devices: Iterable[Device], places: Places | None = None, since: NDArray[np.int64] | None = None
    ) -> Placements:
        """Devices as this engine and those that follow one another with it take them; see ``Roster.place``.

        Those of a kind that is not declared are left out.
        """
        columns = Devices.of(devices)
        placed = {kind: roster.place(columns, places, since) for kind, roster in self.rosters.items()}
        return {kind: members for kind, members in placed.items() if len(members)}

    def update(self, placements: Placements) -> tuple[Placements, Placements]:
        """As ``register``."""
        new: Placements = {}
        changed: Placements = {}
        for kind, members in placements.items():
            roster = self.rosters[kind]
            added, altered = roster.update(members)
            if len(added):
                new[kind] = added
            if len(altered):
                changed[kind] = altered
                roster.moved.forget(int(altered.since.max()) - self._reach)
        return new, changed

    def withdraw(self, placements: Placements) -> None:
        """Take devices out that are not registered yet, before anything is folded; they count once they are heard."""
        for kind, members in placements.items():
            self.rosters[kind].withdraw(members)

    def expect(self, placements: Placements) -> None:
        """Count devices that are not registered yet once they are heard."""
        for kind, members in placements.items():
            self.rosters[kind].expect(members)

    def remember(self, device: Device, until: int) -> None:
        """Note where a device stood before an instant (µs), so that readings from then count there."""
        if device.kind in self.rosters:
            self.rosters[device.kind].remember(device, until)

    @property
    def _measured(self) -> list[Indicator]:
        return [indicator for indicator in self.indicators if indicator.id not in self.restoring]

    def _make_room(self, kind: str) -> None:
        """Let everything that goes by slot be as long as the roster, which another engine may have made longer."""
        capacity = self.rosters[kind].capacity
        if self._room[kind] != capacity:
            self._room[kind] = capacity
            self._heard[kind].grow(capacity)
            for indicator in self._measured:
                if kind_of(indicator) == kind:
                    self._trackers[indicator.id].grow(capacity)

    def fold(self, batch: Batch) -> None:
        """Take readings in; their order, within the batch and between batches, does not matter."""
        kind = batch.stream.kind
        roster = self.rosters[kind]
        if not len(roster):
            return
        self._make_room(kind)
        if not is_refusal(batch.stream):
            roster.welcome(batch.device)
        slot = roster.slots(batch.device)
        rows = Rows(batch, slot, roster.areas(slot, batch.time))
        measured = self._measured
        for indicator in measured:
            tracker = self._trackers[indicator.id]
            if isinstance(tracker, SensingTracker) and kind in indicator.observed:
                tracker.fold(rows)
        if is_refusal(batch.stream):
            return
        heard = self._heard[kind]
        if isinstance(heard, Newest):
            heard.take(slot, batch.time, batch.seq)
        else:
            heard.fold(slot, batch.time)
        looking = [row for row in measured if row.stream == batch.stream.name and not row.observed]
        own = (self._trackers[row.id] for row in looking)
        for folding in {id(f): f for f in map(folded_by, own)}.values():
            folding.fold(rows)

    def evaluate(self, at: int) -> Snapshot:
        """The vital signs at ``at`` (µs), from what was folded in; readings after ``at`` must not have been."""
        for kind in self.rosters:
            self._make_room(kind)
        indicators = {indicator.id: self._judge(indicator, at) for indicator in self.indicators}
        domains: dict[str, Values] = {}
        points: dict[str, dict[str, NDArray[np.float64]]] = {}
        for domain in self.domains:
            members = [i for i in self.indicators if i.domain == domain.id]
            domains[domain.id], shares = combine([indicators[i.id] for i in members], [i.weight for i in members])
            points[domain.id] = dict(zip((i.id for i in members), shares, strict=True))
        composite, shares = combine(list(domains.values()), [d.weight for d in self.domains], geometric=True)
        return Snapshot(
            at=at,
            method_version=self.method_version,
            indicators=indicators,
            domains=domains,
            composite=composite,
            domain_points=points,
            composite_points=dict(zip((d.id for d in self.domains), shares, strict=True)),
            expected={kind: self._expects(kind, ()) for kind in self.rosters},
            reporting={kind: self._reporting(kind, at) for kind in self.rosters},
        )

    def worst(self, at: int, most: int = 3) -> dict[str, dict[int, list[Laggard]]]:
        """The devices that pull an indicator down most, by indicator and area label.

        Only indicators of newest readings whose score rises or falls throughout have such devices.
        """
        found: dict[str, dict[int, list[Laggard]]] = {}
        for kind in self.rosters:
            self._make_room(kind)
        for indicator in self._measured:
            tracker = self._trackers[indicator.id]
            direction = slope(indicator.goalposts)
            if not isinstance(tracker, LatestTracker) or direction == 0:
                continue
            roster = self.rosters[kind_of(indicator)]
            value = tracker.values(len(roster))
            area = tracker.areas_of_fresh(at, self._standing(indicator, at))
            lowest = np.empty((len(self._parents), most), np.int64)
            kernels.lowest_ranks(area, value, float(direction), lowest)
            kernels.roll_up_lowest(self._parents, value, float(direction), lowest)
            there = lowest >= 0
            lowest[there] = np.where(score(value[lowest[there]], indicator.goalposts) < 100, lowest[there], -1)
            found[indicator.id] = worst_by_area(lowest, value, roster.ids)
        return found

    def _standing(self, indicator: Indicator, at: int) -> Standing:
        kind = kind_of(indicator)
        return Standing(self.rosters[kind], self._needs[indicator.id], self._heard[kind], at)

    def _expects(self, kind: str, equipment: Needs) -> NDArray[np.int64]:
        """How many devices with this equipment are expected in each area."""
        roster, known = self.rosters[kind], self._expected.get((kind, equipment))
        if known is None or known[0] != roster.changes:
            known = self._expected[kind, equipment] = roster.changes, roster.expected(equipment, self._parents)
        return known[1]

    def _reporting(self, kind: str, at: int) -> NDArray[np.int64]:
        heard = self._heard[kind]
        watch = heard.watch(self.rosters[kind], ())
        watch.advance(heard.newest, at)
        return rolled_up(watch.counts["fresh"], self._parents)

    def _judge(self, indicator: Indicator, at: int) -> Values:
        if indicator.id in self.restoring:
            return self._withheld(indicator, at)
        tracker = self._trackers[indicator.id]
        if isinstance(tracker, SensingTracker):
            standings = [Standing(self.rosters[kind], (), self._heard[kind], at) for kind in indicator.observed]
            measured = tracker.measure_kinds(at, standings)
            expected = sum(self._expects(kind, ()) for kind in indicator.observed)
        else:
            measured = tracker.measure(at, self._standing(indicator, at))
            expected = self._expects(kind_of(indicator), self._needs[indicator.id])
        if indicator.baseline_of:
            measured = deviation(measured, self.usual.at(indicator.baseline_of, at))
        partials = measured.partials
        newest = partials["newest"]
        evidence = Evidence(
            expected=np.asarray(expected),
            fresh=partials["fresh"] if indicator.aggregation != "devices_heard" else np.asarray(expected),
            excused=partials["excused"],
            reporting=partials["reporting"],
            freshness=np.where(newest > kernels.NEVER, (at - newest) / 1e6, np.nan),
            idle=measured.idle,
            base=measured.base,
            lacking=measured.lacking,
        )
        return judge(measured.value, evidence, indicator.goalposts, indicator.minimum_coverage)

    def _withheld(self, indicator: Indicator, at: int) -> Values:
        """No value for want of a whole window; coverage and freshness are those of devices heard on any stream."""
        heard = kernels.empty_partials(len(self._parents))
        expected = np.zeros(len(self._parents), np.int64)
        for kind in indicator.observed or (kind_of(indicator),):
            equipment = () if indicator.observed else self._needs[indicator.id]
            one = kernels.empty_partials(len(self._parents))
            Standing(self.rosters[kind], equipment, self._heard[kind], at).alive(one)
            kernels.roll_up(self._parents, one)
            expected += self._expects(kind, equipment)
            heard["fresh"] += one["fresh"]
            heard["newest"] = np.maximum(heard["newest"], one["newest"])
        nothing = np.full(len(expected), np.nan)
        evidence = Evidence(
            expected=expected,
            fresh=heard["fresh"],
            excused=np.zeros_like(expected),
            reporting=heard["fresh"],
            freshness=np.where(heard["newest"] > kernels.NEVER, (at - heard["newest"]) / 1e6, np.nan),
            idle=np.zeros(len(expected), np.bool_),
            base=nothing,
            restoring=True,
        )
        return judge(nothing, evidence, indicator.goalposts, indicator.minimum_coverage)


def _heard_of(kind: Kind, areas: int) -> Heard | Newest:
    """When devices were heard on any stream; where there is but one, that can be shared with who looks at it."""
    return Newest(areas) if len(kind.streams) == 1 else Heard(areas)
