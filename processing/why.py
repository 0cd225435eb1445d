"""Why a score is what it is, and why it changed: parts that add up to it. Pure.

Now. Composite and domains: the points of ``scoring.combine``, a domain's shared out over its indicators as it is made
of them. An indicator that is a ratio of sums, v = Σ v_j·b_j / Σ b_j over its sub-areas j:

    points_j = b_j/b · (s + g·(v_j − v))        g: slope of the goalposts at v; the second part sums to 0

Since. With W for the shares of weight, L(x, y) = (x − y)/ln(x/y) the logarithmic mean, ā the mean of before and after,
and c the logarithm (composite) or the score (domain) that the whole had in the mean:

    composite   C₁ − C₀ = L·Σ (W̄·Δa + ΔW·(ā − c)),  a = ln max(s, 1)    (LMDI-I: B. W. Ang, Energy Policy 33, 2005)
    domain      s₁ − s₀ = Σ (w̄·Δs + Δw·(s̄ − c))
    indicator   g₁(v₁) − g₀(v₀) = [g₁(v₁) − g₁(v₀)] + [g₁(v₀) − g₀(v₀)]: what was measured, and the goalposts

A part that has a score on one side only appears or vanishes with the whole of its term. ``ΔW·c`` sums to 0 and leaves
a weight that moves to a part as good as the whole without effect.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from processing.method import Goalposts
from processing.scoring import NO_DEVICES, REASONS, Values, combine, score

COMPOSITE = "composite"
Kind = Literal["measured", "weight", "goalposts", "appeared", "vanished", "unexplained"]
EXACT = 1e-9


@dataclass(frozen=True)
class Judged:
    """What is said of an index in an area."""

    value: float | None
    score: float | None
    coverage: float
    freshness: float | None
    reason: str | None
    base: float | None = None


@dataclass(frozen=True)
class Terms:
    """The numbers of a policy that scores are made with."""

    weights: Mapping[str, float]
    """of domains and indicators"""
    goalposts: Mapping[str, Goalposts]

    @classmethod
    def of(cls, tables: Mapping[str, Mapping[str, Any]]) -> "Terms":
        """From the tables of a whole policy (``policy.read_tables``)."""
        weights = {name: float(row["weight"]) for rows in tables.values() for name, row in rows.items()}
        posts = {name: tuple((v, s) for v, s in row["goalposts"]) for name, row in tables["indicators"].items()}
        return cls(weights, posts)

    def members(self, domain: str) -> list[str]:
        """The indicators of a domain."""
        return [name for name in self.goalposts if name.split(".", 1)[0] == domain]

    @property
    def domains(self) -> list[str]:
        """Ids of the domains."""
        return [name for name in self.weights if name not in self.goalposts]


@dataclass(frozen=True)
class Picture:
    """All that is said at one moment of an area and of the areas right below it."""

    area: str
    areas: Mapping[str, Mapping[str, Judged]]
    """indices by area, its own among them"""
    terms: Terms

    def judged(self, index: str, area: str | None = None) -> Judged:
        """What is said of an index in the area or in one below."""
        return self.areas.get(area or self.area, {}).get(index, _NOTHING)

    @property
    def parts(self) -> list[str]:
        """The areas right below."""
        return [area for area in self.areas if area != self.area]


@dataclass(frozen=True)
class Part:
    """A part of a score; the points of all parts add up to it."""

    id: str
    points: float
    weight: float | None = None
    score: float | None = None
    value: float | None = None
    share: float | None = None
    """of the weight, or of the base"""
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Effect:
    """A part of a change; the points of all effects add up to it. ``area`` None: of no one sub-area."""

    id: str
    kind: Kind
    points: float
    area: str | None = None


_NOTHING = Judged(None, None, 0.0, None, "no_devices")
REST = "rest"
"""what belongs to no sub-area with a value of its own: those under minimum coverage, devices of the area itself"""


def contributions(picture: Picture, index: str) -> list[Part]:
    """The parts of a score, empty where there is none."""
    whole = picture.judged(index).score
    if whole is None:
        return []
    if index in picture.terms.goalposts:
        return _closed(_by_area(picture, index), whole)
    if index != COMPOSITE:
        return _closed(_combined(picture, picture.terms.members(index)), whole)
    found = []
    for part in _combined(picture, picture.terms.domains, geometric=True):
        inner = contributions(picture, part.id)
        scaled = [replace(one, points=part.points * _proportion(one, part.score)) for one in inner]
        found.append(replace(part, parts=tuple(_closed(scaled, part.points))))
    return _closed(found, whole)


def _proportion(one: Part, whole: float | None) -> float:
    """What of a domain's points in the composite is an indicator's: as of its score; as of its weight where that is 0,
    which the composite counts as 1."""
    return one.points / whole if whole else one.share or 0.0


def _combined(picture: Picture, names: Sequence[str], *, geometric: bool = False) -> list[Part]:
    parts = [_values(picture.judged(name)) for name in names]
    weights = [picture.terms.weights[name] for name in names]
    if not parts:
        return []
    _, points = combine(parts, weights, geometric=geometric)
    there = [i for i in range(len(names)) if not math.isnan(points[i][0])]
    total = sum(weights[i] for i in there)
    return [
        Part(names[i], float(points[i][0]), weights[i], picture.judged(names[i]).score, share=weights[i] / total)
        for i in there
        if weights[i]
    ]


def _by_area(picture: Picture, index: str) -> list[Part]:
    """An indicator by its sub-areas; by itself where it is no ratio of sums, or has none."""
    whole, posts = picture.judged(index), picture.terms.goalposts[index]
    assert whole.score is not None
    split = split_by_area(picture, index)
    if not split or whole.value is None:
        return [Part(picture.area, whole.score, score=whole.score, value=whole.value, share=1.0)]
    steep = slope_at(posts, whole.value)
    return [
        Part(area, share * (whole.score + steep * (value - whole.value)), None, own, value, share)
        for area, value, share, own in split
    ]


def split_by_area(picture: Picture, index: str) -> list[tuple[str, float, float, float | None]]:
    """(sub-area, value, share of the base, score); the shares add up to 1, and share · value to the value."""
    whole = picture.judged(index)
    if not whole.base or whole.value is None:
        return []
    found = []
    for area in picture.parts:
        part = picture.judged(index, area)
        if part.base and part.value is not None:
            found.append((area, part.value, part.base / whole.base, part.score))
    if not found:
        return []
    left = 1.0 - math.fsum(share for _, _, share, _ in found)
    missing = whole.value - math.fsum(share * value for _, value, share, _ in found)
    if abs(left) <= EXACT:
        # a plain sum, or a value that is no mean of its parts: shares alone cannot tell it apart
        return found if abs(missing) <= EXACT * max(1.0, abs(whole.value)) else []
    if left < 0:
        return []
    return [*found, (REST, missing / left, left, None)]


def slope_at(goalposts: Goalposts, value: float) -> float:
    """Points a unit of the value brings; at a goalpost the mean of both sides, outside 0."""

    def side(towards: Literal[-1, 1]) -> float:
        for (low, below), (high, above) in itertools.pairwise(goalposts):
            if low < value < high or (value == low and towards == 1) or (value == high and towards == -1):
                return (above - below) / (high - low)
        return 0.0

    return (side(-1) + side(1)) / 2


def _closed(parts: list[Part], whole: float) -> list[Part]:
    """The parts with what rounding leaves; a larger rest is a part of its own, for it was made by other rules."""
    left = whole - math.fsum(part.points for part in parts)
    if not parts or abs(left) > 1e-6:
        return [*parts, Part("unexplained", left)]
    largest = max(range(len(parts)), key=lambda i: abs(parts[i].points))
    return [replace(p, points=p.points + left) if i == largest else p for i, p in enumerate(parts)]


def _values(judged: Judged) -> Values:
    def one(number: float | None) -> Any:
        return np.array([math.nan if number is None else number])

    code = np.array([REASONS.index(judged.reason) if judged.reason in REASONS else NO_DEVICES], np.int8)
    coverage = np.array([judged.coverage])
    return Values(one(judged.value), one(judged.score), coverage, one(judged.freshness), code, one(judged.base))


def judged_score(value: float, goalposts: Goalposts) -> float:
    """Score of one value."""
    return float(score(np.array([value]), goalposts)[0])
