"""JSON straight into columns: the readings of one stream, without an object for a reading or a field.

What is unusual in any way (an escape, a number of 19 digits, a value out of range) leaves the whole payload to the way
that can explain it. What is taken is exactly what that way would take.

Inside, arrays are few and handed on one by one, and nothing is allocated.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ingest.kernels.instants import MISSING, instant
from ingest.kernels.points import point
from ingest.kernels.skipping import skip
from ingest.kernels.texts import Spoken, find
from ingest.kernels.tokens import (
    MOST_EXACT,
    Numbers,
    Text,
    byte,
    characters,
    inner,
    literal,
    number,
    says,
    skip_blank,
    string_end,
)

Table = NDArray[np.int64]

DEVICE, NUMBER, INTEGER, BOOLEAN, CHOICE, LABEL, INSTANT, POINT = range(8)
"""kinds of fields"""
NAME_START, NAME_END, KIND, COLUMN, EMPTY, LEAST, MOST, FIRST_CHOICE, LAST_CHOICE, SPEC = range(10)
"""what ``Layout.fields`` says of each, and how much that is"""
START, END, SOURCE_NUMBER, ARRIVAL, SPEAKER, OWN, PAYLOAD = range(7)
"""what ``Payloads.places`` says of each, and how much that is"""
SOURCE, ITEM, RECEIVED, KEY, NAMED, NAMED_AT, TIME, SEQ, OTHERS = range(9)
"""columns of ``Rows.cells``; those of other fields follow"""

_MOST_UNKNOWN = 32
_MOST_FIELDS = 64


class Payloads(NamedTuple):
    """Texts in one buffer."""

    text: Text
    places: Table
    """[payloads, PAYLOAD]: where it starts and ends, what stands in SOURCE for it, its time of receipt, number of its
    speaker, key of the topic's own device (-1 = not known)"""


class Layout(NamedTuple):
    """What fields a stream has; the first three are dateObserved, seq and device."""

    fields: Table
    """[fields, SPEC]: where its name stands in ``words``; its kind; its column, a label's or device's first of two
    (length, place), a point's first of two; what a missing value is; least and greatest integer, length of a label or
    milliseconds of an instant; where its choices are in ``choices``"""
    bounds: Numbers
    """[fields, 2]: least and greatest number"""
    words: Text
    choices: Table
    """[choices, 2]: where each stands in ``words``"""
    demands: Table
    """bits of the fields that must be there, and of those of which one must be"""


class Rows(NamedTuple):
    """What was read, with room for one row a brace of the texts; rows are the second dimension."""

    cells: Table
    """KEY -1: device not known by its name; NAMED is the name's length, -1 = none"""
    numbers: Numbers


class Limits(NamedTuple):
    """What else makes a payload unusual."""

    readings: int
    """in a pack"""
    before: int
    """how long before its receipt (µs) a reading may have been observed"""
    after: int


@njit(cache=True, nogil=True)
def count_braces(text: Text) -> int:
    """How many readings there may be."""
    count = 0
    for place in range(len(text)):
        count += text[place] == 123
    return count


@njit(cache=True, nogil=True)
def scan(payloads: Payloads, layout: Layout, spoken: Spoken, limits: Limits, rows: Rows, known: Table) -> int:
    """Read all payloads; returns the number of rows, those of one payload after those of the one before.

    known: [payloads, 2], for each the number of its rows (0 = left to others) and of its fields that the layout does
    not have.
    """
    count: int = _scan(
        payloads.text, payloads.places, layout.fields, layout.bounds, layout.words, layout.choices, layout.demands,
        spoken.slots, spoken.entries, spoken.names, spoken.seed, limits.readings, limits.before, limits.after,
        rows.cells, rows.numbers, known,
        np.full(_MOST_FIELDS, -1, np.int64), np.empty(2 * _MOST_UNKNOWN, np.int64),
    )  # fmt: skip
    return count


@inner
def _scan(
    text: Text, places: Table, fields: Table, bounds: Numbers, words: Text, choices: Table, demands: Table,
    slots: Any, entries: Any, names: Text, seed: int, most: int, before: int, after: int, cells: Table,
    numbers: Numbers, known: Table, expected: Table, unknown: Table,
) -> int:  # fmt: skip
    row = 0
    for place in range(len(places)):
        first, strange = row, 0
        at = skip_blank(text, places[place, START])
        packed = byte(text, at) == 91
        if packed:
            at = skip_blank(text, at + 1)
        item = 0 if packed else -1
        received = places[place, ARRIVAL]
        while True:
            if byte(text, at) != 123 or item >= most:
                at = -1
                break
            at, more = _reading(
                text, at + 1, fields, bounds, words, choices, demands, cells, numbers, row, expected, unknown
            )
            if at < 0 or not received - before <= cells[TIME, row] <= received + after:
                at = -1
                break
            strange += more
            cells[SOURCE, row] = places[place, SOURCE_NUMBER]
            cells[ITEM, row] = item
            cells[RECEIVED, row] = received
            key = places[place, OWN]
            if cells[NAMED, row] >= 0:
                name = cells[NAMED_AT, row]
                end = name + cells[NAMED, row]
                key = find(text, name, end, places[place, SPEAKER], slots, entries, names, seed)
            cells[KEY, row] = key
            row += 1
            at = skip_blank(text, at)
            if not packed:
                break
            if byte(text, at) == 93:
                at = skip_blank(text, at + 1)
                break
            if byte(text, at) != 44:
                at = -1
                break
            at = skip_blank(text, at + 1)
            item += 1
        if at != places[place, END]:
            row, strange = first, 0
        known[place, 0], known[place, 1] = row - first, strange
    return row


@inner
def _reading(
    text: Text, at: int, fields: Table, bounds: Numbers, words: Text, choices: Table, demands: Table, cells: Table,
    numbers: Numbers, row: int, expected: Table, unknown: Table,
) -> tuple[int, int]:  # fmt: skip
    """Read what follows an opening brace into a row; returns the position after the closing one, and the number of
    fields that the layout does not have. ``expected``: the fields of the reading before, in order."""
    present, place, strange = 0, 0, 0
    at = skip_blank(text, at)
    while True:
        if byte(text, at) != 34 or place >= _MOST_FIELDS:
            return -1, 0
        at += 1
        field = expected[place]
        end = -1
        if field >= 0:
            end = at + fields[field, NAME_END] - fields[field, NAME_START]
            if not says(text, at, words, fields[field, NAME_START], fields[field, NAME_END]) or byte(text, end) != 34:
                end = -1
        if end < 0:
            end = string_end(text, at)
            if end < 0:
                return -1, 0
            field = _field(text, at, end, fields, words)
            expected[place] = field
        place += 1
        if field < 0:
            if not _is_new(text, at, end, unknown, strange):
                return -1, 0
            strange += 1
        at = skip_blank(text, end + 1)
        if byte(text, at) != 58:
            return -1, 0
        at = skip_blank(text, at + 1)
        if field < 0:
            at = skip(text, at)
        elif byte(text, at) == 110:
            at, _ = literal(text, at)
            present &= ~(1 << field)
        else:
            at = _value(text, at, field, fields, bounds, words, choices, cells, numbers, row)
            present |= 1 << field
        if at < 0:
            return -1, 0
        at = skip_blank(text, at)
        if byte(text, at) == 125:
            break
        if byte(text, at) != 44:
            return -1, 0
        at = skip_blank(text, at + 1)
    if present & demands[0] != demands[0] or present & demands[1] == 0:
        return -1, 0
    for field in range(len(fields)):
        if not present >> field & 1:
            _clear(field, fields, cells, numbers, row)
    return at + 1, strange


@inner
def _field(text: Text, at: int, end: int, fields: Table, words: Text) -> int:
    """The field of a name, -1 if there is none."""
    for field in range(len(fields)):
        start, stop = fields[field, NAME_START], fields[field, NAME_END]
        if stop - start == end - at and says(text, at, words, start, stop):
            return field
    return -1


@inner
def _is_new(text: Text, at: int, end: int, unknown: Table, count: int) -> bool:
    """Note where a name stands; False if the reading has it already, or too many to tell."""
    if count >= _MOST_UNKNOWN:
        return False
    for other in range(count):
        start, stop = unknown[2 * other], unknown[2 * other + 1]
        if stop - start == end - at and says(text, at, text, start, stop):
            return False
    unknown[2 * count], unknown[2 * count + 1] = at, end
    return True


@inner
def _clear(field: int, fields: Table, cells: Table, numbers: Numbers, row: int) -> None:
    """Make a field of a row missing."""
    kind, column = fields[field, KIND], fields[field, COLUMN]
    if kind == NUMBER:
        numbers[column, row] = np.nan
    elif kind == POINT:
        numbers[column, row] = np.nan
        numbers[column + 1, row] = np.nan
    else:
        cells[column, row] = fields[field, EMPTY]


@inner
def _value(
    text: Text, at: int, field: int, fields: Table, bounds: Numbers, words: Text, choices: Table, cells: Table,
    numbers: Numbers, row: int,
) -> Any:  # fmt: skip
    """Read a value that is not null into a row; returns its end, -1 unless it is right."""
    kind, column = fields[field, KIND], fields[field, COLUMN]
    if kind == NUMBER:
        end, _, _, value = number(text, at)
        numbers[column, row] = value
        return end if bounds[field, 0] <= value <= bounds[field, 1] else -1
    if kind == POINT:
        return point(text, at, column, numbers, row)
    if kind == BOOLEAN:
        end, truth = literal(text, at)
        cells[column, row] = truth
        return end
    if byte(text, at) != 34:
        return _count(text, at, kind, column, fields[field, LEAST], fields[field, MOST], cells, row)
    at += 1
    end = string_end(text, at)
    if end < 0 or kind == INTEGER:
        return -1
    if kind == INSTANT:
        micros = instant(text, at, end)
        cells[column, row] = micros
        return end + 1 if micros != MISSING else -1
    if kind == CHOICE:
        for choice in range(fields[field, FIRST_CHOICE], fields[field, LAST_CHOICE]):
            start, stop = choices[choice, 0], choices[choice, 1]
            if stop - start == end - at and says(text, at, words, start, stop):
                cells[column, row] = choice - fields[field, FIRST_CHOICE]
                return end + 1
        return -1
    cells[column, row] = end - at
    cells[column + 1, row] = at
    if kind == LABEL and not fields[field, LEAST] <= characters(text, at, end) <= fields[field, MOST]:
        return -1
    return end + 1


@inner
def _count(text: Text, at: int, kind: int, column: int, least: int, most: int, cells: Table, row: int) -> Any:
    """Read an integer, which may be written 3.0, or the milliseconds of an instant; returns its end."""
    if kind not in (INTEGER, INSTANT):
        return -1
    end, whole, count, value = number(text, at)
    if end >= 0 and not whole:
        if kind == INSTANT or not (abs(value) <= MOST_EXACT and np.floor(value) == value):
            return -1
        count = np.int64(value)
    if end < 0 or not least <= count <= most:
        return -1
    cells[column, row] = count * 1000 if kind == INSTANT else count
    return end
