"""A column that mostly says nothing is as long as what it says."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from ingest.rare import Rare

PIECES = st.lists(st.tuples(st.integers(0, 20), st.lists(st.none() | st.integers(1, 9), max_size=6)), max_size=8)


@given(PIECES)
def test_a_rare_column_does_what_a_long_one_does(pieces: list[tuple[int, list[int | None]]]) -> None:
    made, plain = Rare("q", 0), [0] * 40
    for first, values in pieces:
        made.put(first, values)
        plain[first : first + len(values)] = [value or 0 for value in values]
        assert list(islice(made, 40)) == [made[place] for place in range(40)] == plain


def test_what_says_nothing_takes_no_room_at_the_end() -> None:
    made = Rare("d", float("nan"))
    made.put(0, [None, None])
    assert len(made.said) == 0
    made.put(2, [1.5, None, None])
    assert len(made.said) == 3
    assert made.said[2] == 1.5
