"""Ratios of paired rounds, and peers that fail."""

import pytest

from deploy.bench.results import Result, Target, alternate, table


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    result = Result("b", "s", "u", {"ours": [1.0, 20.0, 30.0], "limit": [2.0, 20.0, 20.0]})
    assert result.ratio("ours", "limit") == (1.0, 0.5, 1.5)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("ours", "limit", at_least=0.5), True),
        (Target("ours", "limit", at_least=0.51), False),
        (Target("ours", "", at_most=10), True),
        (Target("ours", "", at_most=9.9), False),
    ],
)
def test_a_target_is_met_or_not(target: Target, met: bool) -> None:
    result = Result("b", "s", "u", {"ours": [10.0], "limit": [20.0]}, [target])
    assert result.as_json()["targets"][0]["met"] is met
    assert ("NOT met" in table(result)) is not met


def test_contestants_take_turns_and_every_other_round_goes_back() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return 1.0

    alternate({"a": lambda: run("a"), "b": lambda: run("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_one_that_fails_is_named_and_the_others_go_on() -> None:
    calls = []

    def breaks() -> float:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no more\nat all")
        return 1.0

    failed: dict[str, str] = {}
    figures = alternate({"peer": breaks, "ours": lambda: 2.0}, 3, failed)
    assert figures == {"ours": [2.0, 2.0, 2.0]}
    assert failed == {"peer": "no more"}
    result = Result("b", "s", "u", figures, [Target("ours", "peer", 3)], failed=failed)
    assert result.judged() == []
    assert "peer did not take part: no more" in table(result)


def test_without_a_place_for_failures_they_are_raised() -> None:
    def breaks() -> float:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        alternate({"ours": breaks}, 1)
