"""The registry as it was: devices register, move and retire, and a minute of the past knows what was true then. Pure.

    registered_at        until          until
         ├── first state ──┼── second ────┼── as it is now ──▶
    ·····│ heard earlier: there from the first reading on

A minute counts what was registered at its end. A device whose readings are older than its registration, as those of an
imported trace are, counts from the first of them that is stored, in its first state.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ingest.registry import Device, Devices
from ingest.registry_past import RegistryPast
from processing.engine import Engine
from processing.roster import Placements


class Registrations:
    """What is still to happen to the registry of an engine that lags behind the present; a whole city may be new."""

    def __init__(self) -> None:
        self._coming: Placements = {}

    def __len__(self) -> int:
        return sum(map(len, self._coming.values()))

    def put(self, placements: Placements) -> None:
        """Have more happen: devices as they are from their ``since`` on; of what happens to a device at one instant,
        what is put last counts."""
        for kind, more in placements.items():
            self._coming[kind] = self._coming[kind] + more if kind in self._coming else more

    def due(self, at: int) -> Placements:
        """Devices, each once, as they are by ``at`` (µs) by what has happened; it is forgotten here."""
        due, coming = split(self._coming, at)
        self._coming = coming
        in_order = ((kind, placed.take(np.argsort(placed.since, kind="stable"))) for kind, placed in due.items())
        return {kind: placed.latest() for kind, placed in in_order}


def split(placements: Placements, at: int) -> tuple[Placements, Placements]:
    """What devices are by ``at`` (µs), and what they are later only."""
    parts: tuple[Placements, Placements] = ({}, {})
    for kind, placed in placements.items():
        later = placed.since > at
        for part, rows in zip(parts, (~later, later), strict=True):
            if rows.any():
                part[kind] = placed.take(rows)
    return parts


def rewind(engine: Engine, devices: Devices, past: RegistryPast, at: int) -> Registrations:
    """Put an engine, in which ``devices`` are registered as they are now and nothing was folded, back to ``at`` (µs).

    ``past``: what happened after an instant as early as the readings that are to be folded. Returns what happened
    after ``at``.
    """
    later = Registrations()
    changed = devices.among(former.key for former in past.former)
    registered = past.registered.at(devices.keys)
    unchanged = ~np.isin(devices.keys, list(changed))
    newcomers = engine.place(devices, np.flatnonzero(unchanged & (registered > at)), registered)
    engine.withdraw(newcomers)
    later.put(newcomers)
    states = _states(changed, past)
    new = {key for key in states if past.registered.get(key) > at}
    engine.withdraw(engine.place(replace(known[0], since=0) for key, known in states.items() if key in new))
    engine.register(replace(_state_at(known, at), since=0) for key, known in states.items() if key not in new)
    remember(engine, devices, past, at)
    later.put(engine.place(state for known in states.values() for state in known if state.since > at))
    return later


def remember(engine: Engine, devices: Devices, past: RegistryPast, until: int) -> None:
    """Tell an engine where devices stood before moves up to ``until`` (µs)."""
    known = devices.among(former.key for former in past.former)
    for former in past.former:
        if former.until <= until and former.key in known:
            stood = replace(known[former.key], area=former.area, attributes=former.attributes)
            engine.remember(stood, former.until)


def _states(now: dict[int, Device], past: RegistryPast) -> dict[int, list[Device]]:
    """What each device was in the order of time, since when; 0 = since before what is known."""
    states: dict[int, list[Device]] = {}
    since: dict[int, int] = {}
    for former in past.former:
        device = now.get(former.key)
        if device is not None:
            began = since.get(former.key, past.registered.get(former.key))
            state = replace(device, area=former.area, attributes=former.attributes, since=began)
            states.setdefault(former.key, []).append(state)
            since[former.key] = former.until
    for key, device in now.items():
        began = since.get(key, past.registered.get(key))
        states.setdefault(key, []).append(replace(device, since=began))
    return states


def _state_at(states: Sequence[Device], at: int) -> Device:
    return next(state for state in reversed(states) if state.since <= at)
