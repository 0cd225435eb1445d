"""What a meter's register shows of the energy that has passed: in kWh, sometimes rolled over, or begun anew."""

import random
from dataclasses import dataclass

from devices.simulation.behaviour import Mood

DIGITS = 5
"""of a register that rolls over: it shows kWh below 10⁵"""
WITHIN_S = 3600.0
"""an exchange happens this soon after the start, a roll-over when the meter has drawn what this long a full load is"""


@dataclass
class Register:
    """Shows the energy (kWh) that has passed in all as one meter after the other would."""

    shift: float = 0.0
    """added to the energy, kWh"""
    size: float | None = None
    """what it rolls over at, kWh"""
    exchanged_after: float | None = None
    """real seconds until another meter takes over"""

    @classmethod
    def drawn(cls, mood: Mood, kwh: float, kw: float, rng: random.Random) -> "Register":
        """For a meter that has counted ``kwh`` so far and draws about ``kw``: what the day has in store for it."""
        kind, moment = rng.random(), rng.random()
        if kind < mood.rollover:
            size = 10.0**DIGITS
            return cls(shift=size - kwh % size - moment * kw * WITHIN_S / 3600, size=size)
        if kind < mood.rollover + mood.replaced:
            return cls(exchanged_after=moment * WITHIN_S)
        return cls()

    def shown(self, kwh: float, seconds: float) -> float:
        """What it shows ``seconds`` after the start, when ``kwh`` have passed in all; rounded like a meter does."""
        if self.exchanged_after is not None and seconds >= self.exchanged_after:
            self.shift, self.exchanged_after = -kwh, None
        seen = round(kwh + self.shift, 4)
        return seen if self.size is None else round(seen % self.size, 4)
