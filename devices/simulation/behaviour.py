"""What a simulated device is told and what it answers: the interface between the fleet and the kinds' behaviours."""

import random
from dataclasses import dataclass
from typing import Any, Protocol

from devices.contract import Kind

Fields = dict[str, Any]


@dataclass(frozen=True)
class Mood:
    """How the whole city is today; 1 and 0 are an ordinary day. Set by a scenario."""

    waste: float = 1.0
    collection: bool = True
    dumping: float = 1.0
    parking: float = 0.0
    delay: float = 0.0
    delay_spread: float = 1.0
    load: float = 1.0
    warmer: float = 0.0
    dead: float = 0.02
    rollover: float = 0.0
    replaced: float = 0.0


@dataclass(frozen=True)
class Site:
    """Where and what one device is; ``trouble`` is 0 in most districts and up to 1 in those that fare worse."""

    device: str
    kind: Kind
    district: str
    street: str
    lon: float
    lat: float
    ordinal: int
    trouble: float
    mood: Mood


@dataclass(frozen=True)
class Moment:
    """The time of one report.

    ``at``: real time, µs since 1970. ``elapsed``: real seconds since this device last reported. ``local`` and
    ``passed``: the same on the simulated local clock (s), which may run faster.
    """

    at: int
    elapsed: float
    local: float
    passed: float


@dataclass(frozen=True)
class Happening:
    """An event at a device: which, when (µs since 1970) and its fields."""

    event: str
    at: int
    fields: Fields


class Behaviour(Protocol):
    """One simulated device. Made with its site and the moment of its start, in the state of that time of day."""

    @property
    def wake_at(self) -> int | None:
        """When something happens between two reports (µs since 1970); the fleet then calls ``occur``."""
        ...

    def report(self, moment: Moment, rng: random.Random) -> tuple[Fields, list[Happening]]:
        """Telemetry fields at a moment, and the events that happened since the last report."""
        ...

    def occur(self, at: int, local: float, rng: random.Random) -> list[Happening]:
        """What happens at ``wake_at``; sets the next one."""
        ...
