"""The AsyncAPI document: every stream has a channel whose address the topic grammar reads back as that stream."""

import json

from devices.asyncapi import asyncapi, document
from devices.kinds import kinds, streams
from devices.topics import Address, Topics


def test_every_stream_has_a_channel_at_its_topic() -> None:
    topics = Topics("310000", kinds())
    channels = document()["channels"]
    for name in streams():
        address = topics.read(channels[name]["address"].format(city="310000", device="d"))
        assert isinstance(address, Address)
        assert address.stream is not None
        assert address.stream.name == name


def test_outputs_have_their_topics() -> None:
    topics = Topics("310000", kinds())
    channels = document()["channels"]
    assert channels["vitals"]["address"].format(city="310000", area="310104") == topics.vitals("310104")
    assert channels["tick"]["address"].format(city="310000") == topics.tick
    assert channels["incident"]["address"].format(city="310000", incident="x") == topics.incident("x")
    assert channels["meta"]["address"].format(city="310000", kind="bus", device="7") == topics.meta("bus", "7")
    assert channels["error"]["address"].format(city="310000", kind="bus", device="7") == topics.error("bus", "7")
    bus, ack = kinds()["bus"], {"city": "310000", "kind": "bus", "device": "7", "event": "arrival"}
    assert channels["watermark"]["address"].format(**ack) == topics.watermark(bus.stream, "7")
    assert channels["event_watermark"]["address"].format(**ack) == topics.watermark(bus.event_streams["arrival"], "7")


def test_every_reference_leads_somewhere_and_every_parameter_is_described() -> None:
    whole = json.loads(asyncapi())

    def check(node: object) -> None:
        if isinstance(node, dict):
            if str(node.get("$ref", "")).startswith("#/") and "$defs" not in node["$ref"]:
                target: object = whole
                for part in node["$ref"][2:].split("/"):
                    assert isinstance(target, dict)
                    target = target[part]
            for value in node.values():
                check(value)
        elif isinstance(node, list):
            for value in node:
                check(value)

    check(whole)
    for channel in whole["channels"].values():
        inside = {part[1:-1] for part in channel["address"].split("/") if part.startswith("{")}
        assert inside == set(channel["parameters"])


def test_operations_are_told_from_cityvitals_side() -> None:
    operations = document()["operations"]
    assert operations["receive_parking_bay"]["action"] == "receive"
    assert operations["send_vitals"]["bindings"]["mqtt"] == {"qos": 1, "retain": True}
    assert operations["receive_bus"]["bindings"]["mqtt"]["retain"] is False
