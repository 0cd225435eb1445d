"""Deliveries come apart into batches and rejections; whatever the bytes, each reading ends in exactly one of them."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_material import NOW, TOPICS, at, bay, delivery, fleet, micros, registry, state

from devices.contract import Flaw
from ingest.batch import NO_SEQ, Decoded, Delivery, Rejection
from ingest.decoder import NEWEST_MICROS, OLDEST_MICROS, Decoder
from ingest.payload import ALONE, items_of, read_value
from ingest.refusing import MOST_REFUSED

KEYS = {device.id: device.key for device in fleet()}


def decode(*deliveries: Delivery) -> Decoded:
    return Decoder(TOPICS).decode(deliveries, registry())


def only(rejections: Sequence[Rejection]) -> tuple[str, str]:
    (rejection,) = rejections
    return rejection.reason, rejection.detail


def test_a_reading_becomes_a_row_with_its_device_times_and_number() -> None:
    (batch,) = decode(bay(state("occupied", -3, seq=12))).batches
    assert batch.stream.name == "parking_bay"
    assert batch.device.tolist() == [KEYS["bay-1"]]
    assert batch.time.tolist() == [micros(NOW) - 3_000_000]
    assert batch.received.tolist() == [micros(NOW)]
    assert batch.seq.tolist() == [12]
    assert batch.columns["status"].tolist() == [1]
    assert (batch.source.tolist(), batch.item.tolist()) == ([0], [-1])


def test_a_pack_becomes_rows_that_know_their_place() -> None:
    (batch,) = decode(bay(state()), bay([state("free", 1), state("closed", 2)], "bay-2")).batches
    assert batch.source.tolist() == [0, 1, 1]
    assert batch.item.tolist() == [-1, 0, 1]
    assert batch.seq.tolist() == [NO_SEQ] * 3


def test_each_stream_has_a_batch_of_its_own() -> None:
    arrival = {"dateObserved": at(0), "route": "r", "trip": "t", "stop": "s", "scheduledAt": at(0), "arrivedAt": at(0)}
    decoded = decode(
        bay(state()),
        delivery(TOPICS.telemetry("bus", "bus-1"), {"dateObserved": at(0), "speed": 1}),
        delivery(TOPICS.event("bus", "bus-1", "arrival"), arrival),
    )
    assert {batch.stream.name for batch in decoded.batches} == {"parking_bay", "bus", "bus_arrival"}


def test_a_bad_reading_is_rejected_alone_and_its_pack_goes_on() -> None:
    decoded = decode(bay([state(), state("busy", 1), state("free", 2)]))
    assert [len(batch) for batch in decoded.batches] == [2]
    (rejection,) = decoded.rejections
    assert rejection.reason == "schema"
    assert rejection.detail == 'status is "busy", must be one of free|occupied|unknown|closed'
    assert rejection.item == 1
    assert rejection.payload == orjson.dumps(state("busy", 1))
    assert (rejection.stream, rejection.device) == ("parking_bay", "bay-1")


@pytest.mark.parametrize(
    ("topic", "reason", "words"),
    [
        ("cv1/310000/tram/t-1/tele", "unknown_kind", 'kind is "tram", must be one of bus, car_park'),
        ("cv1/310000/parking_bay/bay-1/telemetry", "topic", "must be cv1/{city}/{kind}/{device}/"),
        ("cv1/310000/parking_bay/bay-1", "topic", "must be cv1/{city}"),
        ("cv1/310000/parking_bay/bay-1/event/arrival", "topic", "must not be there: parking_bay has no events"),
        ("cv1/310000/bus/bus-1/event/departure", "topic", 'event is "departure", must be one of arrival'),
        ("cv1/310000/parking_bay/ bay-1/tele", "topic", 'device id is " bay-1", must be 1–128 characters'),
        ("cv1/310000/parking_bay//tele", "topic", 'device id is "", must be 1–128 characters'),
        ("cv1/320000/parking_bay/bay-1/tele", "topic", "must be cv1/{city}"),
        ("(not UTF-8)", "topic", "must be cv1/{city}"),
    ],
)
def test_a_wrong_topic_is_rejected_with_the_grammar(topic: str, reason: str, words: str) -> None:
    found, detail = only(decode(delivery(topic, state())).rejections)
    assert found == reason
    assert words in detail


@pytest.mark.parametrize(
    "rest", ["out/310104", "in/replay", "parking_bay/bay-1/err", "bus/bus-1/cmd/reply", "bus/b/meta"]
)
def test_outputs_commands_answers_and_births_are_none_of_the_decoder_s_business(rest: str) -> None:
    decoded = decode(delivery(f"cv1/310000/{rest}", {}))
    assert (decoded.batches, decoded.rejections) == ([], [])


@pytest.mark.parametrize("offset", [-OLDEST_MICROS, NEWEST_MICROS])
def test_the_clock_gate_lets_its_bounds_pass_and_nothing_beyond(offset: int) -> None:
    edge = micros(NOW) + offset
    beyond = 1 if offset > 0 else -1
    inside = bay({"dateObserved": edge // 1000, "status": "free"})
    outside = bay({"dateObserved": edge // 1000 + beyond, "status": "free"})
    decoded = decode(inside, outside)
    assert [len(batch) for batch in decoded.batches] == [1]
    reason, detail = only(decoded.rejections)
    assert reason == "clock"
    assert detail.startswith("dateObserved is 20")
    assert "must be between 90 days before and 5 minutes after the time of receipt, 2026-11-20T08:00:00Z" in detail


@pytest.mark.parametrize("observed", ["1970-01-01T00:00:00Z", "2100-01-01T00:00:00+08:00", 0, 1])
def test_a_clock_that_was_never_set_is_rejected(observed: Any) -> None:
    assert only(decode(bay({"dateObserved": observed, "status": "free"})).rejections)[0] == "clock"


def test_epoch_seconds_are_called_seconds() -> None:
    _, detail = only(decode(bay({"dateObserved": micros(NOW) // 1_000_000, "status": "free"})).rejections)
    assert detail.endswith("; a number is taken for milliseconds, this one looks like seconds")
    _, detail = only(decode(bay({"dateObserved": 0, "status": "free"})).rejections)
    assert "seconds" not in detail


def test_a_reading_with_several_flaws_names_them_all() -> None:
    body = {"dateObserved": "today", "fillingLevelFood": 1.4, "nh3": "high"}
    _, detail = only(decode(delivery(TOPICS.telemetry("garbage_hut", "garbage_hut-1"), body)).rejections)
    assert 'dateObserved is "today", must be RFC 3339 with an offset' in detail
    assert "fillingLevelFood is 1.4, must be 0–1" in detail
    assert 'nh3 is "high", must be a number, 0–1000 mg/m³' in detail


def test_a_reading_of_an_unknown_device_says_how_to_register_it() -> None:
    decoded = decode(bay(state(), "bay-77"))
    assert decoded.unknown_devices == {"bay-77"}
    reason, detail = only(decoded.rejections)
    assert reason == "unknown_device"
    assert detail == 'device is "bay-77", must be registered: publish its meta or POST /v1/devices'


def test_a_device_of_another_kind_cannot_speak_here() -> None:
    reason, detail = only(decode(bay(state(), "bus-1")).rejections)
    assert reason == "unknown_device"
    assert detail == 'device "bus-1" is registered as bus, topic says parking_bay'


def test_a_gateway_speaks_for_the_devices_that_name_it() -> None:
    decoded = decode(bay([state(device="bay-9"), state(device="bay-8"), state("free", 1, device="gw-1")], "gw-1"))
    (batch,) = decoded.batches
    assert batch.device.tolist() == [KEYS["bay-9"]]
    assert [(r.device, r.reason) for r in decoded.rejections] == [
        ("bay-8", "unknown_device"),
        ("gw-1", "unknown_device"),
    ]
    assert decoded.rejections[0].detail == 'device "bay-8" must have attributes.gateway "gw-1" to be spoken for by it'


def test_a_device_may_name_itself_or_nobody() -> None:
    (batch,) = decode(bay([state(device="bay-1"), state("free", 1, device=None)])).batches
    assert batch.device.tolist() == [KEYS["bay-1"]] * 2


@pytest.mark.parametrize("device", [7, ["bay-1"], "a/b", "x\x00y", "", " bay-1", "b" * 129])
def test_a_device_that_cannot_be_an_id_is_a_flaw_and_never_looked_up(device: Any) -> None:
    decoded = decode(bay([state(device=device)]))
    assert decoded.unknown_devices == set()
    reason, detail = only(decoded.rejections)
    assert reason == "schema"
    assert detail.startswith("device ")
    assert decoded.rejections[0].device == "bay-1"


@pytest.mark.parametrize("value", [None, 5, "free", [state()], True])
def test_an_item_that_is_no_object_is_rejected_alone(value: Any) -> None:
    decoded = decode(bay([state(), value]))
    assert [len(batch) for batch in decoded.batches] == [1]
    reason, detail = only(decoded.rejections)
    assert reason == "schema"
    assert "must be a JSON object" in detail


def test_deeply_nested_items_are_rejected_or_ignored_and_harm_nothing() -> None:
    deep = b"[" * 900 + b"]" * 900
    good = orjson.dumps(state())
    pack = b"[%b, %b, %b, %b]" % (deep, good[:-1] + b',"x":' + deep + b"}", b'{"status":' + deep + b"}", good)
    decoded = decode(bay(pack))
    assert [len(batch) for batch in decoded.batches] == [2]
    assert [r.reason for r in decoded.rejections] == ["schema", "schema"]
    assert [r.payload for r in decoded.rejections] == [deep, b'{"status":' + deep + b"}"]


def test_unknown_fields_are_ignored_and_counted() -> None:
    decoded = decode(bay([state(battery=3.3), state("free", 1, battery=3.3, rssi=-70)]))
    assert decoded.rejections == []
    assert decoded.unknown_fields == {"parking_bay": 3}


def test_a_long_topic_is_read_and_not_remembered() -> None:
    decoder = Decoder(TOPICS)
    topic = "cv1/310000/parking_bay/" + "x" * 60_000 + "/tele"
    first, second = (decoder.decode([delivery(topic, state())], registry()) for _ in range(2))
    assert only(first.rejections) == only(second.rejections)


topics = st.one_of(
    st.sampled_from([TOPICS.telemetry("parking_bay", "bay-1"), TOPICS.telemetry("garbage_hut", "garbage_hut-1")]),
    st.sampled_from([TOPICS.event("bus", "bus-1", "arrival"), TOPICS.telemetry("bus", "bus-2"), "cv1/310000/a/b/tele"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
field_names = st.sampled_from(
    ["dateObserved", "seq", "device", "status", "position", "speed", "nh3", "route", "trip", "stop", "arrivedAt"]
)
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
        st.sampled_from([at(0), at(-5), "free", "bay-1", 1_795_000_000_000]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(field_names, inner, max_size=4)),
    max_leaves=12,
)
payloads = st.one_of(st.binary(max_size=40), json_values.map(lambda value: json.dumps(value).encode()))


def places_of(decoder: Decoder, message: Delivery) -> list[int]:
    """Where its readings stand: -1 for a message that is one reading, or cannot be taken apart."""
    if decoder.address(message.topic) is None:
        return []
    if isinstance(decoder.address(message.topic), Flaw):
        return [ALONE]
    value = read_value(message.payload)
    return [ALONE] if isinstance(value, Flaw) else [item for item, _ in items_of(value)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(topics, payloads), max_size=6))
def test_whatever_arrives_every_reading_ends_in_exactly_one_place(messages: list[tuple[str, bytes]]) -> None:
    decoder = Decoder(TOPICS)
    deliveries = [delivery(topic, payload, mid=mid) for mid, (topic, payload) in enumerate(messages)]
    decoded = decoder.decode(deliveries, registry())
    ended = [(r.delivery.mid, ALONE if r.item is None else r.item) for r in decoded.rejections]
    for batch in decoded.batches:
        ended += zip(batch.source.tolist(), batch.item.tolist(), strict=True)
    expected = [(message.mid, item) for message in deliveries for item in places_of(decoder, message)]
    assert sorted(ended) == expected


def test_a_pack_in_which_too_much_is_wrong_is_refused_as_a_whole() -> None:
    good, bad = state("free"), {"dateObserved": at(0), "status": "busy"}
    few = decode(bay([good] + [bad] * MOST_REFUSED))
    assert ([len(batch) for batch in few.batches], len(few.rejections)) == ([1], MOST_REFUSED)
    pack = bay([good] + [bad] * (MOST_REFUSED + 1))
    other = bay([state("free", 1), bad], "bay-2")
    decoded = decode(pack, other)
    assert [len(batch) for batch in decoded.batches] == [1]
    whole, single = decoded.rejections
    assert (whole.reason, whole.item, whole.payload, whole.device) == ("schema", None, pack.payload, "bay-1")
    assert whole.detail.startswith("more than 500 readings of the pack are refused, one of them because status is")
    assert single.item == 1


def test_a_pack_of_too_many_strangers_is_refused_as_a_whole_and_names_them_all() -> None:
    strangers = [{"device": f"stranger-{n}", **state()} for n in range(MOST_REFUSED + 100)]
    decoded = decode(bay([state(), 17, *strangers, {"device": 7}, "x"]))
    assert (decoded.batches, len(decoded.rejections)) == ([], 1)
    assert decoded.rejections[0].reason == "unknown_device"
    assert decoded.unknown_devices == {f"stranger-{n}" for n in range(MOST_REFUSED + 100)}
