"""Whatever the city is like, the parts of a score add up to it, and those of a change to the change."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processing_material import AREAS, MINUTE, NOW, PARENTS, batch, engine, observed
from random_city import DEVICES, living

from processing.engine import Snapshot
from processing.method import Goalposts
from processing.policy import SHIPPED, Policy, parse, read_tables, write
from processing.pull import pulls
from processing.scoring import REASONS
from processing.why import COMPOSITE, Judged, Part, Picture, Terms, contributions, slope_at
from processing.why_since import effects

OTHER = parse(
    "[domains.parking]\nweight = 2.5\n[domains.energy]\nweight = 0\n"
    "[indicators.parking.kerb_occupancy]\nweight = 1\ngoalposts = [[0, 10], [0.5, 90], [1, 30]]\n"
    "[indicators.waste.overflow_share]\nminimum_coverage = 0.2\n"
)


def pictured(snapshot: Snapshot, policy: Policy, label: int) -> Picture:
    """As the API makes it of stored rows."""
    groups = [(COMPOSITE, snapshot.composite), *snapshot.domains.items(), *snapshot.indicators.items()]

    def judged(values: object, place: int) -> Judged:
        def number(name: str) -> float | None:
            one = float(getattr(values, name)[place])
            return None if one != one else one

        reason = REASONS[int(values.reason[place])]  # type: ignore[attr-defined]
        return Judged(number("value"), number("score"), number("coverage") or 0.0, None, reason, number("base"))

    shown = [label, *np.flatnonzero(label == PARENTS).tolist()]
    areas = {AREAS[place]: {name: judged(values, place) for name, values in groups} for place in shown}
    return Picture(AREAS[label], areas, Terms.of(read_tables(write(policy))))


def pictures(seed: int) -> Iterator[tuple[Picture, Picture]]:
    """Every area of a city at two moments, now and then under two policies."""
    rng = np.random.default_rng(seed)
    policies = [[SHIPPED, OTHER][int(rng.random() < 0.3)] for _ in range(2)]
    snapshots = []
    for at, policy in zip((0, 20), policies, strict=True):
        made = engine(DEVICES, policy.indicators, policy.domains)
        for one in living(rng, at * 60):
            made.fold(one)
        snapshots.append(made.evaluate(NOW + at * MINUTE))
    for label in range(len(AREAS)):
        before, after = (pictured(s, p, label) for s, p in zip(snapshots, policies, strict=True))
        yield before, after


INDICES = (COMPOSITE, *(d.id for d in SHIPPED.domains), *(i.id for i in SHIPPED.indicators))


@pytest.mark.parametrize("seed", range(17))
def test_the_parts_of_every_score_add_up_to_it_and_those_of_a_change_to_the_change(seed: int) -> None:
    for before, after in pictures(seed):  # 17 · 6 areas · 2 moments · some 40 indices
        for index in INDICES:
            for picture in (before, after):
                whole = picture.judged(index).score
                parts = contributions(picture, index)
                if whole is None:
                    assert parts == []
                    assert picture.judged(index).reason or not picture.terms.goalposts.get(index, (1,))
                    continue
                check(parts, whole)
            old, new = before.judged(index).score, after.judged(index).score
            found = effects(before, after, index)
            if old is None or new is None:
                assert found == []
                continue
            assert abs(math.fsum(e.points for e in found) - (new - old)) <= 1e-9
            assert not [e for e in found if e.kind == "unexplained"]


def check(parts: list[Part], whole: float) -> None:
    assert parts
    assert abs(sum(part.points for part in parts) - whole) <= 1e-9
    assert "unexplained" not in {part.id for part in parts}
    for part in parts:
        if part.parts:
            check(list(part.parts), part.points)


def test_the_random_cities_have_scores_at_all_levels_and_lack_some() -> None:
    scores = [p.judged(i).score for pair in pictures(3) for p in pair for i in (COMPOSITE, "parking", "energy")]
    assert len([s for s in scores if s is not None]) > 10
    reasons = [p.judged(i).reason for seed in range(4) for pair in pictures(seed) for p in pair for i in INDICES]
    assert "coverage" in reasons
    assert "stale" in reasons or "no_readings" in reasons


def test_a_district_is_explained_by_its_streets_and_their_share_of_the_devices() -> None:
    terms = Terms.of(read_tables(write(SHIPPED)))
    index = "waste.overflow_share"
    judged = {"d": Judged(0.05, 80, 1, 1, None, 40.0), "a": Judged(0.1, 60, 1, 1, None, 10.0)}
    judged["b"] = Judged(None, None, 0.5, 1, "coverage")
    picture = Picture("d", {area: {index: one} for area, one in judged.items()}, terms)
    first, rest = contributions(picture, index)
    assert (first.id, first.share, first.value) == ("a", 0.25, 0.1)
    assert (rest.id, rest.share) == ("rest", 0.75)
    assert rest.value == pytest.approx(1 / 30)
    steep = (80 - 100) / 0.05 / 2 + (0 - 80) / 0.2 / 2
    assert first.points == pytest.approx(0.25 * (80 + steep * 0.05))


def test_what_appears_or_moves_in_weight_is_named_and_a_part_as_good_as_the_whole_moves_nothing() -> None:
    terms = Terms.of(read_tables(write(SHIPPED)))

    def picture(**scores: float) -> Picture:
        shown = {name: Judged(None, score, 1, 1, None) for name, score in scores.items()}
        weights = [(terms.weights[n], math.log(s)) for n, s in scores.items()]
        mean = math.exp(sum(w * s for w, s in weights) / sum(w for w, _ in weights))
        return Picture("x", {"x": shown | {COMPOSITE: Judged(None, mean, 1, 1, None)}}, terms)

    found = effects(picture(waste=50, energy=50), picture(waste=50, energy=50, transit=50), COMPOSITE)
    assert sum(e.points for e in found) == pytest.approx(0)
    assert all(abs(e.points) < 1e-9 for e in found)
    found = effects(picture(waste=50, energy=50), picture(waste=50, energy=50, transit=90), COMPOSITE)
    (new,) = [e for e in found if e.kind == "appeared"]
    assert new.id == "transit"
    assert new.points > 0


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 100)), min_size=2, max_size=6), st.floats(-150, 150))
def test_the_slope_lies_between_those_of_its_neighbours(posts: list[tuple[float, float]], value: float) -> None:
    goalposts: Goalposts = tuple(sorted({round(at, 2): score for at, score in posts}.items()))
    slopes = [0.0]
    slopes += [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(goalposts)]
    assert min(slopes) <= slope_at(goalposts, value) <= max(slopes)


def test_the_device_without_which_the_score_would_be_highest_pulls_most() -> None:
    row = next(i for i in SHIPPED.indicators if i.id == "waste.overflow_share")
    fills = [(1, 0.99), (2, 0.1), (3, 0.2), (4, 0.3)]
    readings = batch("garbage_hut", [(key, observed(-10, fillingLevelFood=fill)) for key, fill in fills])
    older = batch("garbage_hut", [(2, observed(-60, fillingLevelFood=1.0))])
    posts = tuple((float(v), float(s)) for v, s in row.goalposts)
    found = pulls(row, [older, readings], dict.fromkeys(range(1, 5), NOW - MINUTE), posts, 0.25)
    assert [(one.device, one.value) for one in found if one.pull > 0] == [(1, 1.0)]
    assert found[0].pull == pytest.approx(100.0)
    assert pulls(row, [readings], dict.fromkeys(range(1, 5), NOW), posts, 0.25) == []


def test_where_nothing_scores_the_parts_share_the_point_that_the_floor_leaves() -> None:
    scores = {row.id: 0.0 for row in SHIPPED.indicators if row.goalposts} | {side.id: 0.0 for side in SHIPPED.domains}
    judged = {name: Judged(None, score, 1.0, 0.0, None) for name, score in scores.items()}
    judged[COMPOSITE] = Judged(None, 1.0, 1.0, 0.0, None)
    found = contributions(Picture("310104", {"310104": judged}, Terms.of(read_tables(write(SHIPPED)))), COMPOSITE)
    check(found, 1.0)
    for domain in found:
        assert domain.points > 0
        assert all(part.points == pytest.approx(domain.points * (part.share or 0.0)) for part in domain.parts)
