"""A kerb bay's day: cars come and go so that the share of taken bays follows the hour, with short stays by day."""

import random

from devices.simulation.behaviour import Fields, Happening, Moment, Site
from devices.simulation.signals import HOUR, Curve, clamp, happens, weekday

_OCCUPANCY = Curve(
    (0, 0.66), (5, 0.62), (7, 0.52), (9, 0.70), (11, 0.77), (14, 0.74), (17, 0.72), (19, 0.79), (22, 0.70)
)  # fmt: skip
_STAY_H = Curve((0, 7.0), (5, 4.0), (7, 1.0), (9, 0.8), (12, 0.7), (17, 0.8), (19, 1.5), (22, 5.0))
UNKNOWN_SHARE = 0.004
CLOSED_SHARE = 0.008


class BayLife:
    """A two-state Markov chain: leave at 1/stay, arrive at p/(1-p)/stay, so that a share p of bays is taken."""

    wake_at: int | None = None

    def __init__(self, site: Site, start: Moment, rng: random.Random) -> None:
        self._site = site
        self._offset = rng.gauss(0, 0.06) + 0.13 * site.trouble + site.mood.parking
        self._closed = rng.random() < CLOSED_SHARE
        self._occupied = rng.random() < self._share(start.local)

    def _share(self, local: float) -> float:
        weekend = -0.06 if weekday(local) >= 5 else 0.0
        return clamp(_OCCUPANCY.at(local) + self._offset + weekend, 0.05, 0.97)

    def report(self, moment: Moment, rng: random.Random) -> tuple[Fields, list[Happening]]:
        share, stay = self._share(moment.local), _STAY_H.at(moment.local) * HOUR
        rate = 1 / stay if self._occupied else share / (1 - share) / stay
        if happens(rate, moment.passed, rng):
            self._occupied = not self._occupied
        if self._closed:
            return {"status": "closed"}, []
        if rng.random() < UNKNOWN_SHARE:
            return {"status": "unknown"}, []
        return {"status": "occupied" if self._occupied else "free"}, []

    def occur(self, at: int, local: float, rng: random.Random) -> list[Happening]:
        return []
