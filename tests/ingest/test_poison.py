"""What an integrator gets wrong, or somebody sends on purpose: each ends with the reason the documentation gives it."""

import gzip
import json
from datetime import UTC, timedelta
from typing import Any

import orjson
import pytest
from ingest_material import NOW, TOPICS, at, bay, delivery, registry, state

from ingest.batch import Delivery
from ingest.decoder import Decoder
from ingest.payload import MAX_PAYLOAD

GOOD = orjson.dumps(state())
MILLIS = int(NOW.timestamp() * 1000)
METER, BUS = TOPICS.telemetry("energy_meter", "energy_meter-1"), TOPICS.telemetry("bus", "bus-1")


def dated(value: Any) -> Delivery:
    return bay({"dateObserved": value, "status": "free"})


def days(count: float) -> str:
    return (NOW + timedelta(days=count)).isoformat()


def meter(factor: bytes) -> Delivery:
    return delivery(METER, b'{"dateObserved": "%s", "powerFactor": %s}' % (at(0).encode(), factor))


def on(rest: str) -> Delivery:
    return delivery(f"cv1/{TOPICS.city}{rest}", GOOD)


def place(*coordinates: Any) -> Delivery:
    return delivery(BUS, {"dateObserved": at(0), "position": {"type": "Point", "coordinates": coordinates}})


CASES: dict[str, tuple[Delivery, str | None]] = {
    "UTF-16": (bay(GOOD.decode().encode("utf-16")), "syntax"),
    "UTF-16 without a mark": (bay(GOOD.decode().encode("utf-16-le")), "syntax"),
    "byte order mark": (bay(b"\xef\xbb\xbf" + GOOD), "syntax"),
    "half a surrogate": (bay(b'{"note": "\xed\xa0\x80"}'), "syntax"),
    "half a surrogate, escaped": (bay(b'{"note": "\\ud800"}'), "syntax"),
    "nothing": (bay(b""), "syntax"),
    "spaces": (bay(b" \n\t"), "syntax"),
    "gzip": (bay(gzip.compress(GOOD)), "syntax"),
    "two objects": (bay(GOOD + GOOD), "syntax"),
    "a zero byte behind": (bay(GOOD + b"\x00"), "syntax"),
    "a comma too many": (bay(b'{"status": "free",}'), "syntax"),
    "nested 10,000 deep": (bay(b"[" * 10_000 + b"]" * 10_000), "syntax"),
    "nested 10,000 deep in a field": (bay(GOOD[:-1] + b',"note":' + b"[" * 10_000 + b"]" * 10_000 + b"}"), "syntax"),
    "nested 200,000 deep": (bay(b"[" * 200_000), "too_large"),
    "a byte more than allowed": (bay(GOOD + b" " * (MAX_PAYLOAD + 1 - len(GOOD))), "too_large"),
    "as much as allowed": (bay(GOOD + b" " * (MAX_PAYLOAD - len(GOOD))), None),
    "a pack of too many": (bay(b"[" + b"{}," * 30_000 + b"{}]"), "too_large"),
    "null": (bay(b"null"), "schema"),
    "a number": (bay(b"5"), "schema"),
    "a text": (bay(b'"free"'), "schema"),
    "an empty object": (bay({}), "schema"),
    "an empty pack": (bay([]), "schema"),
    "a pack in a pack": (bay([[state()]]), "schema"),
    "NaN": (meter(b"NaN"), "range"),
    "-Infinity": (meter(b"-Infinity"), "range"),
    "beyond a double": (meter(b"1e400"), "range"),
    "next to nothing": (meter(b"1e-400"), None),
    "an integer of 400 digits": (meter(b"9" * 400), "range"),
    "true for a number": (meter(b"true"), "schema"),
    "a number as text": (meter(b'"0.5"'), "schema"),
    "null for the only value": (meter(b"null"), "schema"),
    "out of range": (meter(b"1.4"), "range"),
    "a latitude of 91": (place(121.4, 91), "range"),
    "half a place": (place(121.4), "schema"),
    "1970": (dated("1970-01-01T00:00:00Z"), "clock"),
    "2100": (dated("2100-01-01T00:00:00Z"), "clock"),
    "seconds for milliseconds": (dated(MILLIS // 1000), "clock"),
    "nanoseconds for milliseconds": (dated(MILLIS * 10**6), "schema"),
    "before 1970": (dated(-5), "clock"),
    "91 days ago": (dated(days(-91)), "clock"),
    "89 days ago": (dated(days(-89)), None),
    "in six minutes": (dated(at(360)), "clock"),
    "in four minutes": (dated(at(240)), None),
    "without offset": (dated("2026-11-20T08:00:00"), "schema"),
    "a day": (dated("2026-11-20"), "schema"),
    "a leap second": (dated("2026-11-19T23:59:60Z"), "schema"),
    "24:00": (dated("2026-11-19T24:00:00Z"), "schema"),
    "30 February": (dated("2026-02-30T10:00:00Z"), "schema"),
    "an offset of 25 hours": (dated("2026-11-20T08:00:00+25:00"), "schema"),
    "digits of another script": (dated("\uff12026-11-20T08:00:00Z"), "schema"),
    "another offset": (dated((NOW.astimezone(UTC) + timedelta(hours=8)).isoformat()[:19] + "+08:00"), None),
    "milliseconds as text": (dated(str(MILLIS)), "schema"),
    "true for an instant": (dated(True), "schema"),
    "a negative seq": (bay(state(seq=-1)), "range"),
    "the largest seq": (bay(state(seq=2**53 - 1)), None),
    "a seq too large": (bay(state(seq=2**53)), "range"),
    "a seq of 400 digits": (bay(GOOD[:-1] + b',"seq":' + b"9" * 400 + b"}"), "range"),
    "half a seq": (bay(state(seq=1.5)), "schema"),
    "a whole seq with a point": (bay(state(seq=1.0)), None),
    "a seq as text": (bay(state(seq="1")), "schema"),
    "true for a seq": (bay(state(seq=True)), "schema"),
    "no seq": (bay(state(seq=None)), None),
    "an unknown state": (bay(state("on fire")), "schema"),
    "a state in other letters": (bay(state("Free")), "schema"),
    "no state": (bay(state(None)), "schema"),
    "a key twice": (bay(GOOD[:-1] + b',"status":"occupied"}'), None),
    "a zero in a text": (delivery(BUS, {"dateObserved": at(0), "route": "a\x00b"}), "schema"),
    "another device": (bay(state(device="bay-2")), "unknown_device"),
    "its own name": (bay(state(device="bay-1")), None),
    "its gateway": (bay([state(device="bay-9")], "gw-1"), None),
    "a device that is a number": (bay(state(device=5)), "schema"),
    "a device without a name": (bay(state(device="")), "schema"),
    "a device that is no level": (bay(state(device="a/b")), "schema"),
    "an unregistered device": (bay(state(), "ghost"), "unknown_device"),
    "a device of another kind": (on("/energy_meter/bay-1/tele"), "unknown_device"),
    "an unknown kind": (on("/toaster/bay-1/tele"), "unknown_kind"),
    "an empty level": (on("/parking_bay//tele"), "topic"),
    "too few levels": (on("/parking_bay"), "topic"),
    "the city alone": (on(""), "topic"),
    "too many levels": (on("/parking_bay/bay-1/tele/x"), "topic"),
    "a slash behind": (on("/parking_bay/bay-1/tele/"), "topic"),
    "an unknown channel": (on("/parking_bay/bay-1/telemetry"), "topic"),
    "an unknown event": (on("/parking_bay/bay-1/event/explosion"), "topic"),
    "a device of the broker's": (on("/parking_bay/$SYS/tele"), "unknown_device"),
    "a device of 5,000 characters": (on(f"/parking_bay/{'x' * 5_000}/tele"), "topic"),
}


@pytest.mark.parametrize("scanning", [True, False])
def test_each_ends_with_the_reason_the_documentation_gives_it(scanning: bool) -> None:
    found = {}
    for name, (message, _) in CASES.items():
        decoded = Decoder(TOPICS, scanning=scanning).decode([message], registry())
        stored = sum(len(batch) for batch in decoded.batches)
        assert stored + len(decoded.rejections) == 1, name
        found[name] = decoded.rejections[0].reason if decoded.rejections else None
    assert found == {name: reason for name, (_, reason) in CASES.items()}


def test_all_in_one_take_they_fare_no_worse() -> None:
    decoded = Decoder(TOPICS).decode([message for message, _ in CASES.values()], registry())
    reasons = {id(rejection.delivery): rejection.reason for rejection in decoded.rejections}
    assert [reasons.get(id(message)) for message, _ in CASES.values()] == [reason for _, reason in CASES.values()]
    assert sum(len(batch) for batch in decoded.batches) == sum(reason is None for _, reason in CASES.values())


def test_the_reason_is_told_with_what_was_sent_and_what_would_be_right() -> None:
    telling = {"out of range": "powerFactor is 1.4, must be -1–1", "half a seq": "seq is 1.5, must be an integer 0–"}
    for name, words in telling.items():
        (refused,) = Decoder(TOPICS).decode([CASES[name][0]], registry()).rejections
        assert refused.detail.startswith(words)
        assert json.loads(refused.payload)
