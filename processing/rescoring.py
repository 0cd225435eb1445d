"""Stored values seen through another policy, and how two lines over the same instants differ. Pure.

Weights and goalposts do not change what is measured: the stored values of the past, judged anew, give the very scores
that the engine would have given. Coverage is another matter (what was withheld is not stored), and so are windows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ingest.registry import Device
from processing.engine import Snapshot
from processing.past import Past
from processing.policy import Policy
from processing.scoring import NO_DEVICES, Values, combine, score

Lines = dict[str, Values]
"""each index over areas and instants, flat as in Past"""
_FIELDS = ("value", "score", "coverage", "freshness", "reason", "base")


@dataclass(frozen=True)
class Selection:
    """Devices that are in all of the sets that are given."""

    ids: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    areas: frozenset[str] | None = None

    def __contains__(self, device: Device) -> bool:
        return (
            (self.ids is None or device.id in self.ids)
            and (self.kinds is None or device.kind in self.kinds)
            and (self.areas is None or device.area in self.areas)
        )


@dataclass(frozen=True)
class Choice:
    """Which devices are there: those of ``only``, without those of ``exclude``."""

    only: Selection | None = None
    exclude: Selection | None = None

    def chosen(self, devices: Iterable[Device]) -> list[Device]:
        return [
            device
            for device in devices
            if (self.only is None or device in self.only) and (self.exclude is None or device not in self.exclude)
        ]


@dataclass(frozen=True)
class Difference:
    """How the second line differs from the first; means over the instants at which both know a number, NaN = none."""

    compared: int
    was: float
    would: float
    largest: float
    """the difference of the largest size, with its sign"""
    largest_at: int | None
    """place of the instant"""
    unknown_was: int
    unknown_would: int


def rescorable(old: Policy, new: Policy) -> bool:
    """Whether values made under ``old`` can be judged by ``new`` as they are stored."""

    def kept(policy: Policy) -> list[object]:
        return [replace(row, weight=0.0, goalposts=(), source="", note="") for row in policy.indicators]

    return kept(old) == kept(new)


def rescored(past: Past, policy: Policy) -> Lines:
    """Every index of the past under a policy of the same measures."""
    size = len(past.areas) * len(past.instants)
    blank = np.full(size, np.nan)
    nothing = Values(blank, blank, np.zeros(size), blank, np.full(size, NO_DEVICES, np.int8), np.ones(size))
    lines: Lines = {}
    for row in policy.indicators:
        values = past.indices.get(row.id, nothing)
        lines[row.id] = replace(values, score=score(values.value, row.goalposts))
    domains = []
    for domain in policy.domains:
        members = [row for row in policy.indicators if row.domain == domain.id]
        if members:
            lines[domain.id], _ = combine([lines[row.id] for row in members], [row.weight for row in members])
            domains.append(domain)
    weights = [domain.weight for domain in domains]
    lines["composite"], _ = combine([lines[domain.id] for domain in domains], weights, geometric=True)
    return lines


def gathered(snapshots: Iterable[tuple[int, Snapshot]], labels: NDArray[np.intp], instants: int) -> Lines:
    """The lines of some areas from snapshots, each with the place of its instant."""
    lines: Lines = {}
    for place, snapshot in snapshots:
        groups = {"composite": snapshot.composite, **snapshot.domains, **snapshot.indicators}
        for index, values in groups.items():
            if index not in lines:
                size = len(labels) * instants
                kinds = {name: getattr(values, name).dtype for name in _FIELDS}
                lines[index] = Values(**{name: np.zeros(size, kinds[name]) for name in _FIELDS})
            for name in _FIELDS:
                getattr(lines[index], name)[place::instants] = getattr(values, name)[labels]
    return lines


def difference(was: NDArray[np.float64], would: NDArray[np.float64]) -> Difference:
    """Of two lines over the same instants."""
    both = ~np.isnan(was) & ~np.isnan(would)
    unknown = int(np.isnan(was).sum()), int(np.isnan(would).sum())
    if not both.any():
        return Difference(0, np.nan, np.nan, np.nan, None, *unknown)
    change = np.where(both, would - was, 0.0)
    place = int(np.argmax(np.abs(change)))
    return Difference(
        int(both.sum()),
        float(was[both].mean()),
        float(would[both].mean()),
        float(change[place]),
        place,
        *unknown,
    )


def indices_of(policy: Policy, changed: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The composite, the domains, and the indicators that a change names, in the order of the table."""
    used = {row.domain for row in policy.indicators}
    named = changed.get("indicators", {})
    return [
        "composite",
        *(domain.id for domain in policy.domains if domain.id in used),
        *(row.id for row in policy.indicators if row.id in named),
    ]
