"""A car park's day: full over midday, nearly empty at night, with a slow walk around that."""

import random

from devices.simulation.behaviour import Fields, Happening, Moment, Site
from devices.simulation.signals import HOUR, Curve, Walk, clamp, weekday

_OCCUPANCY = Curve(
    (0, 0.38), (5, 0.34), (7, 0.40), (9, 0.62), (11, 0.74), (15, 0.72), (18, 0.66), (20, 0.60), (22, 0.46)
)  # fmt: skip


class CarParkLife:
    """Occupied = total · clamp(curve(hour) + own level + walk)."""

    wake_at: int | None = None

    def __init__(self, site: Site, start: Moment, rng: random.Random) -> None:
        self._total = rng.choice([80, 120, 160, 240, 320, 450, 600, 900])
        self._level = rng.gauss(0, 0.07) + 0.14 * site.trouble + site.mood.parking
        self._walk = Walk.drawn(0.05, 1.5 * HOUR, rng)

    def report(self, moment: Moment, rng: random.Random) -> tuple[Fields, list[Happening]]:
        weekend = -0.08 if weekday(moment.local) >= 5 else 0.0
        share = _OCCUPANCY.at(moment.local) + self._level + weekend + self._walk.step(moment.passed, rng)
        occupied = round(self._total * clamp(share, 0.02, 1.02))
        return {"totalSpotNumber": self._total, "occupiedSpotNumber": occupied}, []

    def occur(self, at: int, local: float, rng: random.Random) -> list[Happening]:
        return []
