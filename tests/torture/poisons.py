"""Ways for a message to be refused, each with the reason that ingest must give; pure."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from tests.torture.book import Entry
from tests.torture.small_city import DAY, SWAPPED, Device, telemetry, topic_of

if TYPE_CHECKING:
    from tests.torture.cast import Cast

Made = tuple[str, bytes, tuple[Entry, ...]]
"""topic, payload, entries"""
Poison = Callable[["Cast", str, float], Made]
"""(who publishes, the id that the payload must hold, seconds since 1970)"""


def _refused(poison: str, reason: str, stream: str = "?", value: str | None = None) -> tuple[Entry, ...]:
    return (Entry(poison, "rejected", stream, reason, value),)


def _bay(cast: "Cast") -> Device:
    return cast.devices[cast.rng.randrange(6)]


def _cut_short(cast: "Cast", name: str, now: float) -> Made:
    return telemetry(_bay(cast)), b'{"note": "%s", "dateObserved": ' % name.encode(), _refused(name, "syntax")


def _not_utf8(cast: "Cast", name: str, now: float) -> Made:
    return telemetry(_bay(cast)), b"\xff\xfe\x00" + name.encode(), _refused(name, "syntax")


def _nested(cast: "Cast", name: str, now: float) -> Made:
    return telemetry(_bay(cast)), b'["%s",' % name.encode() + b"[" * 3_000, _refused(name, "syntax")


def _nan(cast: "Cast", name: str, now: float) -> Made:
    return telemetry(_bay(cast)), b'{"note": "%s", "speed": NaN}' % name.encode(), _refused(name, "schema")


def _no_object(cast: "Cast", name: str, now: float) -> Made:
    return telemetry(_bay(cast)), orjson.dumps(name), _refused(name, "schema")


def _undated(cast: "Cast", name: str, now: float) -> Made:
    return telemetry(_bay(cast)), orjson.dumps({"status": "free", "note": name}), _refused(name, "schema")


def _wrong_type(cast: "Cast", name: str, now: float) -> Made:
    body = {"dateObserved": int(now * 1000), "status": ["free"], "seq": 2**70, "note": name}
    return telemetry(_bay(cast)), json.dumps(body).encode(), _refused(name, "schema")  # orjson writes no such integer


def _out_of_range(cast: "Cast", name: str, now: float) -> Made:
    meter = cast.devices[6]
    body = {"dateObserved": int(now * 1000), "seq": 10**9 + cast.poisons, "powerFactor": 1.4, "note": name}
    return telemetry(meter), orjson.dumps(body), _refused(name, "range")


def _long_ago(cast: "Cast", name: str, now: float) -> Made:
    body = {"dateObserved": "1970-01-01T00:00:00Z", "seq": 10**9 + cast.poisons, "status": "free", "note": name}
    return telemetry(_bay(cast)), orjson.dumps(body), _refused(name, "clock")


def beyond_the_gate(cast: "Cast", name: str, now: float) -> Made:
    device, ahead = _bay(cast), cast.rng.choice([3_600, DAY / 2, DAY])
    millis, number = int((now + ahead) * 1000), 10**9 + cast.poisons
    body = {"dateObserved": millis, "seq": number, "status": "free", "note": name}
    stored_as = f"parking_bay|{device.id}|{millis * 1000}|{number}"
    return telemetry(device), orjson.dumps(body), _refused(name, "clock", "parking_bay", stored_as)


def _stranger(cast: "Cast", name: str, now: float) -> Made:
    body = {"dateObserved": int(now * 1000), "status": "free", "note": name}
    return topic_of("parking_bay", f"ghost-{name}", "tele"), orjson.dumps(body), _refused(name, "unknown_device")


def _unknown_kind(cast: "Cast", name: str, now: float) -> Made:
    return topic_of("toaster", "t-1", "tele"), orjson.dumps({"note": name}), _refused(name, "unknown_kind")


def _bad_topic(cast: "Cast", name: str, now: float) -> Made:
    return topic_of("parking_bay", _bay(cast).id, "telemetry"), orjson.dumps({"note": name}), _refused(name, "topic")


def _too_large(cast: "Cast", name: str, now: float) -> Made:
    return telemetry(_bay(cast)), b'"%s' % name.encode() + b"x" * 1_048_576 + b'"', _refused(name, "too_large")


def _rotten_pack(cast: "Cast", name: str, now: float) -> Made:
    device = _bay(cast)
    made = [cast.reading(device, now) for _ in range(3)]
    bad = {"dateObserved": int(now * 1000), "seq": 10**9 + cast.poisons, "status": 5, "note": name}
    bodies = [made[0][0], bad, made[1][0], made[2][0]]
    return telemetry(device), orjson.dumps(bodies), (*(e for _, e in made), *_refused(name, "schema"))


def _conflicting(cast: "Cast", name: str, now: float) -> Made:
    """The identity of a reading said before, with another status; ``value`` names that reading."""
    for said in reversed(cast.said):
        device = said.topic.split("/")[3]
        if len(said.entries) == 1 and said.entries[0].stream == "parking_bay" and said.sort != "probe":
            body = orjson.loads(said.payload)
            if isinstance(body, dict) and body["dateObserved"] != 0:
                body |= {"status": SWAPPED, "note": name}
                original = said.entries[0].id
                cast.said.remove(said)  # one conflict for a reading
                topic = topic_of("parking_bay", device, "tele")
                return topic, orjson.dumps(body), _refused(name, "conflict", "parking_bay", original)
    return _undated(cast, name, now)


POISONS: dict[Poison, int] = {
    _cut_short: 20, _not_utf8: 10, _nested: 5, _nan: 5, _no_object: 10, _undated: 10, _wrong_type: 10,
    _out_of_range: 15, _long_ago: 10, beyond_the_gate: 10, _stranger: 15, _unknown_kind: 10, _bad_topic: 10,
    _too_large: 1, _rotten_pack: 15, _conflicting: 15,
}  # fmt: skip
"""ways to be refused, with their weights"""
