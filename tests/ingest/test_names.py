"""Texts in little memory are found again, every one of them, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.names import Kindred, Names, Texts


@given(st.lists(st.text(st.characters(), max_size=8), max_size=60))
def test_names_do_what_a_dict_does(words: list[str]) -> None:
    names, places = Names(), dict[str, int]()
    for word in words:
        assert names.find(word) == places.get(word)
        assert names.add(word) == places.setdefault(word, len(places))
    assert list(names) == list(places)
    assert all(names.find(word) == place for word, place in places.items())
    assert names.find("no such name") is None


@given(st.lists(st.one_of(st.text(st.characters(), max_size=4), st.text("ab", max_size=600)), max_size=40))
def test_kindred_texts_come_back_by_their_places(words: list[str]) -> None:
    texts = Kindred()
    assert [texts.append(word) for word in words] == list(range(len(words)))
    assert list(texts) == words
    assert texts[1:-1] == words[1:-1]
    with pytest.raises(IndexError, match=f"place is {len(words)}, must be 0 to"):
        texts[len(words)]


def test_ids_that_follow_one_another_take_a_few_bytes_each() -> None:
    texts, ids = Kindred(), [f"garbage_hut-{number}" for number in range(20_000)]
    for one in ids:
        texts.append(one)
    assert list(texts) == ids
    assert len(texts._parts) + texts._starts.itemsize * len(texts._starts) < 7 * len(ids)


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
