"""What would have been said of a past span under another policy, or with other devices, by the same engine."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
from numpy.typing import NDArray

from devices.city import City
from devices.kinds import kinds
from ingest.device_store import load_devices
from ingest.registry import Device, Devices, Places
from processing.engine import Engine, Snapshot
from processing.method import baselines_of, kind_of
from processing.past import Past, full_minutes, newest_final, read_past
from processing.policy import SHIPPED, Policy, changed
from processing.policy_store import Recorded, load_changes
from processing.recompute import recompute
from processing.rescoring import Choice, Lines, gathered, rescorable, rescored
from processing.roster import Placements
from processing.trackers import stream_windows
from processing.usual import Usual

LONGEST_WITH_READINGS = 86_400_000_000
"""µs between the first and the last instant"""


@dataclass(frozen=True)
class Question:
    """Areas by code; instants in µs since 1970; ``tables`` are ``domains`` and ``indicators`` as in a policy file."""

    areas: tuple[str, ...]
    first: int
    last: int
    step: int
    tables: Mapping[str, Mapping[str, Any]]
    choice: Choice | None = None


@dataclass(frozen=True)
class Answer:
    """Both lines; ``would`` is laid out like ``past``."""

    past: Past
    would: Lines
    base: Policy
    policy: Policy
    basis: Literal["vitals", "readings"]
    devices: int
    """devices that count"""
    all_devices: int


class NothingFinalError(Exception):
    """No final vital signs are stored in the span."""


class SpanTooLongError(Exception):
    """The span needs readings and is longer than LONGEST_WITH_READINGS."""


class ReadingsGoneError(Exception):
    """The span needs readings that are no longer kept; ``whole_from`` (µs): from when on they are."""

    def __init__(self, whole_from: int) -> None:
        super().__init__(whole_from)
        self.whole_from = whole_from


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


def what_if(
    connection: psycopg.Connection,
    city: City,
    question: Question,
    stopped: Callable[[], bool],
    kept: Callable[[int], int | None],
) -> Answer:
    """Both lines of a question, from stored vital signs where that gives the same, else from stored readings.

    ``kept`` tells from which instant (µs) on minutes that look back so far (µs) can be made from readings; None = all.
    Raises PolicyError for changes that cannot be used, NothingFinalError, SpanTooLongError, ReadingsGoneError, and
    StoppedError soon after ``stopped`` has become true.
    """
    newest = newest_final(connection, question.last)
    instants = full_minutes(question.first, -1 if newest is None else newest, question.step)
    if not instants:
        raise NothingFinalError
    record = load_changes(connection)
    base = _in_force(record, instants[-1])
    policy = changed(base, question.tables)
    past = read_past(connection, city, question.areas, instants)
    if stopped():
        raise StoppedError
    devices = load_devices(connection)
    chosen = question.choice.chosen(devices) if question.choice else devices
    policies = {version: known for _, version, known in record} | {SHIPPED.version: SHIPPED}
    used = [policies.get(version) for version in past.versions]
    if question.choice is None and all(known is not None and rescorable(known, policy) for known in used):
        return Answer(past, rescored(past, policy), base, policy, "vitals", len(chosen), len(devices))
    if instants[-1] - instants[0] > LONGEST_WITH_READINGS:
        raise SpanTooLongError
    whole_from = kept(max(stream_windows(policy.indicators).values(), default=0) * 1_000_000)
    if whole_from is not None and instants[0] < whole_from:
        raise ReadingsGoneError(whole_from)
    labels = np.array([city.index[code] for code in question.areas], np.intp)
    keys = frozenset(device.key for device in chosen)
    usual = _UsualOfAll(city, [device for device in devices if device.key not in keys], policy)

    def new_engine() -> Engine:
        return _Part([area.code for area in city.areas], city.parents, policy, keys, usual)

    with closing(recompute(connection, new_engine, instants[0], instants[-1])) as snapshots:
        would = gathered(_wanted(snapshots, instants, stopped), labels, len(instants))
    return Answer(past, would, base, policy, "readings", len(chosen), len(devices))


class _Part(Engine):
    """An engine to which only some devices exist."""

    def __init__(self, areas: Sequence[str], parents: Any, policy: Policy, keys: frozenset[int], usual: Usual) -> None:
        self._keys = np.array(list(keys), np.int32)
        super().__init__(areas, parents, kinds(), policy.indicators, policy.domains, usual)

    def place(
        self, devices: Iterable[Device], places: Places | None = None, since: NDArray[np.int64] | None = None
    ) -> Placements:
        columns = Devices.of(devices)
        mine = np.flatnonzero(np.isin(columns.keys, self._keys))
        return super().place(columns, mine if places is None else np.intersect1d(mine, places), since)


class _UsualOfAll(Usual):
    """What is usual where all devices count: what a part of a fleet usually does was never measured."""

    def __init__(self, city: City, missing: Iterable[Device], policy: Policy) -> None:
        super().__init__([area.code for area in city.areas], city.timezone)
        known = baselines_of(policy.indicators)
        kind_of_index = {row.id: kind_of(row) for row in policy.indicators if row.id in known}
        self._partly = {index: np.zeros(len(self.areas), np.bool_) for index in kind_of_index}
        lacking = {(d.kind, d.area) for d in missing if d.area in city and d.attributes.get("retired") is not True}
        for index, kind in kind_of_index.items():
            for label in (city.index[area] for of, area in lacking if of == kind):
                above = label
                while above >= 0:
                    self._partly[index][above] = True
                    above = int(city.parents[above])

    def at(self, index: str, micros: int) -> NDArray[np.float64]:
        return np.where(self._partly[index], np.nan, super().at(index, micros))


def _wanted(
    snapshots: Iterator[Snapshot], instants: Sequence[int], stopped: Callable[[], bool]
) -> Iterator[tuple[int, Snapshot]]:
    places = {instant: place for place, instant in enumerate(instants)}
    for snapshot in snapshots:
        if stopped():
            raise StoppedError
        if snapshot.at in places:
            yield places[snapshot.at], snapshot


def _in_force(record: Sequence[Recorded], instant: int) -> Policy:
    """The policy at an instant; the shipped one where none is on record or it cannot be made any more."""
    policy: Policy | None = None
    for number, (at, _, made) in enumerate(record):
        if at <= instant or number == 0:
            policy = made
    return policy or SHIPPED
