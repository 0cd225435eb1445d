"""The accounting test at its shortest: three seeds. ``make torture`` runs more of it, and longer."""

from collections.abc import Iterator

import pytest

from tests.torture.faults import FAULTS
from tests.torture.plan import plan
from tests.torture.run import SHORT, run_seed
from tests.torture.world import Servers, servers


@pytest.fixture(scope="module")
def made() -> Iterator[Servers]:
    with servers() as made:
        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_twice_or_invented_whatever_the_nemesis_does(made: Servers, seed: int) -> None:
    outcome = run_seed(made, seed, SHORT)
    assert outcome.fired
    assert outcome.verdict.counts["stored"]
    assert outcome.verdict.counts["rejected"]
    assert outcome.verdict.counts["duplicate"]


def test_a_run_of_seeds_meets_every_fault_and_never_more_than_two_at_once() -> None:
    steps = [step for seed in range(1, 21) for step in plan(seed, FAULTS, 6)]
    assert {fault.name for step in steps for fault in step.faults} == {fault.name for fault in FAULTS}
    assert {len(step.faults) for step in steps} == {1, 2}
    assert all(len(step.faults) == 1 or not step.faults[0].on & step.faults[1].on for step in steps)


def test_a_seed_plans_the_same_steps_each_time() -> None:
    assert plan(7, FAULTS, 6) == plan(7, FAULTS, 6)
    assert plan(7, FAULTS, 6) != plan(8, FAULTS, 6)
