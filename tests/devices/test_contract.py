"""A declaration becomes fields, bounds and words; readings are judged with field, value and bound named."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from devices.contract import ContractError, Event, Kind, Stream, Telemetry, shown, snake_case
from devices.explaining import explain
from devices.kinds import streams
from devices.units import Celsius, Count, Instant, Label, Point, Ratio

AT = {"dateObserved": "2026-11-20T08:00:00Z"}


class Probe(Telemetry):
    """A probe."""

    fillLevel: Ratio | None = Field(default=None, description="how full")  # noqa: N815 - a wire name
    heat: Celsius | None = None
    cars: Count | None = None
    open: bool | None = None
    mode: Literal["a", "b"] | None = None
    note: Label | None = None
    seen: Instant | None = None
    place: Point | None = None
    gap: Annotated[float, Field(gt=0, lt=2)] | None = None


class Opened(Event):
    """The probe was opened."""

    by: Label


PROBE = Kind(id="probe", name_en="Probe", name_zh="探头", telemetry=Probe, events={"opened": Opened})


def test_fields_follow_from_the_declaration() -> None:
    by_name = PROBE.stream.field_by_name
    assert {name: spec.type for name, spec in by_name.items()} == {
        "fillLevel": "number", "heat": "number", "cars": "integer", "open": "boolean", "mode": "choice",
        "note": "label", "seen": "instant", "place": "point", "gap": "number",
    }  # fmt: skip
    assert by_name["place"].columns == ("place_lon", "place_lat")
    assert by_name["fillLevel"].columns == ("fill_level",)
    assert (by_name["heat"].lower, by_name["heat"].upper) == (-60, 1200)
    assert by_name["heat"].unit is not None
    assert by_name["heat"].unit.symbol == "°C"
    assert by_name["fillLevel"].description == "how full"


def test_streams_are_named_after_kind_and_event() -> None:
    assert [stream.name for stream in PROBE.streams] == ["probe", "probe_opened"]
    assert [stream.is_event for stream in PROBE.streams] == [False, True]


@pytest.mark.parametrize(
    ("reading", "reason", "detail"),
    [
        ({"fillLevel": 1.4}, "range", "fillLevel is 1.4, must be 0–1"),
        ({"heat": -61.0}, "range", "heat is -61.0, must be -60–1200 °C"),
        ({"gap": 0}, "range", "gap is 0, must be more than 0 and less than 2"),
        ({"fillLevel": "0.5"}, "schema", 'fillLevel is "0.5", must be a number, 0–1'),
        ({"cars": 1.5}, "schema", "cars is 1.5, must be an integer, 0–10000000"),
        ({"open": 1}, "schema", "open is 1, must be true or false"),
        ({"mode": "c"}, "schema", 'mode is "c", must be one of a|b'),
        ({"note": ""}, "range", 'note is "", must be text of 1–128 characters'),
        ({"note": "\x00"}, "schema", "must be text of 1–128 characters, without NUL"),
        ({"dateObserved": "2026-02-30T08:00:00Z", "heat": 1}, "schema", "must be a date and time that exists (day"),
        (
            {"dateObserved": 1_795_161_600_000_000, "heat": 1},
            "schema",
            "must be milliseconds since 1970, a number of 13",
        ),
        ({"filllevel": 0.4, "device": "x"}, "schema", 'place, gap; "filllevel" is none of them'),
        (
            {"place": {"type": "Point", "coordinates": [200, 0]}},
            "range",
            "must be a GeoJSON Point (longitude, latitude) such as",
        ),
        ({}, "schema", "the reading has no measurement, must have at least one of fillLevel"),
        ({"fillLevel": None}, "schema", "no measurement"),
        ({"fillLevel": 0.5, "seq": -1}, "range", "seq is -1, must be an integer 0–9007199254740991"),
        ({"fillLevel": 2, "open": "x"}, "schema", "fillLevel is 2, must be 0–1; open is"),
    ],
)
def test_a_flaw_names_field_value_and_bound(reading: dict[str, Any], reason: str, detail: str) -> None:
    flaw = explain(PROBE.stream, AT | reading)
    assert flaw is not None
    assert flaw.reason == reason
    assert detail in flaw.detail


@pytest.mark.parametrize("value", [None, 3, "text", [], [AT]])
def test_a_reading_is_an_object(value: object) -> None:
    flaw = explain(PROBE.stream, value)
    assert flaw is not None
    assert flaw.detail.endswith("must be a JSON object")


def test_a_reading_needs_the_time_it_was_observed() -> None:
    flaw = explain(PROBE.stream, {"fillLevel": 0.5})
    assert flaw is not None
    assert "dateObserved is missing" in flaw.detail


def test_valid_readings_pass_and_unknown_fields_are_ignored() -> None:
    assert explain(PROBE.stream, AT | {"fillLevel": 1, "colour": "red", "seq": 4.0}) is None
    assert explain(PROBE.stream, AT | {"cars": 3.0}) is None
    assert explain(PROBE.stream, {"dateObserved": 1_763_625_600_000, "open": False}) is None


@pytest.mark.parametrize("bad", ["Bus", "1st", "a-b", "", "x" * 42, "out", "in"])
def test_a_kind_with_an_impossible_id_is_refused(bad: str) -> None:
    with pytest.raises(ContractError):
        Kind(id=bad, name_en="x", name_zh="x", telemetry=Probe)


def test_fields_the_contract_cannot_carry_are_refused() -> None:
    class Wrong(Telemetry):
        many: list[int] | None = None

    with pytest.raises(ContractError, match="field many of"):
        _ = Stream("wrong", "wrong", Wrong).fields


def test_the_json_schema_carries_units_and_asks_for_a_measurement() -> None:
    schema = PROBE.stream.json_schema()
    assert schema["properties"]["heat"]["x-unit"] == "°C"
    assert {"required": ["fillLevel"]} in schema["anyOf"]
    assert "anyOf" not in streams()["parking_bay"].json_schema()


def test_names_become_snake_case() -> None:
    assert [snake_case(name) for name in ("totalActivePower", "h2s", "dateObserved")] == [
        "total_active_power", "h2s", "date_observed",
    ]  # fmt: skip


def test_shown_values_are_bounded() -> None:
    assert shown("x" * 500).endswith("…")
    assert len(shown("x" * 500)) <= 80
