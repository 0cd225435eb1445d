"""What the nemesis of a seed does and when; pure.

The faults are dealt like cards: consecutive seeds go on through one shuffled deck, so that a run of seeds has every
fault, and each step may get a second fault on another part by lot.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.torture.faults import Fault

SECOND_FAULT = 0.4
_DECK = 20_261_120


@dataclass(frozen=True)
class Step:
    """One or two faults at once, how long they last, how long the world may recover before the next."""

    faults: tuple[Fault, ...]
    hold: float
    calm: float


def plan(seed: int, faults: Sequence[Fault], steps: int, *, hold: tuple[float, float] = (1.0, 4.0)) -> list[Step]:
    """The steps of a seed; ``hold``: least and most seconds that faults last."""
    rng = random.Random(seed)
    made = []
    for number in range(seed * steps, (seed + 1) * steps):
        first = card(number, faults)
        drawn = [first]
        others = [fault for fault in faults if not fault.on & first.on]
        if others and rng.random() < SECOND_FAULT:
            drawn.append(rng.choice(others))
        rng.shuffle(drawn)
        made.append(Step(tuple(drawn), rng.uniform(*hold), rng.uniform(0.3, 1.5)))
    return made


def card(number: int, faults: Sequence[Fault]) -> Fault:
    """The fault at a place in an endless row of shuffled decks."""
    deck = list(faults)
    random.Random(_DECK + number // len(deck)).shuffle(deck)
    return deck[number % len(deck)]
