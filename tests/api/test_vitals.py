from typing import Any

import orjson
import pytest
from live_api import document

from api import vitals
from devices.city import City

AT = "2026-11-20T08:00:00+08:00"
LATER = "2026-11-20T08:00:01+08:00"


@pytest.fixture
def before(city: City, codes: dict[str, str]) -> vitals.Document:
    return document(city, codes["east"], 1, AT)


def test_changes_of_two_steps_add_up() -> None:
    assert vitals.merged(frozenset({"a"}), frozenset({"b"})) == {"a", "b"}
    assert vitals.merged(None, frozenset({"b"})) is None


def test_a_silenced_document_knows_nothing_but_how_old_it_is(before: vitals.Document) -> None:
    silent = vitals.silenced(before, LATER, 12.0)
    for _, value in vitals.values(silent):
        assert (value["value"], value["score"], value["reason"]) == (None, None, "pipeline_silent")
        assert value["contributions"] == []
        assert value["freshness"] == 13.5
    assert silent["at"] == LATER
    assert before["composite"]["score"] == 80.0, "the original is untouched"


def test_a_restamped_document_is_as_much_less_fresh(before: vitals.Document) -> None:
    later = vitals.restamped(before, 2, LATER, 1.0)
    assert (later["tick"], later["at"], later["composite"]["freshness"]) == (2, LATER, 2.5)


def test_a_compact_document_has_no_contributions(before: vitals.Document) -> None:
    slim = vitals.compact(before)
    assert all("contributions" not in value for _, value in vitals.values(slim))
    assert slim["composite"]["score"] == 80.0
    assert "tick" not in slim


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        ("composite", {"composite"}),
        ("parking", {"domains": {"parking"}}),
        ("parking.unknown_share", {"domains": {"parking": {"indicators": {"parking.unknown_share"}}}}),
        ("noise", set()),
    ],
)
def test_a_single_index_stands_where_it_stands_in_the_document(before: vitals.Document, index: str, shape: Any) -> None:
    single = vitals.single(before, index)
    assert single.keys() - {"area", "level", "name"} == (shape if isinstance(shape, set) else shape.keys())
    if index == "parking":
        assert (single["domains"]["parking"]["score"], "indicators" in single["domains"]["parking"]) == (80.0, False)
    if index == "parking.unknown_share":
        assert single["domains"]["parking"]["indicators"][index]["score"] == 90.0
    assert b"contributions" not in orjson.dumps(single)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"1", b'{"area": "1"}', b'{"area":"1","level":"city","at":"x","composite":{},"domains":{}}', b"\xff"],
)
def test_what_is_no_document_is_refused(payload: bytes) -> None:
    with pytest.raises(vitals.OutputError, match="not a vitals document"):
        vitals.parse_document(payload, "1")


def test_a_document_on_another_areas_topic_is_refused(before: vitals.Document) -> None:
    with pytest.raises(vitals.OutputError, match="its topic says '999999'"):
        vitals.parse_document(orjson.dumps(before), "999999")


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"tick":"1","at":"2026-11-20T08:00:00Z"}', b'{"tick":1,"at":"now"}', b"3"]
)
def test_what_is_no_tick_is_refused(payload: bytes) -> None:
    with pytest.raises(vitals.OutputError):
        vitals.parse_tick(payload)
