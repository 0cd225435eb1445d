"""Topics read back as what they were built from; what is no topic of a device is refused or left alone."""

import pytest

from devices.contract import Flaw
from devices.kinds import kinds
from devices.topics import Address, Topics, device_flaw

TOPICS = Topics("310000", kinds())


def test_topics_read_back_as_what_they_were_built_from() -> None:
    bus = kinds()["bus"]
    arrival = bus.event_streams["arrival"]
    assert TOPICS.read(TOPICS.telemetry("bus", "7")) == Address("bus", "7", "tele", bus.stream)
    assert TOPICS.read(TOPICS.event("bus", "7", "arrival")) == Address("bus", "7", "event", arrival)
    assert TOPICS.read(TOPICS.meta("bus", "7")) == Address("bus", "7", "meta")
    assert TOPICS.read(TOPICS.status("bus", "7")) == Address("bus", "7", "status")
    assert TOPICS.stream(arrival, "7") == "cv1/310000/bus/7/event/arrival"
    assert TOPICS.stream(bus.stream, "7") == "cv1/310000/bus/7/tele"


@pytest.mark.parametrize(
    "topic",
    [
        TOPICS.vitals("310104"),
        TOPICS.tick,
        TOPICS.command("registry"),
        TOPICS.error("bus", "7"),
        TOPICS.watermark(kinds()["bus"].stream, "7"),
        TOPICS.watermark(kinds()["bus"].event_streams["arrival"], "7"),
        "cv1/310000/bus/7/cmd",
    ],
)
def test_outputs_and_answers_are_none_of_ingests_business(topic: str) -> None:
    assert TOPICS.read(topic) is None


@pytest.mark.parametrize(
    ("topic", "reason", "detail"),
    [
        ("cv2/310000/bus/7/tele", "topic", "must be cv1/{city}"),
        ("cv1/110000/bus/7/tele", "topic", "must be cv1/{city}"),
        ("cv1/310000/bus/7", "topic", "must be cv1/{city}"),
        ("cv1/310000/bus/7/tele/x", "topic", "must be cv1/{city}"),
        ("cv1/310000/tram/7/tele", "unknown_kind", 'kind is "tram", must be one of bus, car_park'),
        ("cv1/310000/bus/7/event/birth", "topic", 'event is "birth", must be one of arrival'),
        ("cv1/310000/car_park/7/event/x", "topic", 'event is "x", must not be there: car_park has no events'),
        ("cv1/310000/bus//tele", "topic", 'device id is ""'),
        ("cv1/310000/bus/ 7/tele", "topic", "no blank at either end"),
    ],
)
def test_a_wrong_topic_is_explained(topic: str, reason: str, detail: str) -> None:
    flaw = TOPICS.read(topic)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == reason
    assert detail in flaw.detail


@pytest.mark.parametrize("device", ["a", "24281[Hauptbahnhof Süd]", "x" * 128, "泊位-1", "a b"])
def test_device_ids_are_kept_verbatim(device: str) -> None:
    assert device_flaw(device) is None
    address = TOPICS.read(TOPICS.telemetry("bus", device))
    assert isinstance(address, Address)
    assert address.device == device


@pytest.mark.parametrize("device", ["", "x" * 129, "a/b", "a+", "#", "a\x00", "a\n", " a", "a ", "\ud800"])
def test_impossible_device_ids_are_refused(device: str) -> None:
    assert device_flaw(device) is not None
