"""How far ranks depend on the numbers of a policy: Monte Carlo over weights, goalposts and aggregation; pure.

After the OECD/JRC Handbook on Constructing Composite Indicators (2008), ch. 7.
Uncertain inputs, each uniform and independent of the others:

weight of an indicator or domain    w · (1 + s·(2u − 1)), s = ``Spread.weights``
position of a goalpost              p + s·(2u − 1) · distance to the nearer neighbour, s = ``Spread.goalposts``; below
                                    0.5 the posts keep their order, and so the score its direction
aggregation of the domains          geometric for u < 0.5, else arithmetic, where ``Spread.aggregation``

Output of a sample: the rank of each area, 1 = best. How much an input moves the ranks is told for the mean absolute
shift of rank R = 1/A · Σ |rank − rank shipped|, by the first-order and total effect of each group of inputs:

S  = (1/N Σ f(B)·(f(A_B) − f(A))) / V        A_B: the sample A with the group's inputs taken from the sample B
ST = (1/2N Σ (f(A) − f(A_B))²) / V           (Saltelli et al. 2010, Computer Physics Communications 181, table 2)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing.method import FLOOR, MINIMUM_COVERAGE, Domain, Indicator

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_ROUNDING = 1e-9
_VALUES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Spread:
    """Half widths of the uniform distributions, as shares."""

    weights: float = 0.5
    goalposts: float = 0.2
    aggregation: bool = True


@dataclass(frozen=True)
class Observed:
    """Values of each indicator by area and instant, shape (areas, instants), NaN = none."""

    areas: tuple[str, ...]
    values: Mapping[str, Floats]
    applies: Mapping[str, Flags]
    """where the indicator is expected to say something"""


@dataclass(frozen=True)
class Effect:
    """What a group of inputs does to the mean shift of rank: share of its variance alone, and with all others."""

    group: str
    first: float
    total: float


@dataclass(frozen=True)
class Stability:
    """The outcome; arrays have one entry an area (``areas``, best first) or one a sample."""

    areas: tuple[str, ...]
    score: Floats
    rank: Floats
    """as shipped"""
    ranks: Floats
    """shape (samples, areas)"""
    shift: Floats
    """mean absolute shift of rank of each sample"""
    spearman: Floats
    kendall: Floats
    effects: tuple[Effect, ...]

    def interval(self) -> Floats:
        """5 %, median and 95 % of each area's rank, shape (3, areas)."""
        result: Floats = np.nanquantile(self.ranks, (0.05, 0.5, 0.95), axis=0)
        return result

    def among(self, places: int, *, best: bool) -> Floats:
        """Share of samples in which an area is among the best or the worst ``places``."""
        last = np.nanmax(self.ranks, axis=1, keepdims=True)
        there = self.ranks <= places if best else self.ranks > last - places
        result: Floats = there.mean(axis=0)
        return result


class Inputs:
    """Which column of a sample moves what; a sample is a row of numbers 0–1."""

    def __init__(self, indicators: Sequence[Indicator], domains: Sequence[Domain], spread: Spread) -> None:
        if not (0 <= spread.weights < 1 and 0 <= spread.goalposts < 0.5):
            raise ValueError(
                f"spread of weights is {spread.weights:g}, must be 0 to below 1; "
                f"of goalposts {spread.goalposts:g}, must be 0 to below 0.5"
            )
        self.domains = tuple(d for d in domains if d.weight > 0)
        counted = {d.id for d in self.domains}
        self.indicators = tuple(i for i in indicators if i.weight > 0 and i.domain in counted)
        self.spread = spread
        self.groups: dict[str, list[int]] = {}
        self._column: dict[tuple[str, str], slice] = {}
        self.width = 0
        for domain in self.domains:
            self._take("weights of the domains", ("weight", domain.id), 1)
        for indicator in self.indicators:
            self._take(f"weights within {indicator.domain}", ("weight", indicator.id), 1)
            self._take(f"goalposts of {indicator.domain}", ("posts", indicator.id), len(indicator.goalposts))
        self._take("aggregation of the domains", ("aggregation", ""), 1)

    def _take(self, group: str, what: tuple[str, str], count: int) -> None:
        self._column[what] = slice(self.width, self.width + count)
        self.groups.setdefault(group, []).extend(range(self.width, self.width + count))
        self.width += count

    def weights(self, sample: Floats, parts: Sequence[Indicator] | Sequence[Domain]) -> Floats:
        """Weights of indicators or domains, shape (parts, samples)."""
        return np.array([p.weight * self._factor(sample, ("weight", p.id), self.spread.weights)[:, 0] for p in parts])

    def positions(self, sample: Floats, indicator: Indicator) -> Floats:
        """Positions of an indicator's goalposts, shape (samples, posts)."""
        posts = np.array([position for position, _ in indicator.goalposts])
        gaps = np.diff(posts)
        nearer = np.minimum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0])) if len(gaps) else np.zeros(1)
        return posts + nearer * (self._factor(sample, ("posts", indicator.id), self.spread.goalposts) - 1)

    def geometric(self, sample: Floats) -> Flags:
        """Whether the domains are joined by the geometric mean, of each sample."""
        if not self.spread.aggregation:
            return np.ones(len(sample), bool)
        chosen: Flags = sample[:, self._column["aggregation", ""]][:, 0] < 0.5
        return chosen

    def _factor(self, sample: Floats, what: tuple[str, str], spread: float) -> Floats:
        factor: Floats = 1 + spread * (2 * sample[:, self._column[what]] - 1)
        return factor

    def shipped(self) -> Floats:
        """The one sample that moves nothing."""
        sample = np.full((1, self.width), 0.5)
        sample[:, self._column["aggregation", ""]] = 0.0
        return sample


def stability(
    observed: Observed, inputs: Inputs, samples: int, generator: np.random.Generator, *, effects: bool = True
) -> Stability:
    """Ranks of the areas in ``samples`` policies around the given one.

    Areas without a composite under the given policy take no part. Raises ValueError when fewer than two have one.
    """
    shipped = composites(observed, inputs, inputs.shipped())[0]
    kept = np.flatnonzero(~np.isnan(shipped))
    if len(kept) < 2:
        raise ValueError(f"{len(kept)} areas have a composite, must be at least 2 to be ranked")
    order = kept[np.argsort(-shipped[kept], kind="stable")]
    observed = Observed(
        tuple(observed.areas[i] for i in order),
        {name: values[order] for name, values in observed.values.items()},
        {name: flags[order] for name, flags in observed.applies.items()},
    )
    score = shipped[order]
    rank = ranked(score[None])[0]
    first, second = generator.random((2, samples, inputs.width))
    scores = composites(observed, inputs, first)
    ranks = ranked(scores)
    found: tuple[Effect, ...] = ()
    if effects:
        found = _effects(observed, inputs, rank, (first, second), _shift(ranks, rank))
    return Stability(
        areas=observed.areas,
        score=score,
        rank=rank,
        ranks=ranks,
        shift=_shift(ranks, rank),
        spearman=_correlation(ranks, rank),
        kendall=_concordance(scores, score),
        effects=found,
    )


def composites(observed: Observed, inputs: Inputs, sample: Floats) -> Floats:
    """Composite of each area, its mean over the instants, shape (samples, areas)."""
    instants = max((values.shape[1] for values in observed.values.values()), default=1)
    portion = max(1, _VALUES_AT_ONCE // max(1, len(observed.areas) * instants))
    parts = [_composites(observed, inputs, sample[i : i + portion]) for i in range(0, len(sample), portion)]
    return np.concatenate(parts)


def _composites(observed: Observed, inputs: Inputs, sample: Floats) -> Floats:
    domains, applies = [], []
    for domain in inputs.domains:
        members = [i for i in inputs.indicators if i.domain == domain.id and i.id in observed.values]
        if not members:
            continue
        scores = [_scores(observed.values[i.id], inputs.positions(sample, i), i) for i in members]
        index = _mean(scores, [observed.applies[i.id] for i in members], inputs.weights(sample, members))
        domains.append((domain, index))
        applies.append(np.logical_or.reduce([observed.applies[i.id] for i in members]))
    if not domains:
        return np.full((len(sample), len(observed.areas)), np.nan)
    indices, weights = [index for _, index in domains], inputs.weights(sample, [domain for domain, _ in domains])
    floored = [np.log(np.maximum(index, FLOOR)) for index in indices]
    geometric = np.exp(_mean(floored, applies, weights))
    composite = np.where(inputs.geometric(sample)[:, None, None], geometric, _mean(indices, applies, weights))
    with np.errstate(invalid="ignore"):
        there = ~np.isnan(composite)
        total = np.where(there, composite, 0.0).sum(axis=2)
        mean: Floats = np.where(there.any(axis=2), total / there.sum(axis=2), np.nan)
    return mean


def _scores(values: Floats, positions: Floats, indicator: Indicator) -> Floats:
    """Scores through moved goalposts, shape (samples, areas, instants)."""
    points = [score for _, score in indicator.goalposts]
    result = np.where(np.isnan(values), np.nan, points[0]) + np.zeros((len(positions), 1, 1))
    for left in range(len(points) - 1):
        start, end = positions[:, left, None, None], positions[:, left + 1, None, None]
        result += (points[left + 1] - points[left]) * np.clip((values - start) / (end - start), 0, 1)
    return result


def _mean(parts: Sequence[Floats], applies: Sequence[Flags], weights: Floats) -> Floats:
    """Weighted mean of the parts that have a score, where they hold 2/3 of the weight that applies."""
    shape = parts[0].shape
    total, available, applicable = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for part, there, weight in zip(parts, applies, weights, strict=True):
        own = weight[:, None, None]
        known = ~np.isnan(part) & there
        total += own * np.where(known, part, 0.0)
        available += own * known
        applicable += own * there
    enough = (available > 0) & (available >= MINIMUM_COVERAGE * applicable - _ROUNDING)
    mean: Floats = np.divide(total, available, out=np.full(shape, np.nan), where=enough)
    return mean


def ranked(scores: Floats) -> Floats:
    """Ranks within each row, 1 = highest score, equal ones share the mean of their places; NaN stays NaN."""
    known = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):
        above = (scores[:, None, :] > scores[:, :, None]).sum(axis=2)
        equal = (scores[:, None, :] == scores[:, :, None]).sum(axis=2)
    return np.where(known, above + (equal + 1) / 2, np.nan)


def _shift(ranks: Floats, rank: Floats) -> Floats:
    result: Floats = np.nanmean(np.abs(ranks - rank), axis=1)
    return result


def _correlation(ranks: Floats, rank: Floats) -> Floats:
    """Spearman's coefficient of each row with ``rank``."""
    known = ~np.isnan(ranks)
    count = known.sum(axis=1)
    one, other = np.where(known, ranks, 0.0), np.where(known, rank, 0.0)
    one = np.where(known, one - (one.sum(axis=1) / count)[:, None], 0.0)
    other = np.where(known, other - (other.sum(axis=1) / count)[:, None], 0.0)
    scale = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    result: Floats = np.divide((one * other).sum(axis=1), scale, out=np.full(len(ranks), np.nan), where=scale > 0)
    return result


def _concordance(scores: Floats, score: Floats) -> Floats:
    """Kendall's coefficient: pairs in the same order less pairs in the other, of all pairs that are known."""
    left, right = np.triu_indices(len(score), 1)
    pairs = np.sign(scores[:, left] - scores[:, right]) * np.sign(score[left] - score[right])
    result: Floats = np.nanmean(pairs, axis=1)
    return result


def _effects(
    observed: Observed, inputs: Inputs, rank: Floats, samples: tuple[Floats, Floats], base: Floats
) -> tuple[Effect, ...]:
    first, second = samples
    other = _shift(ranked(composites(observed, inputs, second)), rank)
    variance = float(np.var(np.concatenate((base, other))))
    found = []
    for group, columns in inputs.groups.items():
        if group.startswith("aggregation") and not inputs.spread.aggregation:
            continue
        mixed = first.copy()
        mixed[:, columns] = second[:, columns]
        moved = _shift(ranked(composites(observed, inputs, mixed)), rank)
        alone = float(np.mean((other - other.mean()) * (moved - base))) / variance if variance else 0.0
        total = float(np.mean((base - moved) ** 2)) / 2 / variance if variance else 0.0
        found.append(Effect(group, alone, total))
    return tuple(sorted(found, key=lambda effect: -effect.total))
