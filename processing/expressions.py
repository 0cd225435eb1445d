"""What an indicator looks at in one reading: small expressions over a batch's columns, evaluated by column. Pure.

``evaluate`` returns (values, present): float64 values, and where the reading says anything about it at all. Present
but NaN means that the device says it does not know; inf, that there is nothing to measure for now (NOT_APPLICABLE).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from devices.contract import Stream
from ingest.batch import MISSING, Batch
from processing.kernels import NOT_APPLICABLE

Evaluated = tuple[NDArray[np.float64], NDArray[np.bool_]]
Needs = tuple[tuple[str, ...], ...]


class Expression(Protocol):
    """Something that can be computed from each reading of a stream."""

    @property
    def needs(self) -> Needs:
        """Wire names: a reading says something if it has at least one field of each group."""
        ...

    def evaluate(self, batch: Batch) -> Evaluated:
        """Values and presence for every reading of the batch."""
        ...


@dataclass(frozen=True)
class Field:
    """A numeric or boolean field as it is."""

    name: str

    @property
    def needs(self) -> Needs:
        return ((self.name,),)

    def evaluate(self, batch: Batch) -> Evaluated:
        spec = batch.stream.field_by_name[self.name]
        column = batch.columns[spec.columns[0]]
        match spec.type:
            case "integer":
                present = column != MISSING
            case "boolean":
                present = column >= 0
            case _:
                present = ~np.isnan(column)
        return np.where(present, column, np.nan).astype(np.float64), present


@dataclass(frozen=True)
class Largest:
    """The largest of several numeric fields; a field that is missing does not count."""

    names: tuple[str, ...]

    @property
    def needs(self) -> Needs:
        return (self.names,)

    def evaluate(self, batch: Batch) -> Evaluated:
        largest, present = Field(self.names[0]).evaluate(batch)
        for name in self.names[1:]:
            values, there = Field(name).evaluate(batch)
            largest, present = np.fmax(largest, values), present | there
        return largest, present


@dataclass(frozen=True)
class Is:
    """1 where a choice field is ``choice``, 0 where one of ``others``.

    One of ``excused`` means that there is nothing to measure; any further choice is 'not known'.
    """

    name: str
    choice: str
    others: tuple[str, ...]
    excused: tuple[str, ...] = ()

    @property
    def needs(self) -> Needs:
        return ((self.name,),)

    @property
    def choices(self) -> tuple[str, ...]:
        """The choices it names."""
        return (self.choice, *self.others, *self.excused)

    def evaluate(self, batch: Batch) -> Evaluated:
        spec = batch.stream.field_by_name[self.name]
        codes = batch.columns[spec.columns[0]]
        meaning = {self.choice: 1.0} | dict.fromkeys(self.others, 0.0) | dict.fromkeys(self.excused, NOT_APPLICABLE)
        table = np.array([meaning.get(choice, np.nan) for choice in spec.choices] + [np.nan])
        return table[codes], codes >= 0


@dataclass(frozen=True)
class Magnitude:
    """The value without its sign."""

    of: Expression

    @property
    def needs(self) -> Needs:
        return self.of.needs

    def evaluate(self, batch: Batch) -> Evaluated:
        values, present = self.of.evaluate(batch)
        return np.abs(values), present


@dataclass(frozen=True)
class Clipped:
    """The value, but at least ``low``."""

    of: Expression
    low: float = 0.0

    @property
    def needs(self) -> Needs:
        return self.of.needs

    def evaluate(self, batch: Batch) -> Evaluated:
        values, present = self.of.evaluate(batch)
        return np.maximum(values, self.low), present


@dataclass(frozen=True)
class Compare:
    """1 where the value keeps all the bounds that are given, else 0."""

    of: Expression
    at_least: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def needs(self) -> Needs:
        return self.of.needs

    def evaluate(self, batch: Batch) -> Evaluated:
        values, present = self.of.evaluate(batch)
        inside = np.ones(len(values), np.bool_)
        if self.at_least is not None:
            inside &= values >= self.at_least
        if self.above is not None:
            inside &= values > self.above
        if self.below is not None:
            inside &= values < self.below
        return np.where(np.isfinite(values), inside, values), present


@dataclass(frozen=True)
class Switch:
    """1 from ``on`` upwards, 0 below ``off``, and 0.5 between the two, where a state stays what it was."""

    of: Expression
    on: float
    off: float

    @property
    def needs(self) -> Needs:
        return self.of.needs

    def evaluate(self, batch: Batch) -> Evaluated:
        values, present = self.of.evaluate(batch)
        state = np.where(values >= self.on, 1.0, np.where(values < self.off, 0.0, 0.5))
        return np.where(np.isfinite(values), state, values), present


@dataclass(frozen=True)
class Position:
    """1 where the reading has a place and the label ``at_work``, NOT_APPLICABLE where it has the place alone."""

    name: str
    at_work: str

    @property
    def needs(self) -> Needs:
        return ((self.name,),)

    def evaluate(self, batch: Batch) -> Evaluated:
        column = batch.columns[batch.stream.field_by_name[self.name].columns[0]]
        label = batch.columns[batch.stream.field_by_name[self.at_work].columns[0]]
        return np.where(label >= 0, 1.0, NOT_APPLICABLE), ~np.isnan(column)


@dataclass(frozen=True)
class Elapsed:
    """Seconds from one instant of the reading to another; positive when ``end`` is later."""

    start: str
    end: str

    @property
    def needs(self) -> Needs:
        return ((self.start,), (self.end,))

    def evaluate(self, batch: Batch) -> Evaluated:
        start, end = (batch.columns[batch.stream.field_by_name[n].columns[0]] for n in (self.start, self.end))
        present = (start != MISSING) & (end != MISSING)
        return np.where(present, np.where(present, end - start, 0) / 1e6, np.nan), present


@dataclass(frozen=True)
class Occurs:
    """1 for every reading: counts events."""

    @property
    def needs(self) -> Needs:
        return ()

    def evaluate(self, batch: Batch) -> Evaluated:
        return np.ones(len(batch)), np.ones(len(batch), np.bool_)


@dataclass(frozen=True)
class Says:
    """1 where a label field is the very text, else 0."""

    name: str
    text: str

    @property
    def needs(self) -> Needs:
        return ((self.name,),)

    def evaluate(self, batch: Batch) -> Evaluated:
        name = batch.stream.field_by_name[self.name].columns[0]
        codes, texts = batch.columns[name], batch.texts[name]
        said = np.array([*(float(text == self.text) for text in texts), np.nan])
        return said[codes], codes >= 0


@dataclass(frozen=True)
class Given:
    """1 where the reading has the field, else 0."""

    name: str

    @property
    def needs(self) -> Needs:
        return ()

    def evaluate(self, batch: Batch) -> Evaluated:
        column = batch.columns[batch.stream.field_by_name[self.name].columns[0]]
        match batch.stream.field_by_name[self.name].type:
            case "number" | "point":
                there = ~np.isnan(column)
            case "integer" | "instant":
                there = column != MISSING
            case _:
                there = column >= 0
        return there.astype(np.float64), np.ones(len(batch), np.bool_)


def check_fields(expression: Expression, stream: Stream) -> None:
    """Raise ValueError naming a field or choice the stream does not have, or a field of the wrong type."""
    inner = expression
    while isinstance(inner, Magnitude | Clipped | Compare | Switch):
        inner = inner.of
    allowed = {Is: ("choice",), Elapsed: ("instant",), Says: ("label",), Position: ("point",)}.get(
        type(inner), ("number", "integer", "boolean")
    )
    if isinstance(inner, Given) and inner.name not in stream.field_by_name:
        raise ValueError(f"stream {stream.name} has no field {inner.name!r}")
    for name in (name for group in expression.needs for name in group):
        spec = stream.field_by_name.get(name)
        if spec is None:
            known = ", ".join(stream.field_by_name)
            raise ValueError(f"stream {stream.name} has no field {name!r}, must be one of {known}")
        if spec.type not in allowed:
            raise ValueError(f"field {name} of stream {stream.name} is a {spec.type}, must be {' or '.join(allowed)}")
        for choice in inner.choices if isinstance(inner, Is) else ():
            if choice not in spec.choices:
                raise ValueError(f"field {name} is never {choice!r}, must be one of {', '.join(spec.choices)}")


def gives_codes(expression: Expression) -> bool:
    """Whether all values are 0, 1, not known or NOT_APPLICABLE, so that a byte will hold them."""
    return isinstance(expression, Compare | Is | Says | Given | Occurs)
