"""What a device says of itself at birth, and whether it is online."""

from typing import Any

import orjson
import pytest

from devices.contract import Flaw
from devices.topics import Address
from ingest.birth import Birth, attributes_flaw, read_birth, read_status
from ingest.registration import MAX_ATTRIBUTES, MAX_NAME
from ingest.registry import Device

AREAS = frozenset({"310000", "310104003"})
ADDRESS = Address("parking_bay", "bay-17", "meta")
POINT = {"type": "Point", "coordinates": [121.43, 31.19]}


def read(**body: Any) -> Birth | Flaw:
    return read_birth(ADDRESS, orjson.dumps(body), AREAS)


def test_a_full_birth() -> None:
    attributes = {"reportingInterval": 30, "measures": ["status"], "vendor": "某厂"}
    born = read(area="310104003", location=POINT, name="Bay 17", attributes=attributes, unknown=1)
    assert born == Birth("bay-17", "parking_bay", "310104003", 121.43, 31.19, "Bay 17", attributes)


def test_the_least_a_birth_can_say_is_its_area() -> None:
    assert read(area="310104003") == Birth("bay-17", "parking_bay", "310104003", None, None, None, {})
    assert read(area="310104003", location=None, name=None, attributes=None) == read(area="310104003")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "area is missing, must be the code of an area of this city"),
        ({"area": None}, "area is null, must be the code of an area of this city"),
        ({"area": 310104003}, "area is 310104003, must be the code"),
        ({"area": "110000"}, 'area is "110000", must be the code'),
        ({"area": ["310104003"]}, "must be the code"),
        ({"area": "310104003", "name": 5}, "name is 5, must be text of at most 256 characters"),
        ({"area": "310104003", "name": "x" * (MAX_NAME + 1)}, "must be text of at most"),
        ({"area": "310104003", "name": "a\x00b"}, "must be text of at most"),
        (
            {"area": "310104003", "location": [121, 31]},
            "location is [121, 31], must be a GeoJSON Point (longitude, latitude)",
        ),
        ({"area": "310104003", "location": {"type": "Point", "coordinates": [31, 121]}}, "must be a GeoJSON Point"),
        ({"area": "310104003", "attributes": []}, "must be a JSON object"),
        ({"area": "310104003", "attributes": [1]}, "attributes is [1], must be a JSON object"),
        ({"area": "310104003", "attributes": {"note": "x" * MAX_ATTRIBUTES}}, f"must be at most {MAX_ATTRIBUTES}"),
        ({"area": "310104003", "attributes": {"note": "\x00"}}, "without NUL"),
        ({"area": "310104003", "attributes": {"reportingInterval": 0}}, "attributes.reportingInterval is 0, must be"),
        ({"area": "310104003", "attributes": {"reportingInterval": 1e-300}}, "must be seconds, 0.001–31536000"),
        ({"area": "310104003", "attributes": {"reportingInterval": True}}, "reportingInterval is true"),
        ({"area": "310104003", "attributes": {"watermark": 5}}, "attributes.watermark is 5, must be true, false or"),
        ({"area": "310104003", "attributes": {"retired": "yes"}}, 'attributes.retired is "yes", must be true or false'),
        ({"area": "310104003", "attributes": {"gateway": ["a", "b"]}}, 'gateway is ["a", "b"], must be the id of one'),
        ({"area": "310104003", "attributes": {"gateway": "a/b"}}, 'attributes.gateway is "a/b", must be the id'),
        (
            {"area": "310104003", "attributes": {"measures": "status"}},
            'attributes.measures is "status", must be a list',
        ),
    ],
)
def test_a_flawed_birth_names_field_value_and_what_would_be_right(body: dict[str, Any], words: str) -> None:
    flaw = read(**body)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == "schema"
    assert words in flaw.detail


@pytest.mark.parametrize("payload", [b"", b"birth", b"\xff", b"[" * 3000])
def test_a_birth_that_is_not_json(payload: bytes) -> None:
    flaw = read_birth(ADDRESS, payload, AREAS)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == "syntax"


def test_attributes_nested_too_deeply_to_be_kept() -> None:
    deep = orjson.loads(b'{"a":' + b"[" * 600 + b"]" * 600 + b"}")
    flaw = attributes_flaw(deep)
    assert flaw is not None
    assert "cannot be kept as JSON" in flaw.detail
    assert isinstance(read_birth(ADDRESS, b'{"area":' + b"[" * 900 + b"]" * 900 + b"}", AREAS), Flaw)


def test_a_birth_changes_what_the_registry_does_not_hold_alike() -> None:
    born = Birth("bay-17", "parking_bay", "310104003", 121.43, 31.19, "Bay 17", {"a": 1})
    same = Device(5, "bay-17", "parking_bay", "310104003", 121.43, 31.19, "Bay 17", {"a": 1})
    moved = Device(5, "bay-17", "parking_bay", "310104003", 121.44, 31.19, "Bay 17", {"a": 1})
    assert born.changes(None)
    assert not born.changes(same)
    assert born.changes(moved)


@pytest.mark.parametrize("payload", [b"online", b'"online"', b" online\n"])
def test_a_status_plain_or_as_a_json_string(payload: bytes) -> None:
    assert read_status(payload) == "online"


def test_a_status_of_another_word_is_a_flaw() -> None:
    assert read_status(b"busy") == Flaw("schema", 'status is "busy", must be online|offline')
    assert isinstance(read_status(b"\xff"), Flaw)
