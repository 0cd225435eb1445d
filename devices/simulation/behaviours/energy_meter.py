"""A meter's day: homes peak in the evening, offices by day; the register is the exact integral of the power.

P(t) = R·(curve(local) · day factor) + Σ aᵢ·sin(ωᵢt + φᵢ) in kW; the register in kWh is its closed-form integral,
so that a simulator started again goes on where the register would have been.
"""

import math
import random
from dataclasses import dataclass

from devices.simulation.behaviour import Fields, Happening, Moment, Site
from devices.simulation.register import Register
from devices.simulation.signals import DAY, HOUR, Curve, Walk, clamp, weekday

_ORIGIN = 54 * 365 * DAY
"""Registers count from about the beginning of 2024 (s)."""


@dataclass(frozen=True)
class _Customer:
    curve: Curve
    weekend: float
    kw: tuple[float, float]
    power_factor: float
    adjustable: float


CUSTOMERS = (
    _Customer(
        Curve((0, 0.45), (4, 0.36), (7, 0.62), (9, 0.55), (12, 0.66), (15, 0.58), (18, 0.85), (20, 1.0), (22, 0.8)),
        1.08, (60, 240), 0.965, 0.05,
    ),
    _Customer(
        Curve((0, 0.30), (6, 0.30), (8.5, 0.80), (11, 1.0), (12.5, 0.9), (15, 1.0), (18, 0.75), (20, 0.42)),
        0.5, (80, 500), 0.94, 0.15,
    ),
    _Customer(
        Curve((0, 0.28), (7, 0.28), (10, 0.85), (13, 0.95), (18, 1.0), (21, 0.9), (22.5, 0.4)),
        1.1, (120, 700), 0.93, 0.18,
    ),
)  # fmt: skip


class MeterLife:
    """One metering point of a residential feeder, an office or a shop."""

    wake_at: int | None = None

    def __init__(self, site: Site, start: Moment, rng: random.Random) -> None:
        self._customer = rng.choices(CUSTOMERS, (5, 3, 2))[0]
        heat = 1 + max(0.0, site.mood.warmer) * 0.035
        self._kw = rng.uniform(*self._customer.kw) * site.mood.load * heat * (1 + 0.1 * site.trouble)
        self._waves = [
            (self._kw * share, 2 * math.pi / (period * rng.uniform(0.8, 1.25)), rng.uniform(0, 2 * math.pi))
            for share, period in ((0.05, 5 * HOUR), (0.03, 1500), (0.02, 180))
        ]
        self._factor = Walk.drawn(0.008, HOUR, rng)
        self._low_factor = 0.07 if rng.random() < 0.06 + 0.2 * site.trouble else 0.0
        self._start_kwh = self._curve_kwh(_ORIGIN, start.local)
        self._start_local = start.local
        self._speed = start.passed / start.elapsed if start.elapsed > 0 else 1.0
        self._start_at = start.at
        fate = random.Random(f"register {site.device} {self._kw} {start.at}")  # of its own: all else stays as it was
        self._register = Register.drawn(site.mood, self._energy(start), self._kw, fate)

    def _curve_kwh(self, begin: float, end: float) -> float:
        """Energy of the daily curve, with its weekends, between two local instants."""
        curve, first, last = self._customer.curve, int(begin // DAY), int(end // DAY)
        weekends = sum(weekday(day * DAY) >= 5 for day in range(first, first + (last - first) % 7))
        weekends += 2 * ((last - first) // 7)
        days = (last - first - weekends) + weekends * self._customer.weekend
        kws = days * curve.daily
        kws += self._day_factor(end) * curve.integral(last * DAY, end)
        kws -= self._day_factor(begin) * curve.integral(first * DAY, begin)
        return self._kw * kws / HOUR

    def _day_factor(self, local: float) -> float:
        return self._customer.weekend if weekday(local) >= 5 else 1.0

    def _energy(self, moment: Moment) -> float:
        """kWh that have passed since ``_ORIGIN``."""
        energy = self._start_kwh + self._curve_kwh(self._start_local, moment.local) / self._speed
        for kw, omega, phase in self._waves:
            energy += kw / omega / HOUR * (1 - math.cos(omega * moment.at / 1e6 + phase))
        return energy

    def report(self, moment: Moment, rng: random.Random) -> tuple[Fields, list[Happening]]:
        power = self._kw * self._day_factor(moment.local) * self._customer.curve.at(moment.local)
        for kw, omega, phase in self._waves:
            power += kw * math.sin(omega * moment.at / 1e6 + phase)
        register = self._register.shown(self._energy(moment), (moment.at - self._start_at) / 1e6)
        factor = self._customer.power_factor - self._low_factor + self._factor.step(moment.elapsed, rng)
        return {
            "totalActivePower": round(power, 3),
            "totalActiveEnergyImport": register,
            "powerFactor": round(clamp(factor, 0.5, 0.999), 4),
            "adjustablePower": round(max(0.0, power) * self._customer.adjustable, 3),
        }, []

    def occur(self, at: int, local: float, rng: random.Random) -> list[Happening]:
        return []
