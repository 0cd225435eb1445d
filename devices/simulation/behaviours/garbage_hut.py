"""A sorting hut's day: filled before and after work, emptied in the morning, smelling the more the fuller it is.

Some huts are neglected, most of them where trouble is: nobody comes but every second day, so they overflow.
"""

import random
from dataclasses import dataclass

from devices.simulation.behaviour import Fields, Happening, Moment, Site
from devices.simulation.signals import DAY, HOUR, Curve, Walk, air_temperature, clamp, happens, passes, since

# People bring waste at breakfast and after dinner, when the huts are open (6:30–9:00 and 17:30–20:30).
_VISITS = Curve(
    (0, 0.1), (5.5, 0.1), (6.5, 2.5), (7.5, 6.0), (8.5, 5.0), (9.2, 0.8),
    (12, 0.7), (17, 0.8), (17.8, 4.0), (19, 6.0), (20, 4.5), (20.8, 0.8), (23, 0.2),
)  # fmt: skip
_DUMPING = Curve(
    (0, 0.5), (5, 0.3), (6.4, 0.8), (6.6, 0.15), (8.9, 0.15), (9.2, 1.6),
    (12, 0.8), (17.3, 1.0), (17.6, 0.15), (20.4, 0.15), (20.7, 2.6), (22.5, 1.4),
)  # fmt: skip
DUMPINGS_PER_DAY = 1.2
SEEPAGES_PER_DAY = 0.08
SEEPAGE_S = 2400.0
NEGLECTED = (0.03, 0.35)
"""Share of neglected huts without trouble, and what full trouble adds."""


@dataclass(frozen=True)
class _Waste:
    """A stream of waste: what a day adds to its bins (ratio), their full weight (kg), and how it is emptied."""

    name: str
    daily: float
    full_kg: float
    every_days: int
    twice_a_day: bool = False


WASTES = (
    _Waste("Residual", 0.75, 175.0, 1),
    _Waste("Food", 0.95, 230.0, 1, twice_a_day=True),
    _Waste("Recyclable", 0.30, 95.0, 2),
    _Waste("Hazardous", 0.02, 20.0, 30),
)


class HutLife:
    """One hut; starts with what has gathered since it was last emptied."""

    wake_at: int | None = None

    def __init__(self, site: Site, start: Moment, rng: random.Random) -> None:
        self._site = site
        collected = 9.3 + 1.4 * rng.random() + 1.5 * site.trouble
        self._morning = collected * HOUR
        self._evening = (20.6 + rng.random()) * HOUR
        self._neglected = rng.random() < NEGLECTED[0] + NEGLECTED[1] * site.trouble
        self._rates = [waste.daily * rng.uniform(0.7, 1.25) * self._demand for waste in WASTES]
        self._fills = [self._gathered(i, start.local) for i in range(len(WASTES))]
        self._mix = Walk.drawn(0.2, 2 * HOUR, rng)
        self._ammonia = Walk.drawn(0.08, HOUR, rng)
        self._sulphide = Walk.drawn(0.003, HOUR, rng)
        self._air = Walk.drawn(0.8, 3 * HOUR, rng)
        self._seeping = rng.random() < SEEPAGES_PER_DAY * SEEPAGE_S / DAY

    @property
    def _demand(self) -> float:
        return self._site.mood.waste * (1 + 0.45 * self._site.trouble)

    def _gathered(self, index: int, local: float) -> float:
        """What has come since the last collection, whose days are fixed."""
        waste = WASTES[index]
        morning = int((local - self._morning) // DAY)
        age = since(local, self._morning) + (morning + self._site.ordinal) % self._every(waste) * DAY
        if waste.twice_a_day and not self._neglected:
            age = min(age, since(local, self._evening))
        if not self._site.mood.collection:
            age += DAY
        return min(1.0, self._rates[index] * _VISITS.integral(local - age, local) / _VISITS.daily)

    def _every(self, waste: _Waste) -> int:
        """Days between two collections."""
        return max(waste.every_days, 2) if self._neglected else waste.every_days

    def _emptied(self, waste: _Waste, moment: Moment) -> bool:
        if not self._site.mood.collection:
            return False
        if waste.twice_a_day and not self._neglected and passes(moment.local, moment.passed, self._evening):
            return True
        if not passes(moment.local, moment.passed, self._morning):
            return False
        return (int((moment.local - self._morning) // DAY) + self._site.ordinal) % self._every(waste) == 0

    def report(self, moment: Moment, rng: random.Random) -> tuple[Fields, list[Happening]]:
        brought = _VISITS.integral(moment.local - moment.passed, moment.local) / _VISITS.daily
        brought *= max(0.2, 1 + self._mix.step(moment.passed, rng))
        fields: Fields = {}
        for index, waste in enumerate(WASTES):
            fill = 0.0 if self._emptied(waste, moment) else self._fills[index]
            self._fills[index] = fill = min(1.0, fill + self._rates[index] * brought)
            fields[f"fillingLevel{waste.name}"] = round(fill, 4)
            fields[f"cargoWeight{waste.name}"] = round(waste.full_kg * fill * rng.gauss(1, 0.004), 2)
        fields |= self._air_fields(moment, rng)
        return fields, self._dumped(moment, rng)

    def _air_fields(self, moment: Moment, rng: random.Random) -> Fields:
        warm = air_temperature(moment.local, self._site.lat) + self._site.mood.warmer + 2
        warm += self._air.step(moment.passed, rng)
        rot = (0.6 * self._fills[1] + 0.4 * self._fills[0]) * 2 ** ((warm - 20) / 12)
        ammonia = 0.08 + 0.95 * rot * (1 + self._ammonia.step(moment.passed, rng))
        sulphide = 0.003 + 0.036 * rot + self._sulphide.step(moment.passed, rng)
        if self._seeping:
            self._seeping = not happens(1 / SEEPAGE_S, moment.passed, rng)
        else:
            self._seeping = happens(SEEPAGES_PER_DAY * (1 + 4 * self._site.trouble) / DAY, moment.passed, rng)
        return {
            "nh3": round(clamp(ammonia, 0.01, 60), 3),
            "h2s": round(clamp(sulphide, 0.001, 10), 4),
            "seepageDetected": self._seeping,
            "temperature": round(warm, 1),
            "presenceDetected": rng.random() < 0.08 * _VISITS.at(moment.local),
        }

    def _dumped(self, moment: Moment, rng: random.Random) -> list[Happening]:
        share = _DUMPING.at(moment.local) * DAY / _DUMPING.daily
        rate = DUMPINGS_PER_DAY / DAY * share * self._site.mood.dumping * (1 + 2.5 * self._site.trouble)
        if not happens(rate, moment.passed, rng):
            return []
        open_now = 6.5 <= moment.local % DAY / HOUR < 9 or 17.5 <= moment.local % DAY / HOUR < 20.5
        fields = {
            "violation": rng.choice(["wrong_stream", "beside_bin"]) if open_now else "outside_hours",
            "stream": rng.choice(["residual", "residual", "food", "recyclable"]),
            "confidence": round(rng.uniform(0.7, 0.99), 2),
        }
        return [Happening("illegal_dumping", moment.at, fields)]

    def occur(self, at: int, local: float, rng: random.Random) -> list[Happening]:
        return []
