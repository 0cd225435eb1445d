"""Which areas a live stream is about: those named, those of a level, those right below one; all by default."""

from api.live import Selection
from api.problems import invalid_parameter
from devices.area import LEVELS
from devices.city import City


def words(values: list[str]) -> list[str]:
    """Items of a parameter that may be repeated and may hold a list with commas."""
    return [word for value in values for word in (part.strip() for part in value.split(",")) if word]


def select(city: City, areas: list[str], levels: list[str], parents: list[str]) -> Selection:
    """The union of what is asked for; the whole city if nothing is. Raises a 422 problem."""
    chosen: set[str] = set()
    for name, codes in (("areas", areas), ("parent", parents)):
        for code in codes:
            if code not in city:
                raise invalid_parameter(name, code, "must be a code of GET /v1/areas")
    chosen.update(areas)
    for parent in parents:
        chosen.update(child.code for child in city.children(parent))
    for level in levels:
        if level not in LEVELS:
            raise invalid_parameter("level", level, f"must be one of {', '.join(LEVELS)}")
    chosen.update(area.code for area in city.areas if area.level in levels)
    if not (areas or levels or parents):
        chosen.update(city.index)
    return frozenset(chosen)
