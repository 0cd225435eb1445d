"""The areas of a city, as read from the rows of its ``areas.csv``: city > district > street.

Codes are the official division codes: 6 digits for a city or district, 9 for a street. The result is in
hierarchical order (the city, then its districts, then the streets district by district), so that every area
comes after its parent and partial sums roll up by walking it backwards.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

Level = Literal["city", "district", "street"]

LEVELS: tuple[Level, ...] = ("city", "district", "street")
CODE_DIGITS: Mapping[Level, int] = {"city": 6, "district": 6, "street": 9}
COLUMNS = ("code", "level", "parent", "name_zh", "name_en")


class CityError(Exception):
    """A city's data folder is missing, or holds what no city can be made of."""


@dataclass(frozen=True)
class Area:
    """One administrative area; ``parent`` is None for the city alone."""

    code: str
    level: Level
    parent: str | None
    name_zh: str
    name_en: str = ""

    @property
    def name(self) -> dict[str, str]:
        """Both names; where no English one is known, the Chinese one stands in for it."""
        return {"zh": self.name_zh, "en": self.name_en or self.name_zh}


def parse_areas(text: str, source: str = "areas.csv") -> tuple[Area, ...]:
    """Areas in hierarchical order from CSV text; raises CityError naming the row and the wrong value."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise CityError(f"{source}: columns are {reader.fieldnames}, must be {list(COLUMNS)}")
    areas: dict[str, Area] = {}
    rows: dict[str, str] = {}
    for row in reader:
        where = f"{source} row {reader.line_num}"
        area = _area_of_row(row, where)
        if area.code in areas:
            raise CityError(f"{where}: code {area.code!r} is already taken by {areas[area.code].name_zh}")
        areas[area.code] = area
        rows[area.code] = where
    for area in areas.values():
        _check_parent(area, areas, rows[area.code])
    cities = [area.code for area in areas.values() if area.level == "city"]
    if len(cities) != 1:
        raise CityError(f"{source}: has {len(cities)} areas of level 'city' {cities}, must have exactly one")
    return in_hierarchical_order(tuple(areas.values()))


def in_hierarchical_order(areas: Sequence[Area]) -> tuple[Area, ...]:
    """By level, and within a level in the order of the parents, then by code."""
    ordered: list[Area] = []
    place: dict[str | None, int] = {None: 0}
    for level in LEVELS:
        members = [area for area in areas if area.level == level]
        members.sort(key=lambda area: (place[area.parent], area.code))
        for area in members:
            place[area.code] = len(ordered)
            ordered.append(area)
    return tuple(ordered)


def is_level(value: str) -> TypeGuard[Level]:
    """Whether a text names one of the three levels."""
    return value in LEVELS


def _area_of_row(row: Mapping[str | None, str | list[str] | None], where: str) -> Area:
    cells = {column: row[column] for column in COLUMNS}
    if None in row or not all(isinstance(cell, str) for cell in cells.values()):
        raise CityError(f"{where}: must have {len(COLUMNS)} cells ({', '.join(COLUMNS)}), reads {list(row.values())}")
    code, level, parent, name_zh, name_en = (str(cell).strip() for cell in cells.values())
    if not is_level(level):
        raise CityError(f"{where}: level is {level!r}, must be one of {', '.join(LEVELS)}")
    digits = CODE_DIGITS[level]
    if len(code) != digits or not (code.isascii() and code.isdigit()):
        raise CityError(f"{where}: code of a {level} is {code!r}, must be {digits} digits")
    if not name_zh:
        raise CityError(f"{where}: name_zh of {code} is empty, must be the area's name")
    return Area(code, level, parent or None, name_zh, name_en)


def _check_parent(area: Area, areas: Mapping[str, Area], where: str) -> None:
    if area.level == "city":
        if area.parent is not None:
            raise CityError(f"{where}: parent of the city is {area.parent!r}, must be empty")
        return
    above = LEVELS[LEVELS.index(area.level) - 1]
    parent = areas.get(area.parent or "")
    if parent is None:
        raise CityError(
            f"{where}: {area.level} {area.code} is an orphan: its parent {area.parent or ''!r} is not in the file"
        )
    if parent.level != above:
        raise CityError(
            f"{where}: parent of {area.level} {area.code} is {parent.code}, a {parent.level}, must be a {above}"
        )
