"""A city as one value: its areas, time zone, outlines, and the integer labels the numeric core counts by.

A city is a folder with three files, ``city.toml``, ``areas.csv`` and ``districts.geojson``; another city is
another folder, no code. Those that come along live in ``devices/cities``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devices.area import Area, CityError, Level, parse_areas
from devices.outline import Outline, parse_outlines

__all__ = ["CITIES", "Area", "City", "CityError", "Level", "load_city"]

CITIES = Path(__file__).parent / "cities"


@dataclass(frozen=True, eq=False)
class City:
    """A city's areas in hierarchical order: label ``i`` is ``areas[i]``, and 0 is the city itself."""

    timezone: ZoneInfo
    centre: tuple[float, float]
    map_note: Mapping[str, str]
    areas: tuple[Area, ...]
    outlines: tuple[Outline, ...]

    @property
    def code(self) -> str:
        """The city's own division code."""
        return self.areas[0].code

    @property
    def name(self) -> dict[str, str]:
        """The city's name in Chinese and English."""
        return self.areas[0].name

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Label of every area, by code."""
        return {area.code: label for label, area in enumerate(self.areas)}

    @cached_property
    def parents(self) -> NDArray[np.int32]:
        """Label of every area's parent, int32 of shape (len(areas),); -1 for the city. Always below its own."""
        labels = [-1 if area.parent is None else self.index[area.parent] for area in self.areas]
        parents = np.array(labels, dtype=np.int32)
        parents.flags.writeable = False
        return parents

    def __contains__(self, code: object) -> bool:
        return code in self.index

    def get(self, code: str) -> Area | None:
        """The area of a code, or None."""
        label = self.index.get(code)
        return None if label is None else self.areas[label]

    def area(self, code: str) -> Area:
        """The area of a code; raises CityError if the city has no such area."""
        area = self.get(code)
        if area is None:
            raise CityError(f"area {code!r} is not one of the {len(self.areas)} areas of {self.name['en']}")
        return area

    def at_level(self, level: Level) -> tuple[Area, ...]:
        """All areas of a level, in order."""
        return tuple(area for area in self.areas if area.level == level)

    @cached_property
    def _children(self) -> Mapping[str, tuple[Area, ...]]:
        children: dict[str, list[Area]] = {area.code: [] for area in self.areas}
        for area in self.areas[1:]:
            children[area.parent or ""].append(area)
        return {code: tuple(members) for code, members in children.items()}

    def children(self, code: str) -> tuple[Area, ...]:
        """The areas right below one: districts of the city, streets of a district, nothing for a street."""
        return self._children[self.area(code).code]

    def ancestors(self, code: str) -> tuple[Area, ...]:
        """The areas above one, nearest first: district and city of a street, nothing for the city."""
        above: list[Area] = []
        parent = self.area(code).parent
        while parent is not None:
            above.append(self.area(parent))
            parent = above[-1].parent
        return tuple(above)

    def district_of(self, lon: float, lat: float) -> str | None:
        """Code of the district whose outline holds a point (degrees), or None outside the city."""
        return next((outline.code for outline in self.outlines if outline.contains(lon, lat)), None)

    def random_point(self, code: str, rng: np.random.Generator) -> tuple[float, float]:
        """A point (longitude, latitude) inside a district; for a street, inside the district it belongs to."""
        area = self.area(code)
        district = area.parent if area.level == "street" else area.code
        for outline in self.outlines:
            if outline.code == district:
                return outline.random_point(rng)
        raise CityError(f"area {code!r} is a {area.level}, must be a district or street to draw a point in")

    def geojson(self) -> dict[str, Any]:
        """The districts as a GeoJSON FeatureCollection, each with code, level, names, label point and note."""
        return {"type": "FeatureCollection", "features": [self._feature(outline) for outline in self.outlines]}

    def _feature(self, outline: Outline) -> dict[str, Any]:
        area = self.area(outline.code)
        return {
            "type": "Feature",
            "id": area.code,
            "bbox": list(outline.bounds),
            "properties": {
                "code": area.code,
                "level": area.level,
                "name": area.name,
                "label": list(outline.label),
                "note": dict(self.map_note),
            },
            "geometry": outline.geometry,
        }


def load_city(folder_or_name: str | Path) -> City:
    """Read a city from a folder, or by the name of one that comes along (``shanghai``)."""
    folder = Path(folder_or_name)
    if not folder.is_dir() and folder.name == str(folder_or_name):
        folder = CITIES / folder
    if not folder.is_dir():
        known = ", ".join(sorted(path.parent.name for path in CITIES.glob("*/city.toml")))
        raise CityError(f"city {str(folder_or_name)!r} is neither a folder nor one of: {known}")
    areas = parse_areas(_read(folder / "areas.csv"), str(folder / "areas.csv"))
    outlines = parse_outlines(_read(folder / "districts.geojson"), str(folder / "districts.geojson"))
    return build_city(_read(folder / "city.toml"), areas, outlines, str(folder / "city.toml"))


def build_city(
    settings: str, areas: tuple[Area, ...], outlines: tuple[Outline, ...], source: str = "city.toml"
) -> City:
    """Put a city together from the text of its ``city.toml``, its areas and its outlines, and check they agree."""
    try:
        table = tomllib.loads(settings)
        code, zone, note = str(table["code"]), ZoneInfo(table["timezone"]), table["map_note"]
        lon, lat = (float(value) for value in table["centre"])
        map_note = {"zh": str(note["zh"]), "en": str(note["en"])}
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CityError(
            f"{source}: must give code, timezone, centre = [longitude, latitude] and map_note.zh, map_note.en; "
            f"reading it fails at {error!r}"
        ) from error
    if code != areas[0].code:
        raise CityError(f"{source}: code is {code!r}, must be that of the city in areas.csv, {areas[0].code!r}")
    order = {area.code: place for place, area in enumerate(areas) if area.level == "district"}
    for outline in outlines:
        if outline.code not in order:
            raise CityError(f"{source}: outline of {outline.code!r} is of no district in areas.csv")
    missing = sorted(set(order) - {outline.code for outline in outlines})
    if missing:
        raise CityError(f"{source}: districts {', '.join(missing)} have no outline in districts.geojson")
    by_order = tuple(sorted(outlines, key=lambda outline: order[outline.code]))
    return City(zone, (lon, lat), map_note, areas, by_order)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CityError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CityError(f"{path}: cannot be read as UTF-8 text: {error}") from error
