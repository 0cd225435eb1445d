"""Texts in little memory are found again, every one of them, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.names import Names, Texts


@given(st.lists(st.text(st.characters(), max_size=8), max_size=60))
def test_names_do_what_a_dict_does(words: list[str]) -> None:
    names, places = Names(), dict[str, int]()
    for word in words:
        assert names.find(word) == places.get(word)
        assert names.add(word) == places.setdefault(word, len(places))
    assert list(names) == list(places)
    assert all(names.find(word) == place for word, place in places.items())
    assert names.find("no such name") is None


def test_thousands_of_names_are_found_after_the_table_has_grown() -> None:
    names = Names()
    for number in range(20_000):
        assert names.add(f"hut-{number}") == number
    assert all(names.find(f"hut-{number}") == number for number in range(20_000))
    assert names.find("hut-20000") is None
    assert names[19_999] == "hut-19999"


def test_a_place_that_is_not_taken_is_named() -> None:
    texts = Texts()
    texts.append("a")
    with pytest.raises(IndexError, match="place is 1, must be 0 to 0"):
        texts[1]
