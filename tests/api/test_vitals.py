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


def test_freshness_tick_and_time_alone_are_no_change(
    city: City, codes: dict[str, str], before: vitals.Document
) -> None:
    after = document(city, codes["east"], 2, LATER, freshness=2.5)
    assert vitals.changes(before, after) == frozenset()


def test_each_changed_value_is_named(city: City, codes: dict[str, str], before: vitals.Document) -> None:
    after = document(city, codes["east"], 2, LATER, score=70.0)
    assert vitals.changes(before, after) == {"composite", "parking", "parking.kerb_occupancy"}


def test_a_part_has_the_shape_of_the_document_and_only_what_changed(before: vitals.Document) -> None:
    part = vitals.part(before, frozenset({"parking.unknown_share", "energy"}))
    assert part.keys() == {"domains"}
    assert part["domains"]["parking"] == {
        "indicators": {"parking.unknown_share": before["domains"]["parking"]["indicators"]["parking.unknown_share"]}
    }
    assert part["domains"]["energy"] == {k: v for k, v in before["domains"]["energy"].items() if k != "indicators"}


def test_another_method_or_other_indicators_change_the_whole_document(before: vitals.Document) -> None:
    assert vitals.changes(before, {**before, "methodVersion": "2"}) is None
    fewer = {**before, "domains": {"parking": before["domains"]["parking"]}}
    assert vitals.changes(before, fewer) is None
    assert vitals.part(fewer, None) == fewer


def test_other_counts_of_devices_are_a_change_of_their_own(before: vitals.Document) -> None:
    after = {**before, "devices": {"parking_bay": {"expected": 10, "reporting": 9}}}
    assert vitals.changes(before, after) == {"devices"}
    assert vitals.part(after, frozenset({"devices"})) == {"devices": after["devices"]}


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
    assert vitals.changes(before, later) == frozenset()


def test_a_compact_document_has_no_contributions(before: vitals.Document) -> None:
    slim = vitals.compact(before)
    assert all("contributions" not in value for _, value in vitals.values(slim))
    assert slim["composite"]["score"] == 80.0
    assert "tick" not in slim


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
