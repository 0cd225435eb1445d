import pytest

from api.problems import Problem
from api.selection import select, words
from devices.city import City


def test_words_may_be_repeated_or_separated_by_commas() -> None:
    assert words(["a,b", " c ", ",", ""]) == ["a", "b", "c"]


def test_what_is_asked_for_adds_up(city: City, codes: dict[str, str]) -> None:
    chosen = select(city, [codes["third"]], ["city"], [codes["east"]])
    assert chosen == {codes["third"], codes["city"], codes["first"], codes["second"]}


def test_nothing_asked_for_is_the_whole_city(city: City, codes: dict[str, str]) -> None:
    assert select(city, [], [], []) == set(codes.values())


def test_a_street_has_nothing_below_it(city: City, codes: dict[str, str]) -> None:
    assert select(city, [], [], [codes["first"]]) == set()


@pytest.mark.parametrize(("areas", "levels", "parents"), [(["1"], [], []), ([], ["block"], []), ([], [], ["1"])])
def test_what_is_not_there_is_named(city: City, areas: list[str], levels: list[str], parents: list[str]) -> None:
    with pytest.raises(Problem, match="must be"):
        select(city, areas, levels, parents)
