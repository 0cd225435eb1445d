"""Validate readings of one stream column by column; the fast twin of ``devices.explaining.explain``.

Both must agree on every input: a row is valid here exactly if ``explain`` finds no flaw.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.contract import LARGEST_INTEGER, FieldSpec, FieldType, Stream
from devices.explaining import explain
from devices.units import parse_point
from ingest.batch import MISSING, NO_SEQ, Column
from ingest.instants import parse_instants
from ingest.labels import Texts, code_labels

Mask = NDArray[np.bool_]
Values = Sequence[Any]
Validated = tuple[tuple[Column, ...], Mask, Mask]
"""columns of the field, where a value is present, where it is wrong"""

_SEQ = FieldSpec("seq", "integer", lower=0, upper=2**53 - 1)
_LARGEST_NUMBER = int(sys.float_info.max)
_NO_NUL = r"^[^\x00]*$"


class Columns:
    """The outcome of validating a list of decoded objects."""

    def __init__(self, stream: Stream, rows: Sequence[dict[str, Any]]) -> None:
        self.columns: dict[str, Column] = {}
        self.texts: dict[str, Texts] = {}
        """of each column of labels"""
        self.unknown_fields = 0
        """how many fields of the readings the contract does not know"""
        values_of = self._by_field(stream, rows)
        count = len(rows)
        self.time, self.valid = parse_instants(values_of("dateObserved") or [None] * count)
        self.seq = np.full(count, NO_SEQ, np.int64)
        numbers = values_of("seq")
        if numbers is not None:
            (seq,), _, wrong = _integer(_SEQ, numbers)
            self.seq = np.where(seq == MISSING, NO_SEQ, seq)
            self.valid &= ~wrong
        any_present = np.zeros(count, np.bool_)
        for spec in stream.fields:
            values = values_of(spec.name)
            if values is None:
                self.columns.update(zip(spec.columns, _absent(spec, count), strict=True))
                if spec.type == "label":
                    self.texts[spec.columns[0]] = ()
                if spec.required:
                    self.valid[:] = False
                continue
            if spec.type == "label":
                present, wrong = self._take_labels(spec, values)
            else:
                columns, present, wrong = _VALIDATORS[spec.type](spec, values)
                self.columns.update(zip(spec.columns, columns, strict=True))
            self.valid &= ~wrong
            if spec.required:
                self.valid &= present
            any_present |= present
        self.valid &= any_present
        if not stream.by_column:
            self.valid &= np.array([explain(stream, row) is None for row in rows], np.bool_)

    def _take_labels(self, spec: FieldSpec, values: Values) -> tuple[Mask, Mask]:
        name = spec.columns[0]
        self.columns[name], self.texts[name] = code_labels(v if type(v) is str else None for v in values)
        return _judge_labels(spec, values)

    def _by_field(self, stream: Stream, rows: Sequence[dict[str, Any]]) -> Callable[[str], Values | None]:
        """Look-up of a field's values; None where no row has the field.

        Rows of one shape, as devices of one model send them, are turned into columns all at once.
        """
        known = {"dateObserved", "seq", "device", *stream.field_by_name}
        shapes = Counter(map(tuple, rows))
        self.unknown_fields = sum(count * len(set(shape) - known) for shape, count in shapes.items())
        if len(shapes) == 1:
            (shape,) = shapes
            return dict(zip(shape, zip(*map(dict.values, rows), strict=True), strict=True)).get
        names = set().union(*shapes)
        return lambda name: [row.get(name) for row in rows] if name in names else None


def _absent(spec: FieldSpec, count: int) -> tuple[Column, ...]:
    """Columns of a field that no row has."""
    match spec.type:
        case "number" | "point":
            return tuple(np.full(count, np.nan) for _ in spec.columns)
        case "integer" | "instant":
            return (np.full(count, MISSING),)
        case "boolean":
            return (np.full(count, -1, np.int8),)
        case "choice":
            return (np.full(count, -1, np.int16),)
        case "label":
            return (np.full(count, -1, np.int32),)


def _number(spec: FieldSpec, values: Values) -> Validated:
    types = set(map(type, values))
    if types == {float}:  # JSON has no NaN
        column = np.array(values, np.float64)
        return (column,), np.ones(len(values), np.bool_), ~_within(spec, column)
    present = _present(values)
    if types <= {float, int, type(None)}:
        wrong = np.zeros(len(values), np.bool_)
    else:
        wrong = np.array([type(v) not in (float, int, type(None)) for v in values], np.bool_)
        values = [None if bad else v for v, bad in zip(values, wrong, strict=True)]
    try:
        column = np.array(values, np.float64)
    except OverflowError:
        column = np.array([v if v is None or abs(v) <= _LARGEST_NUMBER else np.nan for v in values], np.float64)
    return (column,), present, wrong | (present & ~_within(spec, column))


def _present(values: Values) -> Mask:
    return np.array([v is not None for v in values], np.bool_)


def _within(spec: FieldSpec, column: Column) -> Mask:
    inside: Mask = np.isfinite(column) if column.dtype == np.float64 else np.ones(len(column), np.bool_)
    if spec.lower is not None:
        inside &= column > spec.lower if spec.exclusive_lower else column >= spec.lower
    if spec.upper is not None:
        inside &= column < spec.upper if spec.exclusive_upper else column <= spec.upper
    return inside


def _integer(spec: FieldSpec, values: Values) -> Validated:
    types = set(map(type, values))
    if types == {int}:
        try:
            column = np.array(values, np.int64)
        except OverflowError:
            pass
        else:
            return (column,), np.ones(len(values), np.bool_), (column == MISSING) | ~_within(spec, column)
    present = _present(values)
    if not types <= {int, type(None)}:
        values = [int(v) if type(v) is float and v.is_integer() else v for v in values]
        values = [v if type(v) is int else None for v in values]
    try:
        column = np.array([MISSING if v is None else v for v in values], np.int64)
    except OverflowError:
        fits = [v is not None and abs(v) <= LARGEST_INTEGER for v in values]
        column = np.array([v if fit else MISSING for v, fit in zip(values, fits, strict=True)], np.int64)
    return (column,), present, present & ((column == MISSING) | ~_within(spec, column))


def _boolean(spec: FieldSpec, values: Values) -> Validated:
    del spec
    if set(map(type, values)) == {bool}:
        column = np.array(values, np.bool_).astype(np.int8)
    else:
        codes = [(1 if v else 0) if type(v) is bool else (-1 if v is None else -2) for v in values]
        column = np.array(codes, np.int8)
    return (column,), column != -1, column == -2


def _choice(spec: FieldSpec, values: Values) -> Validated:
    codes: dict[Any, int] = {choice: index for index, choice in enumerate(spec.choices)} | {None: -1}
    try:
        column = np.array([codes[v] for v in values], np.int16)
    except (KeyError, TypeError):  # a value that is none of the choices, or cannot be looked up
        column = np.array([codes.get(v, -2) if type(v) is str or v is None else -2 for v in values], np.int16)
    return (column,), column != -1, column == -2


def _judge_labels(spec: FieldSpec, values: Values) -> tuple[Mask, Mask]:
    """Where one is present, and where it is wrong."""
    shortest, longest = spec.min_length, spec.max_length if spec.max_length is not None else LARGEST_INTEGER
    if set(map(type, values)) == {str} and spec.pattern in (None, _NO_NUL) and "\x00" not in "".join(values):
        lengths = np.array([*map(len, values)])
        return np.ones(len(values), np.bool_), (lengths < shortest) | (lengths > longest)
    search = re.compile(spec.pattern).search if spec.pattern else None

    def is_wrong(value: Any) -> bool:
        if value is None:
            return False
        if type(value) is not str or not shortest <= len(value) <= longest or "\x00" in value:
            return True
        return search is not None and search(value) is None

    return _present(values), np.array([is_wrong(v) for v in values], np.bool_)


def _instant(spec: FieldSpec, values: Values) -> Validated:
    del spec
    column, valid = parse_instants(values)
    present = _present(values)
    return (column,), present, present & ~valid


def _point(spec: FieldSpec, values: Values) -> Validated:
    del spec
    places = _plain_points(values)
    if places is not None:
        good = (np.abs(places[0]) <= 180) & (np.abs(places[1]) <= 90)
        if good.all():
            return (places[0], places[1]), good, ~good
    column = np.full((2, len(values)), np.nan)
    present = _present(values)
    wrong = np.zeros(len(values), np.bool_)
    for position in np.flatnonzero(present).tolist():
        try:
            column[:, position] = parse_point(values[position])
        except ValueError:
            wrong[position] = True
    return (column[0], column[1]), present, wrong


def _plain_points(values: Values) -> Column | None:
    """Longitudes and latitudes, if all values are points of two numbers; None leaves the judgement to parse_point."""
    try:
        if any(value["type"] != "Point" for value in values):
            return None
        coordinates = [value["coordinates"] for value in values]
        if set(map(type, coordinates)) != {list} or set(map(len, coordinates)) != {2}:
            return None
        flat = list(chain.from_iterable(coordinates))
        if not set(map(type, flat)) <= {float, int}:
            return None
        return np.ascontiguousarray(np.array(flat, np.float64).reshape(-1, 2).T)
    except (TypeError, KeyError, IndexError, OverflowError):
        return None


_VALIDATORS: dict[FieldType, Callable[[FieldSpec, Values], Validated]] = {
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "choice": _choice,
    "instant": _instant,
    "point": _point,
}
