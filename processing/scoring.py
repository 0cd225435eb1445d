"""From values to scores and indices; pure arithmetic over arrays of areas.

score      piecewise linear through the indicator's goalposts, flat outside
domain     Σ w·s / Σ w over its indicators that have a score (weighted arithmetic mean)
composite  exp(Σ w·ln max(s, 1) / Σ w) over the domains that have a score (weighted geometric mean): a city cannot
           buy off a failing domain with a brilliant one (OECD/JRC Handbook 2008, ch. 6)

An index exists where at least 2/3 of the weight that applies in the area has a score. A part applies where it expects
devices that have something to measure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing.method import FLOOR, MINIMUM_COVERAGE, Goalposts

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Reasons = NDArray[np.int8]

REASONS: tuple[str | None, ...] = (
    None,
    "no_devices",
    "stale",
    "coverage",
    "no_readings",
    "not_applicable",
    "no_baseline",
    "restoring",
)
OK, NO_DEVICES, STALE, COVERAGE, NO_READINGS, NOT_APPLICABLE, NO_BASELINE, RESTORING = range(len(REASONS))
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Values:
    """An indicator or index in every area; NaN = no value."""

    value: Floats
    score: Floats
    coverage: Floats
    """reporting / expected, 0–1"""
    freshness: Floats
    """age in seconds of the newest reading behind it; of the oldest part, for an index; NaN = never heard"""
    reason: Reasons
    """index into REASONS"""
    base: Floats
    """denominator of a ratio of sums: the value of an area = Σ value·base / Σ base over its parts that have a value; 1
    for a plain sum; NaN where there is no value, and for one that is neither, such as an index"""

    @property
    def applies(self) -> NDArray[np.bool_]:
        """Where there are devices that have something to measure."""
        return _applies(self.reason)


@dataclass(frozen=True)
class Evidence:
    """What stands behind a value in every area."""

    expected: Counts
    """devices that should report"""
    fresh: Counts
    """of those, heard lately"""
    excused: Counts
    """of those, with nothing to measure for now"""
    reporting: Counts
    """fresh, with a value"""
    freshness: Floats
    idle: NDArray[np.bool_]
    """where the devices report and there is nothing of what is measured"""
    base: Floats
    """denominator of the value, NaN = none"""
    lacking: NDArray[np.bool_] | None = None
    """where there is nothing yet that the measurement could be compared with"""
    restoring: bool = False
    """the readings of the window are not all there yet"""


def score(value: Floats, goalposts: Goalposts) -> Floats:
    """Score 0–100 of values; NaN stays NaN."""
    if not goalposts:
        return np.full(len(value), np.nan)
    positions, scores = np.array(goalposts, np.float64).T
    result: Floats = np.interp(value, positions, scores)
    result[np.isnan(value)] = np.nan
    return result


def slope(goalposts: Goalposts) -> int:
    """1 where a higher value scores higher throughout, -1 where lower, 0 for a target band or no goalposts."""
    steps = np.diff([points for _, points in goalposts])
    if len(steps) == 0:
        return 0
    return 1 if (steps >= 0).all() else -1 if (steps <= 0).all() else 0


def judge(value: Floats, evidence: Evidence, goalposts: Goalposts, minimum_coverage: float) -> Values:
    """Withhold what too few devices stand behind, and score the rest."""
    applicable = evidence.expected - evidence.excused
    coverage = np.divide(evidence.reporting, applicable, out=np.zeros(len(value)), where=applicable > 0)
    reason = np.full(len(value), OK, np.int8)
    reason[np.isnan(value)] = NO_READINGS
    if evidence.lacking is not None:
        reason[evidence.lacking] = NO_BASELINE
    if evidence.restoring:
        reason[:] = RESTORING
    reason[evidence.idle] = NOT_APPLICABLE
    reason[coverage < minimum_coverage - _ROUNDING] = COVERAGE
    reason[applicable == 0] = NOT_APPLICABLE
    reason[evidence.fresh == 0] = STALE
    reason[evidence.expected == 0] = NO_DEVICES
    kept = np.where(reason == OK, value, np.nan)
    base = np.where(np.isnan(kept), np.nan, evidence.base)
    return Values(kept, score(kept, goalposts), coverage, evidence.freshness, reason, base)


def combine(parts: list[Values], weights: list[float], *, geometric: bool = False) -> tuple[Values, list[Floats]]:
    """Join indicators to a domain index, or domain indices to the composite.

    Returns the index and, for each part, the points it contributes; the points of an area add up to its score.
    """
    weight = np.array(weights)[:, None]
    scores = np.array([part.score for part in parts])
    reasons = np.array([part.reason for part in parts])
    applies = _applies(reasons) & (weight > 0)
    there = applies & ~np.isnan(scores)
    applicable = (weight * applies).sum(axis=0)
    available = (weight * there).sum(axis=0)
    enough = (available > 0) & (available >= MINIMUM_COVERAGE * applicable - _ROUNDING)
    share = np.divide(weight * there, available, out=np.zeros(scores.shape), where=available > 0)
    if geometric:
        logs = share * np.log(np.maximum(np.where(there, scores, FLOOR), FLOOR))
        index = np.exp(logs.sum(axis=0))
        points = _split(index, logs, share)
    else:
        weighted = np.where(there, weight * scores, 0.0)
        points = np.divide(weighted, available, out=np.zeros(scores.shape), where=available > 0)
        index = np.divide(weighted.sum(axis=0), available, out=np.zeros(len(available)), where=available > 0)
    index = np.where(enough, np.minimum(index, 100.0), np.nan)
    covered = (weight * applies * np.array([part.coverage for part in parts])).sum(axis=0)
    coverage = np.divide(covered, applicable, out=np.zeros(len(index)), where=applicable > 0)
    freshness = np.fmax.reduce(np.where(applies, np.array([part.freshness for part in parts]), np.nan))
    reason = _why(enough, applies, there, reasons)
    shares = [np.where(enough & there[i], points[i], np.nan) for i in range(len(parts))]
    return Values(index, index, coverage, freshness, reason, np.full(len(index), np.nan)), shares


def _split(index: Floats, logs: Floats, share: Floats) -> Floats:
    """Share a geometric mean out over its parts by their logarithms; by weight where all are at the floor."""
    total = logs.sum(axis=0)
    parts: Floats = np.where(total > 0, logs / np.where(total > 0, total, 1.0), share) * index
    return parts


def _applies(reasons: Reasons) -> NDArray[np.bool_]:
    applies: NDArray[np.bool_] = (reasons != NO_DEVICES) & (reasons != NOT_APPLICABLE)
    return applies


def _why(enough: NDArray[np.bool_], applies: NDArray[np.bool_], there: NDArray[np.bool_], reasons: Reasons) -> Reasons:
    """Why there is no index: the worst that all parts which apply have in common, else coverage."""
    none_there = ~enough & ~there.any(axis=0)
    reason = np.where(enough, OK, COVERAGE).astype(np.int8)
    reason[none_there & (~applies | (reasons == STALE) | (reasons == NO_READINGS)).all(axis=0)] = NO_READINGS
    reason[none_there & (~applies | (reasons == STALE)).all(axis=0)] = STALE
    nothing = ~applies.any(axis=0)
    reason[nothing] = NO_DEVICES
    reason[nothing & (reasons == NOT_APPLICABLE).any(axis=0)] = NOT_APPLICABLE
    return reason
