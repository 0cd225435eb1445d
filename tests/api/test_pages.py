"""Pages: what is found and cut in the bytes of a document is what decoding it would have found."""

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_api import document, small_city

from api import vitals
from api.pages import Page, changes, indices, page_of, read_page
from api.vitals import OutputError

CITY = small_city()
EAST = CITY.areas[1].code
AT, LATER = "2026-11-20T08:00:00+08:00", "2026-11-20T08:00:01+08:00"
WATCHED = ("value", "unit", "score", "coverage", "state", "reason", "revision", "contributions")

NUMBERS = st.sampled_from([None, 0.0, 1.0, 80.0, 0.1 + 0.2, 1e-7, 1e22, -3.5])
TEXTS = st.sampled_from(["", "bay-1", 'a"value":1', '"freshness":2.5,', "]}}", "满\\", '"parking":{"value":'])
CHANGES = st.one_of(
    st.tuples(st.sampled_from(["value", "score", "coverage"]), NUMBERS),
    st.tuples(st.just("freshness"), NUMBERS),
    st.tuples(st.just("reason"), st.none() | TEXTS),
    st.tuples(st.just("revision"), st.integers(0, 9)),
    st.tuples(
        st.just("contributions"),
        st.lists(st.fixed_dictionaries({"device": TEXTS, "value": NUMBERS}), max_size=2),
    ),
)
EDITS = st.lists(st.tuples(st.integers(0, 4), CHANGES), max_size=5)


def raw(tick: int = 1, at: str = AT, **more: Any) -> bytes:
    return orjson.dumps(document(CITY, EAST, tick, at, **more))


def edited(found: dict[str, Any], edits: list[tuple[int, tuple[str, Any]]]) -> dict[str, Any]:
    """The document with fields of its VALUEs (by place) set to something else."""
    result = copy.deepcopy(found)
    told: list[Any] = [value for _, value in vitals.values(result)]
    for place, (field, to) in edits:
        told[place][field] = to
    return result


def named(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What changed, found the slow way."""
    if before.get("devices") != after.get("devices"):
        yield "devices"
    old = dict(vitals.values(before))
    for index, value in vitals.values(after):
        if any(_text(old[index][field]) != _text(value[field]) for field in WATCHED):
            yield index


def _text(of: Any) -> bytes:
    return orjson.dumps(of)


def only(found: dict[str, Any], chosen: frozenset[str]) -> dict[str, Any]:
    """The chosen VALUEs in the document's shape, cut out the slow way."""
    result: dict[str, Any] = {key: found[key] for key in ("devices", "composite") if key in chosen and key in found}
    domains: dict[str, Any] = {}
    for domain, value in found["domains"].items():
        own = {key: item for key, item in value.items() if key != "indicators"} if domain in chosen else {}
        if members := {index: item for index, item in value["indicators"].items() if index in chosen}:
            own["indicators"] = members
        if own:
            domains[domain] = own
    return result | ({"domains": domains} if domains else {})


@settings(deadline=None, max_examples=200)
@given(first=EDITS, second=EDITS, devices=st.booleans())
def test_changes_and_parts_are_those_of_the_decoded_documents(first: Any, second: Any, devices: bool) -> None:
    before = edited(document(CITY, EAST, 1, AT), first)
    after = edited(document(CITY, EAST, 2, LATER), second)
    if devices:
        after["devices"]["parking_bay"]["reporting"] = 3
    page = read_page(orjson.dumps(before), EAST)
    for later in (
        read_page(orjson.dumps(after), EAST, page),
        read_page(orjson.dumps(after, option=orjson.OPT_INDENT_2), EAST, page),
    ):
        found = changes(page, later)
        assert found is not None
        assert found == set(named(before, after))
        assert orjson.loads(later.part(found)) == only(after, found)
        assert later.document == after


@settings(deadline=None, max_examples=50)
@given(
    chosen=st.sets(st.sampled_from(["devices", *(index for index, _ in vitals.values(document(CITY, EAST, 1, AT)))]))
)
def test_any_choice_is_cut_out(chosen: set[str]) -> None:
    page = read_page(raw(), EAST)
    assert orjson.loads(page.part(frozenset(chosen))) == only(document(CITY, EAST, 1, AT), frozenset(chosen))
    assert page.part(None) == raw()


def test_what_goes_on_as_it_began_is_not_decoded() -> None:
    page = read_page(raw(), EAST)
    later = read_page(raw(2, LATER, score=60.0), EAST, page)
    assert "document" not in vars(later)
    assert later.at == LATER
    assert changes(page, later) == {"composite", "parking", "parking.kerb_occupancy"}
    assert later.document["composite"]["score"] == 60.0


@pytest.mark.parametrize("cut", [1, 20, 200, 700])
def test_what_is_cut_off_is_refused_also_when_the_beginning_is_right(cut: int) -> None:
    page = read_page(raw(), EAST)
    with pytest.raises(OutputError):
        read_page(raw(2, LATER)[:-cut], EAST, page)


def test_another_areas_document_is_refused() -> None:
    with pytest.raises(OutputError, match="its topic says"):
        read_page(raw(), "999999", read_page(raw(), EAST))


def test_another_method_or_other_indicators_change_the_whole_document() -> None:
    page = read_page(raw(), EAST)
    told = document(CITY, EAST, 2, LATER)
    assert changes(page, read_page(orjson.dumps(told | {"methodVersion": "2"}), EAST, page)) is None
    fewer = orjson.dumps(told | {"domains": {"parking": told["domains"]["parking"]}})
    assert changes(page, read_page(fewer, EAST, page)) is None
    other = raw(2, LATER).replace(b"parking.unknown_share", b"parking.unheard_share")
    renamed = read_page(other, EAST, page)
    assert changes(page, renamed) is None
    assert orjson.loads(renamed.part(frozenset({"parking.unheard_share"})))["domains"]["parking"]["indicators"]


def test_a_document_written_in_another_order_is_served_as_it_came() -> None:
    told = document(CITY, EAST, 1, AT)
    turned = orjson.dumps({key: told[key] for key in reversed(told)})
    page = read_page(turned, EAST)
    assert page.raw == turned
    assert changes(page, read_page(raw(2, LATER), EAST, page)) == frozenset()
    assert orjson.loads(page.part(frozenset({"energy"}))) == only(told, frozenset({"energy"}))


def test_an_event_is_one_line_however_a_document_was_written() -> None:
    page = read_page(orjson.dumps(document(CITY, EAST, 1, AT), option=orjson.OPT_INDENT_2), EAST)
    assert b"\n" not in page.raw
    later = read_page(raw(2, LATER).replace(b',"state"', b',\n"state"'), EAST, read_page(raw(), EAST))
    assert b"\n" not in later.raw


def test_an_area_that_nobody_heard_of_has_a_page() -> None:
    page = page_of(vitals.unheard(EAST, "district", {"zh": "东", "en": "East"}, AT))
    assert changes(page, read_page(raw(), EAST, page)) is None
    assert (page.level, orjson.loads(page.part(frozenset({"composite"})))["composite"]["score"]) == ("district", None)


def test_index_ids_come_with_their_units() -> None:
    pages: list[Page] = [read_page(raw(), EAST), read_page(raw(2, LATER), EAST)]
    assert indices(pages)["energy.load_factor"] == "kW"
    assert indices(pages).keys() == {index for index, _ in vitals.values(pages[0].document)}
