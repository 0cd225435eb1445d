"""Answers to refused messages: where they go, what they say, and how many there are at most."""

import orjson
import pytest
from ingest_material import TOPICS, bay, delivery, registry, state

from ingest.answers import BURST, RATE, Answers, RateLimit, answer
from ingest.batch import Delivery, Rejection
from ingest.decoder import Decoder


def rejection_of(message: Delivery) -> Rejection:
    (rejection,) = Decoder(TOPICS).decode([message], registry()).rejections
    return rejection


def test_an_answer_says_what_was_wrong_with_what() -> None:
    reply = answer(rejection_of(bay([state(), state("busy", 1)])), TOPICS)
    assert reply is not None
    topic, payload, _ = reply
    assert topic == "cv1/310000/parking_bay/bay-1/err"
    assert orjson.loads(payload) == {
        "reason": "schema",
        "detail": 'status is "busy", must be one of free|occupied|unknown|closed',
        "stream": "parking_bay",
        "device": "bay-1",
        "topic": "cv1/310000/parking_bay/bay-1/tele",
        "receivedAt": "2026-11-20T08:00:00Z",
        "item": 1,
        "payload": '{"dateObserved":"2026-11-20T08:00:01+00:00","status":"busy"}',
    }


def test_a_gateway_is_answered_for_the_devices_it_speaks_for() -> None:
    reply = answer(rejection_of(bay([state("busy", device="bay-9")], "gw-1")), TOPICS)
    assert reply is not None
    assert reply[0] == "cv1/310000/parking_bay/gw-1/err"
    assert orjson.loads(reply[1])["device"] == "bay-9"


@pytest.mark.parametrize(
    ("topic", "answered_on"),
    [
        ("cv1/310000/tram/t-1/tele", "cv1/310000/tram/t-1/err"),
        ("cv1/310000/parking_bay/bay-1/telemetry", "cv1/310000/parking_bay/bay-1/err"),
        ("cv1/310000/parking_bay//tele", None),
        ("cv1/310000/x", None),
    ],
)
def test_a_badly_addressed_message_is_answered_where_its_topic_names_somebody(
    topic: str, answered_on: str | None
) -> None:
    reply = answer(rejection_of(delivery(topic, state())), TOPICS)
    assert (reply and reply[0]) == answered_on


def test_the_response_topic_of_the_message_is_honoured() -> None:
    reply = answer(rejection_of(bay(b"{", response_topic="replies/7")), TOPICS)
    assert reply is not None
    assert reply[0] == "replies/7"


@pytest.mark.parametrize("response_topic", ["a/#", "+/b", "x" * 70_000, "a\x00b"])
def test_a_response_topic_nobody_can_publish_on_gets_no_answer(response_topic: str) -> None:
    assert answer(rejection_of(bay(b"{", response_topic=response_topic)), TOPICS) is None


@pytest.mark.parametrize(
    "response_topic",
    [
        "cv1/310000/out/tick",
        "cv1/310000/in/replay",
        "cv1/310000/parking_bay/bay-1/tele",
        "cv1/310000/parking_bay/bay-1/ack",
        "cv1/310000/parking_bay/other/err",
        "cv1/440300/parking_bay/bay-1/err",
        "$CONTROL/dynamic-security/v1",
    ],
)
def test_an_answer_never_goes_where_only_others_speak(response_topic: str) -> None:
    assert answer(rejection_of(bay(b"{", response_topic=response_topic)), TOPICS) is None


@pytest.mark.parametrize(
    "response_topic", ["cv1/310000/parking_bay/bay-1/err/7", "cv1/310000/parking_bay/bay-1/cmd/reply"]
)
def test_a_response_topic_of_the_devices_own_is_honoured(response_topic: str) -> None:
    reply = answer(rejection_of(bay(b"{", response_topic=response_topic)), TOPICS)
    assert reply is not None
    assert reply[0] == response_topic


def test_an_empty_response_topic_is_none() -> None:
    reply = answer(rejection_of(bay(b"{", response_topic="")), TOPICS)
    assert reply is not None
    assert reply[0].endswith("/err")


def test_of_a_long_payload_only_the_beginning_is_shown() -> None:
    reply = answer(rejection_of(bay(b"\xff" * 10_000)), TOPICS)
    assert reply is not None
    assert orjson.loads(reply[1])["payload"] == "\ufffd" * 512


def test_answers_are_bounded_in_rate_and_come_again_after_a_while() -> None:
    limit = RateLimit(rate=2, burst=3)
    assert [limit.allow(100.0) for _ in range(5)] == [True, True, True, False, False]
    assert [limit.allow(100.5), limit.allow(100.5)] == [True, False]
    assert [limit.allow(1000.0) for _ in range(4)] == [True, True, True, False]
    assert limit.refused == 4


def test_answers_leave_at_once_when_nothing_else_is_to_be_done() -> None:
    answers = Answers(TOPICS)
    answers.put([rejection_of(bay(b"{", correlation=b"%d" % n)) for n in range(5)], 100.0)
    assert [sent.correlation for sent in answers.due(100.0, busy=False)] == [b"0", b"1", b"2", b"3", b"4"]
    assert answers.due(100.0, busy=False) == []


def test_beside_work_answers_leave_at_their_rate_and_none_is_lost() -> None:
    answers = Answers(TOPICS)
    answers.put([rejection_of(bay(b"{"))] * 100, 100.0)
    at_once = len(answers.due(100.0, busy=True))
    assert at_once < 100
    assert answers.due(100.0, busy=True) == []
    later = len(answers.due(100.0625, busy=True))
    assert later == RATE // 16
    assert at_once + later + len(answers.due(100.0625, busy=False)) == 100


def test_a_flood_of_rejections_is_answered_in_part() -> None:
    answers = Answers(TOPICS)
    flood = [rejection_of(bay(b"{"))] * (2 * BURST)
    answers.put(flood, 100.0)
    answers.put(flood, 101.0)
    sent = 0
    while due := answers.due(101.0, busy=False):
        sent += len(due)
    assert sent == BURST + RATE


def test_a_replay_is_not_answered() -> None:
    answers = Answers(TOPICS)
    answers.put([rejection_of(bay(b"{", reject_id=5))], 100.0)
    assert answers.due(100.0, busy=False) == []
