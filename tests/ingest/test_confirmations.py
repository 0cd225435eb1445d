"""Watermarks are told at once, then at most once a second, and always the newest."""

from ingest.confirmations import Confirmations
from ingest.watermark import Watermark

BAY = ("bay-1", "parking_bay")
BUS = ("bus-1", "bus")


def at(number: int) -> Watermark:
    return Watermark(number, number)


def test_the_first_is_told_at_once_and_what_follows_within_a_second_is_told_together() -> None:
    confirmations = Confirmations(interval=1.0)
    confirmations.put(BAY, at(1), 10.0)
    assert confirmations.due(10.0, 9) == [(BAY, at(1))]
    for number in range(2, 50):
        confirmations.put(BAY, at(number), 10.1)
    assert confirmations.due(10.9, 9) == []
    assert confirmations.due(11.0, 9) == [(BAY, at(49))]
    assert confirmations.due(99.0, 9) == []


def test_one_that_did_not_move_is_told_again_when_it_is_put_again() -> None:
    confirmations = Confirmations()
    confirmations.put(BAY, at(1), 0.0)
    confirmations.due(0.0, 9)
    confirmations.put(BAY, at(1), 5.0)
    assert confirmations.due(5.0, 9) == [(BAY, at(1))]


def test_no_more_than_asked_for_and_the_longest_waiting_first() -> None:
    confirmations = Confirmations()
    confirmations.put(BUS, at(1), 0.0)
    confirmations.put(BAY, at(2), 0.5)
    assert confirmations.due(1.0, 1) == [(BUS, at(1))]
    confirmations.put(BUS, at(3), 1.0)
    assert confirmations.due(2.5, 9) == [(BAY, at(2)), (BUS, at(3))]


def test_all_are_told_again_when_the_broker_may_have_forgotten() -> None:
    confirmations = Confirmations()
    confirmations.put(BAY, at(1), 0.0)
    confirmations.put(BUS, at(2), 0.0)
    confirmations.due(0.0, 9)
    confirmations.tell_all_again(0.1)
    assert {key for key, _ in confirmations.due(0.1, 9)} == {BAY, BUS}


def test_who_asks_no_more_is_told_nothing() -> None:
    confirmations = Confirmations()
    confirmations.put(BAY, at(1), 0.0)
    confirmations.drop("bay-1")
    assert confirmations.due(9.0, 9) == []
    assert len(confirmations) == 0
