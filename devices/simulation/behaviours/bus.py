"""A bus at work: it runs its line to a timetable, with a delay that wanders, recovers, and grows in the rush hours."""

import math
import random

from devices.simulation.behaviour import Fields, Happening, Moment, Site
from devices.simulation.lines import DWELL_S, LAYOVER_S, Line
from devices.simulation.signals import Curve
from devices.units import format_instant, format_point

_RUSH_DELAY_S = Curve((0, 60), (6, 65), (8, 145), (9.5, 90), (16, 90), (18, 155), (20, 75), (23, 60))
_SERVICE = Curve((0, 0.5), (4.5, 0.5), (6, 1.0), (21, 1.0), (23, 0.6))
KEEPS = 0.86
INCIDENTS_PER_LEG = 0.006
FASTEST = 0.6


class BusService:
    """One vehicle: the ``ordinal``-th of ``vehicles`` on its line, evenly spaced over the round.

    Motion and timetable are in real time; only how many buses run and how late they are follow the simulated hour.
    """

    def __init__(self, site: Site, line: Line, ordinal: int, vehicles: int, start: Moment, rng: random.Random) -> None:
        self._site, self._line = site, line
        self._rank = (ordinal // 2 + (ordinal % 2) * ((vehicles + 1) // 2)) / vehicles
        self._phase = line.round_time * ordinal / vehicles
        self._spread = (105 + 40 * site.trouble) * site.mood.delay_spread
        self._delay = self._usual_delay(start.local) + rng.gauss(0, self._spread)
        seconds = start.at / 1e6 - self._delay
        self._round = math.floor((seconds - self._phase) / line.round_time)
        self._call = line.call_after(seconds - self._round_start)
        if self._call == len(line.offsets):
            self._round, self._call = self._round + 1, 0
        self._in_service = self._runs(start.local)
        self._scheduled = self._due()
        self._arrives = max(self._scheduled + self._delay, start.at / 1e6 + 1)
        self._left = self._arrives - max(line.leg_times[self._call] - DWELL_S, 20)

    @property
    def _round_start(self) -> float:
        return self._phase + self._round * self._line.round_time

    def _due(self) -> float:
        return self._round_start + self._line.offsets[self._call]

    def _runs(self, local: float) -> bool:
        return self._rank < _SERVICE.at(local)

    def _usual_delay(self, local: float) -> float:
        return _RUSH_DELAY_S.at(local) + 125 * self._site.trouble + self._site.mood.delay

    @property
    def wake_at(self) -> int | None:
        return math.ceil(self._arrives * 1e6)

    def occur(self, at: int, local: float, rng: random.Random) -> list[Happening]:
        """The bus reaches its next call; it is then on its way to the one after."""
        happening = [self._arrival(at, rng)] if self._in_service else []
        arrived, self._call = self._arrives, self._call + 1
        if self._call == len(self._line.offsets):
            self._round, self._call = self._round + 1, 0
        leg = self._line.leg_times[self._call]
        self._scheduled = self._due()
        if leg == LAYOVER_S:
            self._in_service = self._runs(local)
            self._delay = min(self._delay, 90.0)
        usual = self._usual_delay(local)
        noise = self._spread * math.sqrt(1 - KEEPS * KEEPS) * rng.gauss(0, 1)
        self._delay = usual + KEEPS * (self._delay - usual) + noise
        if rng.random() < INCIDENTS_PER_LEG:
            self._delay += rng.uniform(180, 480)
        self._arrives = max(self._scheduled + self._delay, arrived + FASTEST * min(leg, 150.0))
        self._delay = self._arrives - self._scheduled
        self._left = min(arrived + DWELL_S if leg != LAYOVER_S else self._arrives - 30, self._arrives - 5)
        return happening

    def _trip(self) -> str:
        half = int(self._call >= len(self._line.stops))
        return f"{self._line.id}-{int(self._round_start // 60) % 1_000_000:06d}{'AB'[half]}"

    def _arrival(self, at: int, rng: random.Random) -> Happening:
        fields: Fields = {
            "route": self._line.id,
            "trip": self._trip(),
            "stop": self._line.stop_id(self._call),
            "scheduledAt": format_instant(round(self._scheduled * 1e6)),
            "arrivedAt": format_instant(at),
        }
        if rng.random() > 0.1:
            fields["predictedAt"] = format_instant(at + round(rng.gauss(8, 28)) * 1_000_000)
        return Happening("arrival", at, fields)

    def report(self, moment: Moment, rng: random.Random) -> tuple[Fields, list[Happening]]:
        line, now = self._line, moment.at / 1e6
        a, b = line.stops[line.calls[self._call - 1]], line.stops[line.calls[self._call]]
        share = min(1.0, max(0.0, (now - self._left) / (self._arrives - self._left)))
        lon, lat = (round(a[i] + share * (b[i] - a[i]), 6) for i in (0, 1))
        fields: Fields = {"position": format_point((lon, lat)), "speed": 0.0}
        if self._in_service:
            fields |= {"route": line.id, "trip": self._trip()}
            if 0 < share < 1:
                metres_per_s = line.lengths[self._call] / (self._arrives - self._left)
                fields["speed"] = round(min(80.0, max(0.0, 3.6 * metres_per_s * rng.uniform(0.7, 1.3))), 1)
        return fields, []
