"""trace.toml: what it may say, what its errors say, and how cells become values and times."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from devices.recording import format as trace_format
from devices.recording.conversion import UnitError, conversion, number_reader
from devices.recording.format import TimeRules, TraceError, parse_trace
from devices.recording.times import TimeError, TimeReader
from devices.units import format_instant

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "traces.md"

HEAD = """
files = "x.csv"
kind = "car_park"
device.column = "id"
time.column = "t"
"""


def test_every_example_of_the_documentation_is_a_valid_trace() -> None:
    examples = re.findall(r"```toml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        assert parse_trace(example, "docs").source


def test_every_key_is_documented() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    classes = [table for table in vars(trace_format).values() if isinstance(table, type)]
    tables = [table for table in classes if issubclass(table, BaseModel)]
    keys = {info.alias or name for table in tables for name, info in table.model_fields.items()}
    assert keys
    assert [key for key in keys if not any(form in text for form in (f"`{key}`", f"[{key}]", f"`{key} ="))] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind = ", "not TOML"),
        (HEAD + "fields.totalSpotNumber = 'a'\nspeed = 3", "speed is not a key"),
        (HEAD, "source.1.fields is missing"),
        (HEAD + "fields.occupied = 'a'", "no such field, must be one of totalSpotNumber, occupiedSpotNumber"),
        (HEAD.replace("car_park", "tram") + "fields.x = 'a'", "kind 'tram' is not known; kinds: bus, car_park"),
        (HEAD + "event = 'arrival'\nfields.x = 'a'", "stream 'car_park_arrival' is not known"),
        (HEAD + "fields.totalSpotNumber = {column = 'a', unit = 'mph'}", "(speed), but the field is in 'no unit'"),
        (HEAD + "fields.totalSpotNumber = {column = 'a', zone = 'UTC'}", "format and zone are for times"),
        (HEAD + "fields.totalSpotNumber = {column = 'a', zone = 'UCT+1'}", "zone is 'UCT+1'"),
        (HEAD + "fields.totalSpotNumber = {column = 'a', colour = 1}", "totalSpotNumber.colour is not a key"),
        (HEAD + "fields.totalSpotNumber = {minus = 'b'}", "needs column, or constant"),
        (HEAD + "fields.totalSpotNumber = 'a'\ntime.zone = 'Mars/Base'", "zone is 'Mars/Base', must be a name such as"),
        (HEAD + "fields.totalSpotNumber = 'a'\ntime.format = 'D/M/Y'", "format is 'D/M/Y', must be iso"),
        (HEAD + "fields.totalSpotNumber = 'a'\ndevice.constant = 'b'", "['column', 'constant'] of column, columns"),
        (HEAD + "fields.totalSpotNumber = 'a'\nareas.rule = 'random'", "areas.rule is 'random'"),
        (HEAD + "fields.totalSpotNumber = 'a'\nareas.rule = 'constant'", "code is needed for"),
        (HEAD + "fields.totalSpotNumber = 'a'\nareas.rule = 'column'", "area (a column) is needed for"),
        (HEAD + "fields.totalSpotNumber = 'a'\n[[where]]\ncolumn = 'x'", "none of equals, not_equals, in, not_in"),
        ("kind = 'car_park'\ndevice.column = 'i'\ntime.column = 't'\nfields.totalSpotNumber = 'a'", "files is missing"),
    ],
)
def test_a_wrong_trace_names_the_file_the_key_and_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(TraceError) as error:
        parse_trace(text, "my/trace.toml")
    assert str(error.value).startswith("my/trace.toml: ")
    assert complaint in str(error.value)


def test_a_source_takes_what_stands_at_the_top_unless_it_says_it_itself() -> None:
    trace = parse_trace(
        HEAD.replace('files = "x.csv"', 'missing = ["?"]')
        + """
        fields.totalSpotNumber = "a"
        [[source]]
        files = "one.csv"
        [[source]]
        files = ["two.csv", "three.csv"]
        missing = []
        fields.occupiedSpotNumber = "b"
        """,
        "x",
    )
    assert [source.files for source in trace.source] == [["one.csv"], ["two.csv", "three.csv"]]
    assert [source.missing for source in trace.source] == [["?"], []]
    assert [list(source.fields) for source in trace.source] == [["totalSpotNumber"], ["occupiedSpotNumber"]]


@pytest.mark.parametrize(
    ("unit", "target", "value", "expected"),
    [
        ("mph", "km/h", 10.0, 10.0 * 1.609344),
        ("m/s", "km/h", 7.15264, 7.15264 * 3.6),
        ("%", "1", 43, 43 / 100),
        ("W", "kW", 1234, 1234 / 1000),
        ("Wh per minute", "kW", 18.0, 18.0 * 0.06),
        ("kWh per hour", "kW", 6.7, 6.7),
        ("kWh per 15 min", "kW", 2.5, 10.0),
        ("MWh", "kWh", 1.5, 1500.0),
        ("°F", "°C", 212, 100.0),
        ("K", "°C", 273.15, 0.0),
        ("g", "kg", 250, 0.25),
        ("μg/m³", "mg/m³", 1500, 1.5),
        ("km/h", "km/h", 7, 7),
    ],
)
def test_units_convert_in_plain_double_arithmetic(unit: str, target: str, value: float, expected: float) -> None:
    assert conversion(unit, target)(value) == expected


@pytest.mark.parametrize(("unit", "target"), [("furlong", "km/h"), ("kWh per 0 s", "kW"), ("kg", "kW"), ("W", "")])
def test_units_that_cannot_be_converted_are_refused(unit: str, target: str) -> None:
    with pytest.raises(UnitError, match=f"unit is '{unit}'"):
        conversion(unit, target)


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "number"),
    [
        ("12", ".", "", 12), (" -3 ", ".", "", -3), ("1.50", ".", "", 1.5), (".5", ".", "", 0.5),
        ("1e3", ".", "", 1000.0), ("1,5", ",", "", 1.5), ("1.234,5", ",", ".", 1234.5), ("1'234", ".", "'", 1234),
        ("1\u00a0234,5", ",", " ", 1234.5),
        ("nan", ".", "", None), ("inf", ".", "", None), ("1_000", ".", "", None), ("1,5", ".", "", None),
        ("1.5", ",", "", None), ("", ".", "", None), ("12a", ".", "", None), ("0x1f", ".", "", None),
        ("٣", ".", "", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_the_file_writes_them(
    text: str, decimal: str, thousands: str, number: float | None
) -> None:
    read = number_reader(decimal, thousands)(text)
    assert read == number
    assert type(read) is type(number)


def moment(text: str, device: str = "d", **rules: object) -> str:
    return format_instant(TimeReader(TimeRules.model_validate(rules)).read(text, device))


@pytest.mark.parametrize(
    ("text", "rules", "expected"),
    [
        ("2021-10-01T01:12:02.350Z", {}, "2021-10-01T01:12:02.350000Z"),
        ("2021-10-01T01:12:02Z", {}, "2021-10-01T01:12:02Z"),
        ("2024-12-05T02:44:37+03:00", {}, "2024-12-04T23:44:37Z"),
        ("2024-12-05 02:44:37", {"zone": "Europe/London"}, "2024-12-05T02:44:37Z"),
        ("2016-07-20 23:38:13", {"zone": "Europe/London"}, "2016-07-20T22:38:13Z"),
        ("2016-07-20T23:38:13+02:00", {"zone": "Europe/London"}, "2016-07-20T21:38:13Z"),
        ("1/3/2007 00:01:00", {"format": "%d/%m/%Y %H:%M:%S", "zone": "UTC"}, "2007-03-01T00:01:00Z"),
        ("1598911225", {"format": "epoch_s"}, "2020-08-31T22:00:25Z"),
        ("1598911225.25", {"format": "epoch_s"}, "2020-08-31T22:00:25.250000Z"),
        ("1598911225250", {"format": ["%d.%m.%Y", "epoch_ms"]}, "2020-08-31T22:00:25.250000Z"),
        ("2016-10-30 01:30:00", {"zone": "Europe/London", "ambiguous": "earlier"}, "2016-10-30T00:30:00Z"),
        ("2016-10-30 01:30:00", {"zone": "Europe/London", "ambiguous": "later"}, "2016-10-30T01:30:00Z"),
        ("2016-03-27 01:30:00", {"zone": "Europe/London"}, "2016-03-27T01:30:00Z"),
    ],
)
def test_times_are_read_in_their_zone(text: str, rules: dict[str, object], expected: str) -> None:
    assert moment(text, **rules) == expected


def test_the_repeated_hour_is_told_apart_by_the_order_of_each_device() -> None:
    """
    London, 30 October 2016:  00:59 BST  01:00 … 01:59 BST | 01:00 … 01:59 GMT  02:00 GMT
    device a reports            x           x       x           x  x     x         x
    """
    reader = TimeReader(TimeRules(zone="Europe/London"))
    clock = ["00:50", "01:20", "01:50", "01:20", "01:20", "01:50", "02:20"]
    read = [format_instant(reader.read(f"2016-10-30 {at}:00", "a"))[11:16] for at in clock]
    assert read == ["23:50", "00:20", "00:50", "01:20", "01:20", "01:50", "02:20"]
    assert format_instant(reader.read("2016-10-30 01:50:00", "b"))[11:16] == "00:50"


@pytest.mark.parametrize(
    ("text", "rules", "complaint"),
    [
        ("2016-10-30 01:30:00", {}, "without an offset: time.zone must say"),
        ("yesterday", {"zone": "UTC"}, "time is 'yesterday', must be iso"),
        ("2021-02-30 00:00", {"zone": "UTC"}, "must be iso"),
        ("NaN", {"format": "epoch_s"}, "must be epoch_s"),
        ("2016-03-27 01:30:00", {"zone": "Europe/London", "nonexistent": "skip"}, "no clock of Europe/London ever"),
        ("0001-01-01 00:00:00", {"zone": "Europe/London"}, "must be in the years"),
    ],
)
def test_what_is_no_time_is_refused_with_a_reason(text: str, rules: dict[str, object], complaint: str) -> None:
    with pytest.raises(TimeError, match=complaint):
        moment(text, **rules)
