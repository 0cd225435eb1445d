"""The audit itself is tried: each kind of wrong is found, and each excuse holds for what it is meant for alone."""

from dataclasses import replace

import pytest

from tests.torture.audit import Circumstances, Claim, Reject, Row, judge

AROUND = Circumstances(broker_losses=(), watched=True, began=1_000.0, ended=2_000.0)
GOOD = Claim("parking_bay|b|1|1", "stored", None, "parking_bay", "free", 1, "good", 1, 1_500.0, 0, 1, 1, 1, 1_501.0)
BAD = replace(GOOD, id="poison-a-1-", fate="rejected", reason="schema", stream="?", value=None, sort="poison", number=2)
ROW = Row(GOOD.id, "free", 1_501.0)
REJECT = Reject(BAD.id, "schema", 1_501.0)
CONFLICT = replace(BAD, id="poison-a-2-", reason="conflict", stream="parking_bay", value=GOOD.id, number=3)


def failures(claims: list[Claim], rows: list[Row], rejects: list[Reject], around: Circumstances = AROUND) -> list[str]:
    return [failure.split(":")[0] for failure in judge(claims, rows, rejects, around).failures]


def test_what_ended_as_it_must_passes() -> None:
    assert failures([GOOD, BAD], [ROW], [REJECT]) == []


@pytest.mark.parametrize(
    ("rows", "rejects", "found"),
    [
        ([], [REJECT], ["lost"]),
        ([ROW], [], ["lost"]),
        ([ROW, ROW], [REJECT], ["twice"]),
        ([ROW], [REJECT, REJECT], ["twice"]),
        ([ROW], [REJECT, Reject(GOOD.id, "conflict", 1_501.0)], ["twice"]),
        ([ROW, Row("parking_bay|b|2|2", "free", 1_501.0)], [REJECT], ["invented"]),
        ([ROW], [REJECT, Reject("poison-z-9-", "schema", 1_501.0)], ["invented"]),
        ([replace(ROW, value="occupied")], [REJECT], ["wrong"]),
        ([ROW], [replace(REJECT, reason="range")], ["wrong"]),
        ([], [REJECT, Reject(GOOD.id, "schema", 1_501.0)], ["wrong"]),
    ],
)
def test_each_wrong_is_found(rows: list[Row], rejects: list[Reject], found: list[str]) -> None:
    assert failures([GOOD, BAD], rows, rejects) == found


def test_a_loss_of_the_broker_excuses_what_it_held_and_the_pipeline_had_not_acknowledged() -> None:
    lossy = replace(AROUND, broker_losses=(1_600.0,))
    held = replace(GOOD, pipeline_acked=0)
    assert failures([held], [], [], lossy) == []
    assert failures([held], [], [], replace(AROUND, broker_losses=(1_400.0,))) == ["lost"]
    assert failures([GOOD], [], [], lossy) == ["lost"]
    assert failures([replace(held, sort="watermarked")], [], [], lossy) == ["lost"]


def test_no_subscriber_is_the_brokers_word_that_it_kept_nothing() -> None:
    assert failures([replace(GOOD, pipeline_acked=0, puback=0x10)], [], []) == []


def test_a_message_published_again_may_be_refused_again() -> None:
    assert failures([replace(BAD, packets=2)], [], [REJECT, REJECT]) == []


def test_of_a_reading_and_its_conflict_one_is_stored_and_the_other_refused() -> None:
    refused = Reject(CONFLICT.id, "conflict", 1_501.0)
    assert failures([GOOD, CONFLICT], [ROW], [refused]) == []
    overtaken = replace(ROW, value="closed")
    assert failures([GOOD, CONFLICT], [overtaken], [Reject(GOOD.id, "conflict", 1_501.0)]) == []
    assert failures([GOOD, CONFLICT], [overtaken], [refused]) == ["lost", "twice"]


def test_the_clocks_gate_is_forgiven_only_where_the_pipelines_clock_was_wrong() -> None:
    assert failures([GOOD], [], [Reject(GOOD.id, "clock", 90_000.0)]) == []
    assert failures([GOOD], [], [Reject(GOOD.id, "clock", 1_501.0)]) == ["wrong"]
