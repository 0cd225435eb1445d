"""Shapes that simulated quantities follow: daily curves, walks, bursts. Pure: time and randomness are arguments.

Times of day are seconds of the simulated local clock; an instant of that clock is seconds since 1970-01-01 00:00
local time, without zone (the simulated city keeps the UTC offset it started with).
"""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

HOUR = 3600.0
DAY = 86_400.0


class Curve:
    """A daily curve, linear between knots ``(hour, value)`` and closed over midnight, with its exact integral."""

    def __init__(self, *knots: tuple[float, float]) -> None:
        hours = [hour for hour, _ in knots]
        if len(knots) < 2 or hours != sorted(set(hours)) or hours[0] < 0 or hours[-1] >= 24:
            raise ValueError(f"knots of a daily curve are at {hours}, must be two or more rising hours within 0–24")
        wrap = (24 - hours[-1] + hours[0]) or 1.0
        midnight = knots[-1][1] + (knots[0][1] - knots[-1][1]) * (24 - hours[-1]) / wrap
        inner = [(hour * HOUR, value) for hour, value in knots if hour > 0]
        self._knots = [(0.0, midnight), *inner, (DAY, midnight)]
        self._times = [time for time, _ in self._knots]
        self._sums = [0.0]
        for (t0, v0), (t1, v1) in pairwise(self._knots):
            self._sums.append(self._sums[-1] + (v0 + v1) / 2 * (t1 - t0))

    def _piece(self, time: float) -> tuple[int, float]:
        index = min(bisect_right(self._times, time) - 1, len(self._knots) - 2)
        (t0, v0), (t1, v1) = self._knots[index], self._knots[index + 1]
        return index, v0 + (v1 - v0) * (time - t0) / (t1 - t0)

    def at(self, local: float) -> float:
        """Value at an instant or time of day."""
        return self._piece(local % DAY)[1]

    @property
    def daily(self) -> float:
        """Integral over a day, in value · s."""
        return self._sums[-1]

    def _until(self, time: float) -> float:
        index, value = self._piece(time)
        t0, v0 = self._knots[index]
        return self._sums[index] + (v0 + value) / 2 * (time - t0)

    def integral(self, start: float, end: float) -> float:
        """Integral from ``start`` to ``end`` (instants, s), in value · s."""
        whole = math.floor(end / DAY) - math.floor(start / DAY)
        return whole * self.daily + self._until(end % DAY) - self._until(start % DAY)


@dataclass
class Walk:
    """An Ornstein–Uhlenbeck walk around 0 with standard deviation ``sd`` and correlation time ``tau`` (s).

    x(t+dt) = a·x(t) + sd·sqrt(1 - a²)·N(0,1), a = exp(-dt/tau): exact for any step.
    """

    sd: float
    tau: float
    value: float = 0.0

    @classmethod
    def drawn(cls, sd: float, tau: float, rng: random.Random) -> "Walk":
        """A walk that has been going on for ever: it starts anywhere of its stationary distribution."""
        return cls(sd, tau, rng.gauss(0, sd))

    def step(self, seconds: float, rng: random.Random) -> float:
        keep = math.exp(-max(seconds, 0.0) / self.tau)
        self.value = keep * self.value + self.sd * math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
        return self.value


def happens(rate: float, seconds: float, rng: random.Random) -> bool:
    """Whether something that happens ``rate`` times a second on average happens within ``seconds``."""
    return rng.random() < -math.expm1(-rate * max(seconds, 0.0))


def passes(local: float, passed: float, time_of_day: float) -> bool:
    """Whether the clock went past ``time_of_day`` (s) during the last ``passed`` seconds up to ``local``."""
    return (local - time_of_day) % DAY < passed


def since(local: float, time_of_day: float) -> float:
    """Seconds since the clock last showed ``time_of_day`` (s)."""
    return (local - time_of_day) % DAY


def weekday(local: float) -> int:
    """0 Monday … 6 Sunday."""
    return int(local // DAY + 3) % 7


def clamp(value: float, lower: float, upper: float) -> float:
    return min(max(value, lower), upper)


_WARMTH = Curve((5, -1.0), (14, 1.0))


def air_temperature(local: float, latitude: float) -> float:
    """Outdoor temperature, °C, of a temperate city: a yearly and a daily wave; summer is July, in the south January."""
    season = math.cos(2 * math.pi * (local / DAY - 197) / 365.2425) * (1 if latitude >= 0 else -1)
    return 17 + 11 * season + 4 * _WARMTH.at(local)
