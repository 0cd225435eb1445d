"""Sampling around a policy, against what scoring itself says and against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.indicators import DOMAINS, INDICATORS
from processing.method import Domain, Indicator
from processing.scoring import COVERAGE, NO_DEVICES, OK, Values, combine, score
from processing.sensitivity import Inputs, Observed, Spread, composites, ranked, stability

SCORED = [i for i in INDICATORS if i.weight > 0]


def observed(seed: int, areas: int = 6, instants: int = 1, missing: float = 0.15) -> Observed:
    """Values around each indicator's goalposts, some of them missing, some without devices."""
    random = np.random.default_rng(seed)
    values, applies = {}, {}
    for row in SCORED:
        posts = [position for position, _ in row.goalposts]
        drawn = random.uniform(posts[0], posts[-1], (areas, instants))
        applies[row.id] = random.random((areas, instants)) >= missing / 2
        drawn[(random.random((areas, instants)) < missing) | ~applies[row.id]] = np.nan
        values[row.id] = drawn
    return Observed(tuple(f"a{i}" for i in range(areas)), values, applies)


def composite_by_scoring(seen: Observed) -> np.ndarray:
    """The composite as scoring makes it, one instant."""
    parts: dict[str, Values] = {}
    for row in SCORED:
        value = seen.values[row.id][:, 0]
        reason = np.where(np.isnan(value), COVERAGE, OK).astype(np.int8)
        reason[~seen.applies[row.id][:, 0]] = NO_DEVICES
        ones = np.ones(len(value))
        parts[row.id] = Values(value, score(value, row.goalposts), ones, ones, reason, ones)
    domains = []
    for domain in DOMAINS:
        rows = [row for row in SCORED if row.domain == domain.id]
        if rows:
            domains.append((domain.weight, combine([parts[r.id] for r in rows], [r.weight for r in rows])[0]))
    whole, _ = combine([index for _, index in domains], [weight for weight, _ in domains], geometric=True)
    return whole.score


@given(seed=st.integers(0, 2**32 - 1))
def test_the_sample_that_moves_nothing_is_what_scoring_says(seed: int) -> None:
    seen = observed(seed)
    inputs = Inputs(INDICATORS, DOMAINS, Spread())
    mine = composites(seen, inputs, inputs.shipped())[0]
    np.testing.assert_allclose(mine, composite_by_scoring(seen), rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_moved_goalposts_keep_their_order(seed: int) -> None:
    inputs = Inputs(INDICATORS, DOMAINS, Spread(goalposts=0.49))
    sample = np.random.default_rng(seed).random((50, inputs.width))
    for row in inputs.indicators:
        assert (np.diff(inputs.positions(sample, row), axis=1) > 0).all(), row.id


def test_without_spread_no_rank_moves() -> None:
    inputs = Inputs(INDICATORS, DOMAINS, Spread(0.0, 0.0, aggregation=False))
    outcome = stability(observed(3, missing=0), inputs, 50, np.random.default_rng(1))
    assert (outcome.ranks == outcome.rank).all()
    assert outcome.shift.max() == 0
    assert outcome.kendall.min() == outcome.spearman.min() == pytest.approx(1)


def test_an_area_that_is_worse_everywhere_is_last_in_every_sample() -> None:
    seen = observed(5, areas=5, missing=0)
    for row in SCORED:
        points = [points for _, points in row.goalposts]
        seen.values[row.id][4] = row.goalposts[int(np.argmin(points))][0] + (1 if points[0] > points[-1] else -1) * 1e9
    outcome = stability(seen, Inputs(INDICATORS, DOMAINS, Spread()), 300, np.random.default_rng(1))
    assert outcome.areas[-1] == "a4"
    assert (outcome.ranks[:, -1] == 5).all()
    assert outcome.among(1, best=False)[-1] == 1
    assert outcome.among(3, best=True)[-1] == 0


def _row(name: str, weight: float = 1.0) -> Indicator:
    model = SCORED[0]
    return Indicator(
        id=name, name_zh="", name_en="", unit="1", stream=model.stream, aggregation="latest_mean", value=model.value,
        source="", goalposts=((0.0, 0), (1.0, 100)), weight=weight,
    )  # fmt: skip


def test_the_group_that_alone_decides_has_the_whole_effect() -> None:
    """Two indicators that rank two areas in opposite ways: only their weights can turn the order."""
    rows = [_row("waste.one"), _row("waste.other", 0.8)]
    values = {"waste.one": np.array([[0.6], [0.4]]), "waste.other": np.array([[0.4], [0.6]])}
    flags = {name: np.ones((2, 1), bool) for name in values}
    inputs = Inputs(rows, [Domain("waste", "", "")], Spread(0.5, 0.0, aggregation=False))
    outcome = stability(Observed(("a", "b"), values, flags), inputs, 4000, np.random.default_rng(1))
    effects = {effect.group: effect for effect in outcome.effects}
    assert effects["weights within waste"].first == pytest.approx(1, abs=0.05)
    assert effects["weights within waste"].total == pytest.approx(1, abs=0.05)
    assert effects["goalposts of waste"].total == effects["weights of the domains"].total == 0
    turned = float((outcome.ranks[:, 0] == 2).mean())
    assert turned == pytest.approx(_share_turned(), abs=0.03)


def _share_turned() -> float:
    """P(0.8·u > v), u and v uniform in 0.5–1.5, by counting a fine grid."""
    grid = np.linspace(0.5, 1.5, 2001)
    return float((0.8 * grid[:, None] > grid[None]).mean())


@pytest.mark.parametrize(
    ("scores", "ranks"), [([3.0, 1, 2], [1, 3, 2]), ([5.0, 5, 1], [1.5, 1.5, 3]), ([np.nan, 2, 4], [np.nan, 2, 1])]
)
def test_ranks(scores: list[float], ranks: list[float]) -> None:
    np.testing.assert_array_equal(ranked(np.array([scores]))[0], ranks)


def test_the_same_seed_gives_the_same_outcome_and_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, seen = Inputs(INDICATORS, DOMAINS, Spread()), observed(9, areas=4, instants=3)
    first = stability(seen, inputs, 64, np.random.default_rng(4))
    monkeypatch.setattr("processing.sensitivity._VALUES_AT_ONCE", 60)
    second = stability(seen, inputs, 64, np.random.default_rng(4))
    np.testing.assert_array_equal(first.ranks, second.ranks)
    assert first.effects == second.effects


def test_one_area_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="1 areas have a composite"):
        stability(observed(1, areas=1, missing=0), Inputs(INDICATORS, DOMAINS, Spread()), 10, np.random.default_rng(1))


def test_a_spread_that_would_turn_goalposts_round_is_refused() -> None:
    with pytest.raises(ValueError, match=r"goalposts 0\.5, must be 0 to below 0\.5"):
        Inputs(INDICATORS, DOMAINS, Spread(goalposts=0.5))
