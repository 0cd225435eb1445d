"""What a policy file may change, how its mistakes are told, and when two policies are the same."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.indicators import DOMAINS, INDICATORS
from processing.method import method_version
from processing.policy import SHIPPED, Change, Policy, PolicyError, differences, has_window, parse, same_measures, write

KERB = "parking.kerb_occupancy"


def test_an_empty_policy_is_the_shipped_one() -> None:
    assert parse("") == SHIPPED
    assert SHIPPED.version == method_version(INDICATORS, DOMAINS)


def test_a_policy_is_laid_over_the_shipped_table() -> None:
    policy = parse(f'[domains.parking]\nweight = 2\n[indicators."{KERB}"]\ngoalposts = [[0, 60], [1, 0]]\n')
    rows = {row.id: row for row in policy.indicators}
    assert rows[KERB].goalposts == ((0.0, 60.0), (1.0, 0.0))
    assert next(side.weight for side in policy.domains if side.id == "parking") == 2
    assert policy.version != SHIPPED.version
    assert [change.path for change in differences(SHIPPED, policy)] == [
        "domains.parking.weight",
        f"indicators.{KERB}.goalposts",
    ]


def test_an_id_needs_no_quotes() -> None:
    assert parse(f"[indicators.{KERB}]\nweight = 3") == parse(f'[indicators."{KERB}"]\nweight = 3.0')


def test_the_same_numbers_are_the_same_version() -> None:
    weight = next(row.weight for row in INDICATORS if row.id == KERB)
    assert parse(f"[indicators.{KERB}]\nweight = {weight:g}").version == SHIPPED.version


def test_differences_tell_path_old_and_new() -> None:
    new = parse(f"[indicators.{KERB}]\nweight = 5\nminimum_coverage = 0.5")
    weight = next(float(row.weight) for row in INDICATORS if row.id == KERB)
    assert differences(SHIPPED, new) == [
        Change(f"indicators.{KERB}.weight", weight, 5.0),
        Change(f"indicators.{KERB}.minimum_coverage", 2 / 3, 0.5),
    ]
    assert differences(new, new) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[domains.parkng]\nweight = 1", ["domains.parkng", "parking"]),
        ("[domains.parking]\nwieght = 1", ["domains.parking.wieght", "weight"]),
        ("[domains.parking]\nweight = '2'", ["domains.parking.weight", '"2"', "0 to 1000"]),
        ("[domains.parking]\nweight = true", ["true", "0 to 1000"]),
        ("[domains.parking]\nweight = -1", ["-1", "0 to 1000"]),
        ("[domains.parking]\nweight = nan", ["nan", "0 to 1000"]),
        (f"[domains.parking]\nweight = 1{'0' * 400}", ["0 to 1000"]),
        ("[domains]\nparking = 2", ["domains.parking", "table"]),
        ("domains = 2", ["domains is 2", "table"]),
        ("[sections]\na = 1", ["sections", "domains"]),
        (f"[indicators.{KERB}]\ngoalposts = [[0.5, 10], [0.5, 20]]", ["goalposts", "rise"]),
        (f"[indicators.{KERB}]\ngoalposts = [[0, 10], [1, 120]]", ["120", "0 to 100"]),
        (f"[indicators.{KERB}]\ngoalposts = [[0, 10]]", ["at least two"]),
        (f"[indicators.{KERB}]\ngoalposts = [[0, inf], [1, nan]]", ["goalposts"]),
        (f"[indicators.{KERB}]\ngoalposts = 3", ["goalposts is 3"]),
        (f"[indicators.{KERB}]\ngoalposts = []", ["weight", "must be 0"]),
        (f"[indicators.{KERB}]\nminimum_coverage = 1.5", ["1.5", "0 to 1"]),
        (f"[indicators.{KERB}]\nwindow = 600", ["window", "newest readings"]),
        ('[indicators."transit.on_time_share"]\nwindow = 601', ["601"]),
        ('[indicators."transit.on_time_share"]\nwindow = 3600.0', ["3600.0", "whole number"]),
        (f"[indicators.{KERB}]\nsource = 3", ["source is 3", "text"]),
        ('[indicators."parking.kerb_ocupancy"]\nweight = 1', [KERB]),
        ("weight = ", ["not TOML"]),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(text: str, words: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(text)
    for word in words:
        assert word in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        parse("[domains.parking]\nweight = -1\n[domains.waste]\nweight = 'x'\n[domains.moon]\n")
    assert len(str(caught.value).splitlines()) == 3


def test_a_city_without_any_weight_is_refused() -> None:
    text = "".join(f"[domains.{side.id}]\nweight = 0\n" for side in DOMAINS)
    with pytest.raises(PolicyError, match="more than 0"):
        parse(text)


def test_scores_can_change_under_an_engine_and_windows_cannot() -> None:
    scores = parse(f"[domains.waste]\nweight = 3\n[indicators.{KERB}]\nweight = 3\nminimum_coverage = 0.1")
    assert same_measures(SHIPPED.indicators, scores.indicators)
    window = parse("[indicators.transit.on_time_share]\nwindow = 1800")
    assert not same_measures(SHIPPED.indicators, window.indicators)


numbers = st.floats(0, 1000)
posts = st.dictionaries(st.floats(-1e6, 1e6), st.floats(0, 100), min_size=2, max_size=6)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    rows = list(SHIPPED.indicators)
    for at in draw(st.lists(st.integers(0, len(rows) - 1), max_size=4)):
        rows[at] = replace(
            rows[at],
            weight=draw(numbers),
            goalposts=tuple(sorted(draw(posts).items())),
            minimum_coverage=draw(st.floats(0, 1)),
            source=draw(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)),
            window=draw(st.sampled_from([3600, 86_400])) if has_window(rows[at]) else rows[at].window,
        )
    sides = [replace(side, weight=draw(st.floats(0.001, 1000))) for side in SHIPPED.domains]
    return Policy.of(rows, sides)


@settings(max_examples=150, deadline=None)
@given(policies())
def test_what_is_written_is_read_back_the_same(policy: Policy) -> None:
    again = parse(write(policy))
    assert again == policy
    assert again.version == policy.version


@settings(max_examples=60, deadline=None)
@given(policies(), policies())
def test_policies_differ_exactly_where_their_versions_do(one: Policy, other: Policy) -> None:
    found = differences(one, other)
    assert bool(found) == (one.version != other.version)
    assert {(c.path, c.old, c.new) for c in map(_hashable, found)} == {
        (c.path, c.new, c.old) for c in map(_hashable, differences(other, one))
    }


def _hashable(change: Change) -> Change:
    return Change(change.path, repr(change.old), repr(change.new))
