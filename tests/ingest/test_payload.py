"""Payloads come apart into JSON values, and the text of one item of a pack is found again."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.contract import Flaw
from ingest.payload import ALONE, MAX_PACK, MAX_PAYLOAD, item_text, items_of, read_value


@pytest.mark.parametrize(
    ("payload", "reason", "words"),
    [
        (b"", "syntax", "the payload is not JSON"),
        (b"{", "syntax", "line 1 column"),
        (b"\xff\xfe", "syntax", "not JSON"),
        (b"[" * 2000 + b"]" * 2000, "syntax", "not JSON"),
        (b"[]", "schema", "the pack is empty, must hold at least one reading"),
        (b"[" + b"[[]]," * 60_000 + b"1]", "too_large", "opens 120001 lists and objects, must be at most 100000"),
        (b"[" + b"1," * MAX_PACK + b"1]", "too_large", f"holds {MAX_PACK + 1} readings, must hold at most {MAX_PACK}"),
        (b" " * (MAX_PAYLOAD + 1), "too_large", f"has {MAX_PAYLOAD + 1} bytes, must be at most {MAX_PAYLOAD}"),
    ],
)
def test_what_cannot_be_taken_apart_has_one_flaw(payload: bytes, reason: str, words: str) -> None:
    flaw = read_value(payload)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == reason
    assert words in flaw.detail


def read(payload: bytes) -> list[tuple[int, Any]]:
    value = read_value(payload)
    assert not isinstance(value, Flaw), value
    return list(items_of(value))


def test_one_object_comes_alone_and_a_pack_with_positions() -> None:
    assert read(b'{"a": 1}') == [(ALONE, {"a": 1})]
    assert read(b"17") == [(ALONE, 17)]
    assert read(b'[{"a": 1}, [2], null]') == [(0, {"a": 1}), (1, [2]), (2, None)]


def test_the_text_of_a_value_that_came_alone_is_the_payload_itself() -> None:
    assert item_text(b' {"a": 1.0} ', ALONE, {"a": 1.0}) == b' {"a": 1.0} '


def deep(levels: int) -> str:
    return "[" * levels + '"]}\\"["' + "]" * levels


def test_an_item_nested_too_deeply_to_be_written_again_is_cut_out_of_its_pack() -> None:
    one, other = f'{{"x": {deep(300)}}}', f'{{"y": {deep(900)}}}'
    pack = f'[{{"a,b": "[1,2"}}, {one} , 5, {other}]'
    values = read(pack.encode())
    assert [item_text(pack.encode(), item, value) for item, value in values] == [
        b'{"a,b":"[1,2"}',
        one.encode(),
        b"5",
        other.encode(),
    ]


json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)),
    max_leaves=8,
)


@given(st.lists(json_values, min_size=1, max_size=5), st.sampled_from([None, 1]))
def test_every_item_of_a_pack_is_found_again_as_the_same_value(values: list[Any], indent: int | None) -> None:
    nested = [*values, json.loads(deep(400))]
    pack = json.dumps(nested, indent=indent, ensure_ascii=False).encode()
    last = item_text(pack, len(values), nested[-1])
    assert json.loads(last) == nested[-1]
    texts = [item_text(pack, item, nested[-1]) for item in range(len(values))]  # as if each were too deep
    assert [json.loads(text) for text in texts] == values


@pytest.mark.parametrize("wild", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_is_none_costs_its_reading_and_not_the_pack(wild: str) -> None:
    payload = f'[{{"speed":1}},{{"speed":{wild},"note":"NaN"}},{{"speed":3}}]'.encode()
    values = read_value(payload)
    assert [value["speed"] for value in values[::2]] == [1, 3]
    assert not math.isfinite(values[1]["speed"])
    assert item_text(payload, 1, values[1]) == f'{{"speed":{wild},"note":"NaN"}}'.encode()
    assert item_text(payload, 2, values[2]) == b'{"speed":3}'


@pytest.mark.parametrize(
    "payload", [b'{"a":NaN', b'["NaN"', b'{"a":NaN,"b":"\\ud800"}', b"\xff NaN", b"[" * 5000 + b"NaN"]
)
def test_what_is_not_json_apart_from_its_numbers_is_a_syntax_error(payload: bytes) -> None:
    flaw = read_value(payload)
    assert isinstance(flaw, Flaw)
    assert flaw.reason == "syntax"
