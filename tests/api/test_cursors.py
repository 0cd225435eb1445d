import pytest

from api import cursors


def test_a_cursor_brings_back_what_it_was_made_of() -> None:
    assert cursors.decode(cursors.encode(["bay-17 北", -1]), str, int) == ("bay-17 北", -1)


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", "W10", cursors.encode([1]), cursors.encode([2**63, "a"]), "W251bGwsMV0"]
)
def test_a_cursor_of_another_shape_is_refused(cursor: str) -> None:
    with pytest.raises(cursors.CursorError, match="next"):
        cursors.decode(cursor, int, str)


def test_the_last_page_has_no_cursor() -> None:
    assert cursors.page([1, 2], 2, lambda row: [row]) == ([1, 2], None)


def test_a_page_ends_at_its_limit_with_the_cursor_of_its_last_row() -> None:
    rows, cursor = cursors.page([1, 2, 3], 2, lambda row: [row])
    assert rows == [1, 2]
    assert cursors.decode(cursor or "", int) == (2,)
