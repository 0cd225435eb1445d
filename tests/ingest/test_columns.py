"""The columnar validator agrees with the model of the contract on every input, and reads the same values."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator

from devices.contract import FieldSpec, Stream, Telemetry
from devices.explaining import explain
from devices.kinds import streams
from devices.units import Count, Instant, Label, Point, Ratio
from ingest.batch import MISSING, NO_SEQ
from ingest.columns import Columns


class Plain(Telemetry):
    """Every type the contract carries, bare and with every sort of bound."""

    number: float | None = None
    above: Annotated[float, Field(gt=0)] | None = None
    between: Annotated[float, Field(gt=-1.5, lt=2.5)] | None = None
    whole: int | None = None
    positive: Annotated[int, Field(gt=0, lt=10)] | None = None
    count: Count | None = None
    flag: bool | None = None
    text: str | None = None
    code: Annotated[str, Field(pattern="^[a-c]+$", min_length=2, max_length=4)] | None = None
    loose: Annotated[str, Field(pattern="b")] | None = None
    label: Label | None = None
    choice: Literal["on", "off", "größer"] | None = None
    moment: Instant | None = None
    place: Point | None = None


class Strict(Telemetry):
    """Required fields of each type."""

    number: float
    flag: bool
    moment: Instant
    place: Point
    label: Label
    choice: Literal["on", "off"]


class Judged(Telemetry):
    """A declaration whose own validators only its model can run."""

    total: Count | None = None
    used: Annotated[float, Field(multiple_of=0.5)] | None = None

    @field_validator("total")
    @classmethod
    def is_even(cls, value: int | None) -> int | None:
        if value is not None and value % 2:
            raise ValueError("must be even")
        return value

    @model_validator(mode="after")
    def fits(self) -> "Judged":
        if self.total is not None and self.used is not None and self.used > self.total:
            raise ValueError("must fit")
        return self


SYNTHETIC = {
    name: Stream(name, "kind", model) for name, model in (("plain", Plain), ("strict", Strict), ("judged", Judged))
}
STREAMS = {**streams(), **SYNTHETIC}

instants = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(
        [
            "2026-11-20T08:00:00Z",
            "2026-11-20t08:00:00.123456789+08:00",
            "2026-02-29T00:00:00Z",
            "2026-11-20",
            "2026-11-20T08:00:00",
            "0001-01-01T00:00:00Z",
            1_795_000_000_000,
            1_795_000_000_000.0,
            1.5,
            -1,
            10**30,
        ]
    ),
)
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(
        [0, 1, -1, 3.0, 0.1, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**400, -(10**400), 1e308]
    ),
    st.sampled_from([1.0000000000000002, -5e-324, 9007199254740993, 10_000_000, 10_000_001, 10_000_000.5]),
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["", "ab", "abc\n", "\x00", "a\x00b", "on", "off", "größer", "x" * 128, "龍" * 129, "true", "1"]),
)
points = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["Point", "Polygon", None]),
        "coordinates": st.one_of(
            st.lists(st.one_of(st.floats(-200, 200), st.integers(-200, 200), st.booleans(), st.none()), max_size=4),
            st.just("121,31"),
        ),
    },
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts, instants, points),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=2)),
    max_leaves=4,
)


def fitting(spec: FieldSpec) -> st.SearchStrategy[Any]:
    """Values of the right type, mostly within the bounds or just at them."""
    lower = -1e6 if spec.lower is None else spec.lower
    upper = 1e6 if spec.upper is None else spec.upper
    match spec.type:
        case "number":
            edges = [lower, upper, np.nextafter(lower, -np.inf).item(), np.nextafter(upper, np.inf).item()]
            return st.one_of(st.floats(lower, upper), st.sampled_from(edges), st.integers(int(lower), int(upper)))
        case "integer":
            edges = [int(lower), int(upper), int(lower) - 1, int(upper) + 1, float(int(lower))]
            return st.one_of(st.integers(int(lower), int(upper)), st.sampled_from(edges))
        case "boolean":
            return st.booleans()
        case "choice":
            return st.sampled_from(spec.choices)
        case "instant":
            return instants
        case "point":
            coordinates = st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(list)
            return coordinates.map(lambda pair: {"type": "Point", "coordinates": pair})
        case "label":
            return st.one_of(texts, st.sampled_from(["ab", "abca", "abcab", "b"]))


VALID: dict[str, Any] = {
    "number": 1,
    "integer": 1,
    "boolean": True,
    "instant": "2026-11-20T08:00:00Z",
    "point": {"type": "Point", "coordinates": [121.5, 31.2]},
    "label": "ab",
}


COORDINATES = (
    [1, 2],
    [180, 90, 5],
    [180.1, 0],
    [1, -91],
    [1],
    [1, 2, 3, 4],
    [True, 1],
    "12",
    [10**400, 1],
    [math.nan, 1],
)
TRICKY: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 10, 0.5, 3.0, 3.5, -1.5, 2.5, 10_000_000, 10_000_000.5, 10_000_001),
    *(2**53 - 1, 2**53, 2**63 - 1, 2**63, 1 - 2**63, -(2**63), -1 - 2**63, 2**64, 10**400, -(10**400)),
    *(1e308, -1e308, int(1e308), math.inf, math.nan, 5e-324),
    *("", "a", "b", "ab", "abca", "abcab", "ab\n", "xbx", "\x00", "b\x00", "x" * 128, "x" * 129, "龍" * 128),
    *("on", "off", "ON", "größer", "gro\u0308ßer", "free", "1", "1.0", "true", "null", "2026-11-20T08:00:00Z"),
    *([], [1], ["a", "b"], {}, {"type": "Point"}, {"coordinates": [1, 2]}),
    *({"type": "Point", "coordinates": coordinates} for coordinates in COORDINATES),
]


def right_values(stream: Stream) -> dict[str, Any]:
    """The least that makes a valid reading of a stream with required fields."""
    return {spec.name: VALID.get(spec.type, next(iter(spec.choices), None)) for spec in stream.fields if spec.required}


def rows_of(stream: Stream) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Readings that are right but for a field or two, so that one wrong judgement is not hidden by another."""
    values = {spec.name: st.one_of(fitting(spec), fitting(spec), anything) for spec in stream.fields}
    values["dateObserved"] = st.one_of(instants, anything)
    values["seq"] = st.one_of(st.integers(0, 2**53 - 1), anything)
    one = st.sampled_from(list(values)).flatmap(lambda name: st.tuples(st.just(name), values[name]))
    row = st.lists(one, max_size=2).map(lambda changed: {"dateObserved": 0} | right_values(stream) | dict(changed))
    return st.lists(row, min_size=1, max_size=8)


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_row_is_valid_exactly_if_its_model_finds_no_flaw(name: str, data: st.DataObject) -> None:
    assert_agreement(STREAMS[name], data.draw(rows_of(STREAMS[name])))


@pytest.mark.parametrize("name", STREAMS)
def test_every_field_agrees_with_its_model_on_every_tricky_value(name: str) -> None:
    stream = STREAMS[name]
    for field in ["dateObserved", "seq", *stream.field_by_name]:
        rows = [{"dateObserved": 0} | right_values(stream) | {field: value} for value in TRICKY]
        for row in rows:
            assert_agreement(stream, [row])
        assert_agreement(stream, rows)


def assert_agreement(stream: Stream, rows: list[dict[str, Any]]) -> None:
    columns = Columns(stream, rows)
    for position, row in enumerate(rows):
        flaw = explain(stream, row)
        assert columns.valid[position] == (flaw is None), (row, flaw)
        if flaw is None:
            assert_same_values(stream, row, columns, position)


def assert_same_values(stream: Stream, row: dict[str, Any], columns: Columns, position: int) -> None:
    whole = {k: int(v) if isinstance(v, float) and is_integer(stream, k) else v for k, v in row.items()}
    reading = stream.model.model_validate(whole)
    assert columns.time[position] == reading.dateObserved
    assert columns.seq[position] == (NO_SEQ if reading.seq is None else reading.seq)
    for spec in stream.fields:
        value = getattr(reading, spec.name)
        cells = [columns.columns[column][position] for column in spec.columns]
        texts = columns.texts[spec.columns[0]] if spec.type == "label" else spec.choices
        assert [stored(spec, cell, texts) for cell in cells] == (
            [None] * len(cells) if value is None else list(value) if spec.type == "point" else [value]
        )


def is_integer(stream: Stream, field: str) -> bool:
    return field in stream.field_by_name and stream.field_by_name[field].type == "integer"


def stored(spec: FieldSpec, cell: Any, texts: Sequence[str]) -> Any:
    """What a cell of a column stands for."""
    match spec.type:
        case "number" | "point":
            return None if np.isnan(cell) else cell
        case "integer" | "instant":
            return None if cell == MISSING else cell
        case "boolean":
            return None if cell < 0 else bool(cell)
        case "choice" | "label":
            return None if cell < 0 else texts[cell]


def test_lists_of_equal_length_in_a_text_field_are_wrong_one_by_one() -> None:
    rows = [
        {"dateObserved": 0, "text": ["a", "b"]},
        {"dateObserved": 0, "text": ["c", "d"]},
        {"dateObserved": 0, "text": "e"},
    ]
    assert Columns(SYNTHETIC["plain"], rows).valid.tolist() == [False, False, True]


def test_fields_the_contract_does_not_know_are_counted() -> None:
    rows = [
        {"dateObserved": 0, "status": "free", "seq": 1, "device": "x"},
        {"status": "free", "battery": 3, "rssi": -70},
    ]
    assert Columns(streams()["parking_bay"], rows).unknown_fields == 2
    assert Columns(streams()["parking_bay"], [rows[1]] * 3).unknown_fields == 6


def test_a_missing_ratio_is_not_a_number_in_its_column() -> None:
    class Sparse(Telemetry):
        one: Ratio | None = None
        other: Ratio | None = None

    columns = Columns(
        Stream("sparse", "kind", Sparse), [{"dateObserved": 0, "one": 1}, {"dateObserved": 0, "other": 0.5}]
    )
    assert columns.valid.all()
    np.testing.assert_array_equal(columns.columns["one"], [1, np.nan])
    np.testing.assert_array_equal(columns.columns["other"], [np.nan, 0.5])
