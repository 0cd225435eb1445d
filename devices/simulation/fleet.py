"""A city's fleet of simulated devices: city, n, seed and clock in, births and readings out. Pure, never sleeps.

Every device reports every ``interval`` seconds at its own phase, and ``dateObserved`` is the exact instant its
report was due. The same city, n, seed and sequence of clock readings give the same readings.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devices.city import City
from devices.contract import Kind
from devices.simulation.behaviour import Behaviour, Fields, Happening, Moment, Mood, Site
from devices.simulation.behaviours import BusService, maker
from devices.simulation.plan import Plan, plan_sites
from devices.simulation.signals import HOUR
from devices.units import EPOCH, MICROSECOND, format_instant, format_point

INTERVAL_S = 10.0
SKIP_AFTER_INTERVALS = 3
FLAKY_MISSES = 0.5


@dataclass(frozen=True)
class Emission:
    """A reading on its way out: the stream it belongs to, the device, and its fields with ``dateObserved``."""

    stream: str
    device: str
    reading: dict[str, Any]


@dataclass(frozen=True)
class Birth:
    """What a device says of itself once: the payload of its retained ``meta``."""

    kind: str
    device: str
    meta: dict[str, Any]


@dataclass(frozen=True)
class Clock:
    """The simulated local clock: shows ``local`` (s since 1970 local) at ``start`` (µs) and runs ``speed``-fold."""

    start: int
    local: float
    speed: float = 1.0

    @classmethod
    def of(cls, city: City, start: datetime, speed: float, hour: float | None) -> "Clock":
        """The city's own time of day at ``start``; with ``hour`` the day begins at that hour instead."""
        here = start.astimezone(city.timezone)
        offset = here.utcoffset()
        assert offset is not None, "an aware datetime has an offset"
        local = start.timestamp() + offset.total_seconds()
        if hour is not None:
            local = local - local % (24 * HOUR) + hour * HOUR
        return cls((start - EPOCH) // MICROSECOND, local, speed)

    def at(self, micros: int) -> float:
        return self.local + self.speed * (micros - self.start) / 1e6


@dataclass
class _Unit:
    """A device at work: its behaviour and when it last reported (µs)."""

    site: Site
    life: Behaviour
    last: int
    flaky: bool


class Fleet:
    """``n`` devices of all kinds over all streets of a city, at work since ``start``."""

    def __init__(
        self,
        city: City,
        kinds: dict[str, Kind],
        n: int,
        seed: int,
        start: datetime,
        *,
        speed: float = 1.0,
        interval: float = INTERVAL_S,
        mood: Mood | None = None,
        hour: float | None = None,
    ) -> None:
        if not (speed > 0 and interval > 0 and n >= 0):
            raise ValueError(f"speed {speed}, interval {interval} s and n {n} must be positive")
        self.interval = interval
        self.clock = Clock.of(city, start, speed, hour)
        self._plan = plan_sites(city, kinds, n, seed, mood or Mood())
        self._rng = random.Random(seed)
        self._streams = {kind.id: {name: s.name for name, s in kind.event_streams.items()} for kind in kinds.values()}
        self._units = [self._unit(self._plan, index, seed) for index in range(len(self._plan.sites))]
        self._step = round(interval * 1e6)
        self._due: list[tuple[int, int, bool]] = []
        for index, unit in enumerate(self._units):
            if index not in self._plan.dead:
                self._due.append((self.clock.start + self._rng.randrange(self._step), index, True))
                self._plan_event(index, unit)
        heapq.heapify(self._due)

    def _unit(self, plan: Plan, index: int, seed: int) -> _Unit:
        """A device whose lasting traits (size, habits) hang on seed and id alone, so that they outlive a restart."""
        site = plan.sites[index]
        own = random.Random(f"{seed} {site.device}")
        moment = Moment(self.clock.start, 1.0, self.clock.local, self.clock.speed)
        if index in plan.vehicles:
            line, ordinal, vehicles = plan.vehicles[index]
            life: Behaviour = BusService(site, line, ordinal, vehicles, moment, own)
        else:
            life = maker(site.kind.id)(site, moment, own)
        return _Unit(site, life, self.clock.start, index in plan.flaky)

    def _plan_event(self, index: int, unit: _Unit) -> None:
        if unit.life.wake_at is not None:
            heapq.heappush(self._due, (unit.life.wake_at, index, False))

    def __len__(self) -> int:
        return len(self._units)

    def births(self) -> list[Birth]:
        """Every device's birth: where it stands, its name, how often it reports. Dead ones were born as well."""
        return [Birth(unit.site.kind.id, unit.site.device, self._meta(unit.site)) for unit in self._units]

    def _meta(self, site: Site) -> dict[str, Any]:
        return {
            "area": site.street,
            "location": format_point((site.lon, site.lat)),
            "name": f"{self._plan.street_names[site.street]} {site.kind.name_zh} {site.ordinal}",
            "attributes": {"reportingInterval": self.interval, "simulated": True},
        }

    def readings(self, at: datetime) -> Iterator[Emission]:
        """What fell due up to ``at`` since the last call, in order of time.

        After a pause of more than three intervals a device leaves out the reports it slept through.
        """
        now = (at - EPOCH) // MICROSECOND
        due, too_old = self._due, now - SKIP_AFTER_INTERVALS * self._step
        while due and due[0][0] <= now:
            time, index, is_report = due[0]
            unit = self._units[index]
            if not is_report:
                heapq.heappop(due)
                happenings = unit.life.occur(time, self.clock.at(time), self._rng)
                self._plan_event(index, unit)
                if time >= too_old:
                    yield from self._events(unit, happenings)
                continue
            if time < too_old:
                time += (now - time) // self._step * self._step
            heapq.heapreplace(due, (time + self._step, index, True))
            yield from self._report(unit, time)

    def _report(self, unit: _Unit, time: int) -> Iterator[Emission]:
        elapsed = (time - unit.last) / 1e6
        moment = Moment(time, elapsed, self.clock.at(time), elapsed * self.clock.speed)
        unit.last = time
        fields, happenings = unit.life.report(moment, self._rng)
        if unit.flaky and self._rng.random() < FLAKY_MISSES:
            return
        yield self._emission(unit.site.kind.id, unit.site.device, time, fields)
        yield from self._events(unit, happenings)

    def _events(self, unit: _Unit, happenings: list[Happening]) -> Iterator[Emission]:
        names = self._streams[unit.site.kind.id]
        for happening in happenings:
            yield self._emission(names[happening.event], unit.site.device, happening.at, happening.fields)

    @staticmethod
    def _emission(stream: str, device: str, at: int, fields: Fields) -> Emission:
        return Emission(stream, device, {"dateObserved": format_instant(at), **fields})
