"""Minutes are settled one lateness behind; what comes later reopens them."""

import pytest
from processing_material import FIRST, MINUTE, NOW, SECOND, batch, device, digest, engine, observed

from processing.settling import LATENESS, Settler, full_minute, touched_minutes

BAYS = [device(key, "parking_bay", FIRST) for key in (1, 2)]


def settler(settled: int = NOW) -> Settler:
    return Settler(engine(BAYS), settled)


def test_a_minute_is_due_when_the_watermark_has_passed_it_also_when_everything_is_silent() -> None:
    #        NOW      +60 s      +120 s
    #   ──────┼─────────┼──────────┼───▶      minute +60 s is due at +120 s
    made = settler()
    assert made.due(NOW + MINUTE + LATENESS - 1) is None
    assert made.due(NOW + MINUTE + LATENESS) == NOW + MINUTE


def test_a_settled_minute_knows_what_was_observed_until_then_and_nothing_later() -> None:
    made = settler()
    made.admit(batch("parking_bay", [(1, observed(30, status="occupied")), (2, observed(59, status="free"))]))
    made.admit(batch("parking_bay", [(1, observed(61, status="free")), (2, observed(75, status="free"))]))
    expected = engine(BAYS)
    expected.fold(batch("parking_bay", [(1, observed(30, status="occupied")), (2, observed(59, status="free"))]))
    assert digest(made.settle(NOW + MINUTE)) == digest(expected.evaluate(NOW + MINUTE))
    assert made.held == 2


def test_a_reading_for_a_settled_minute_is_late_and_says_from_when() -> None:
    made = settler()
    made.settle(NOW + MINUTE)
    made.admit(batch("parking_bay", [(1, observed(40, status="free")), (2, observed(20, status="free"))]))
    made.admit(batch("parking_bay", [(1, observed(70, status="free"))]))
    assert made.late == 2
    assert made.reopened() == NOW + 20 * SECOND
    assert made.reopened() is None


def test_what_was_late_counts_in_the_minutes_to_come() -> None:
    made, punctual = settler(), settler()
    late = batch("parking_bay", [(1, observed(40, status="occupied")), (2, observed(50, status="free"))])
    punctual.admit(late)
    for one in (made, punctual):
        one.settle(NOW + MINUTE)
    made.admit(late)
    assert digest(made.settle(NOW + 2 * MINUTE)) == digest(punctual.settle(NOW + 2 * MINUTE))


@pytest.mark.parametrize(
    ("first", "last", "window", "settled", "minutes"),
    [
        # an instant within a minute touches that minute's end and all ends within one window behind it
        (30, 30, 120, 600, (60, 180)),
        (60, 60, 120, 600, (60, 240)),
        # never beyond what is settled
        (30, 30, 3600, 120, (60, 120)),
        # nothing settled yet holds it
        (130, 130, 60, 120, None),
    ],
)
def test_the_minutes_touched(first: int, last: int, window: int, settled: int, minutes: tuple[int, int] | None) -> None:
    found = touched_minutes(first * SECOND, last * SECOND, window * SECOND, settled * SECOND)
    assert found == (None if minutes is None else (minutes[0] * SECOND, minutes[1] * SECOND))


def test_a_full_minute_is_the_newest_one() -> None:
    assert full_minute(NOW) == NOW
    assert full_minute(NOW + 59 * SECOND) == NOW
