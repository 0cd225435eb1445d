"""Kinds are found by being there; the first five are named in both languages and say what their fields are."""

import pytest

from devices.contract import Kind, Stream
from devices.kinds import kinds, streams

FIRST = ("bus", "car_park", "energy_meter", "garbage_hut", "parking_bay")


def test_the_first_kinds_and_their_events_are_there() -> None:
    assert set(kinds()) >= set(FIRST)
    assert set(streams()) >= {*kinds(), "bus_arrival", "garbage_hut_illegal_dumping"}


@pytest.mark.parametrize("kind", [kinds()[name] for name in FIRST], ids=FIRST)
def test_a_kind_is_named_in_both_languages_and_reports_in_sane_intervals(kind: Kind) -> None:
    assert kind.name_en.isascii()
    assert not kind.name_zh.isascii()
    assert 1 <= kind.reporting_interval <= 86_400


@pytest.mark.parametrize("kind", [kinds()[name] for name in FIRST], ids=FIRST)
def test_every_field_has_a_description_and_every_number_a_unit_and_bounds(kind: Kind) -> None:
    for stream in kind.streams:
        assert stream.fields
        for spec in stream.fields:
            assert spec.description, spec.name
            if spec.type == "number":
                assert spec.unit is not None, spec.name
                assert spec.lower is not None, spec.name
                assert spec.upper is not None, spec.name


@pytest.mark.parametrize("stream", streams().values(), ids=streams())
def test_the_json_schema_has_the_bounds_of_every_number(stream: Stream) -> None:
    properties = stream.json_schema()["properties"]
    for spec in stream.fields:
        if spec.type in ("number", "integer"):
            described = properties[spec.name].get("anyOf", [properties[spec.name]])[0]
            assert (described["minimum"], described["maximum"]) == (spec.lower, spec.upper), spec.name
    number = properties["seq"]["anyOf"][0]
    assert (number["minimum"], number["maximum"]) == (0, 2**53 - 1)


def test_column_names_do_not_repeat_within_a_stream() -> None:
    for stream in streams().values():
        columns = [column for spec in stream.fields for column in spec.columns]
        assert len(columns) == len(set(columns))
