"""Bus lines of a simulated city: stops strung along a wandering street, and the timetable of a vehicle on them."""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from devices.outline import Outline

CRUISE_M_PER_S = 6.5
DWELL_S = 16.0
LAYOVER_S = 240.0
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Line:
    """A line run to its end and back.

    ``stops`` are (longitude, latitude) of one direction. A round calls at every stop outwards, then backwards;
    call ``i`` of a round is at ``offsets[i]`` seconds after the round's start, and ``lengths[i]`` metres lead to it.
    """

    id: str
    stops: tuple[tuple[float, float], ...]

    @cached_property
    def calls(self) -> tuple[int, ...]:
        """The stop (index) of every call of a round."""
        outward = range(len(self.stops))
        return (*outward, *reversed(outward))

    @cached_property
    def lengths(self) -> tuple[float, ...]:
        places = [self.stops[stop] for stop in self.calls]
        return tuple(distance(places[i - 1], places[i]) for i in range(len(places)))

    @cached_property
    def leg_times(self) -> tuple[float, ...]:
        """Scheduled seconds from the call before; where the line turns, the layover."""
        turns = (0, len(self.stops))
        return tuple(
            LAYOVER_S if i in turns else round(DWELL_S + length / CRUISE_M_PER_S)
            for i, length in enumerate(self.lengths)
        )

    @cached_property
    def offsets(self) -> tuple[float, ...]:
        return tuple(accumulate(self.leg_times))

    @property
    def round_time(self) -> float:
        """Seconds of a whole round."""
        return self.offsets[-1]

    def stop_id(self, call: int) -> str:
        direction = "A" if call < len(self.stops) else "B"
        return f"{self.id}-{self.calls[call]:02d}{direction}"

    def call_after(self, offset: float) -> int:
        """The first call of a round later than ``offset`` seconds; the number of calls if there is none."""
        return bisect_right(self.offsets, offset)


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres between two near places (longitude, latitude in degrees), on a plane."""
    east = (b[0] - a[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return METRES_PER_DEGREE * math.hypot(east, b[1] - a[1])


def draw_line(line_id: str, start: tuple[float, float], outline: Outline | None, rng: random.Random) -> Line:
    """A line of 9–14 stops that wanders from ``start`` and turns away where it would leave ``outline``."""
    stops = [start]
    heading = rng.uniform(0, 2 * math.pi)
    for _ in range(rng.randint(8, 13)):
        for _attempt in range(12):
            turned = heading + rng.gauss(0, 0.3)
            step = rng.uniform(380, 620) / METRES_PER_DEGREE
            lon = stops[-1][0] + step * math.cos(turned) / math.cos(math.radians(stops[-1][1]))
            lat = stops[-1][1] + step * math.sin(turned)
            heading = turned
            if outline is None or outline.contains(lon, lat):
                break
            heading += rng.uniform(0.6, 1.4)
        else:
            lon, lat = stops[0]
        stops.append((round(lon, 6), round(lat, 6)))
    return Line(line_id, tuple(stops))
