"""The registry as it was: devices register, move and retire, and a minute of the past knows what was true then. Pure.

    registered_at        until          until
         ├── first state ──┼── second ────┼── as it is now ──▶
    ·····│ heard earlier: there from the first reading on

A minute counts what was registered at its end. A device whose readings are older than its registration, as those of an
imported trace are, counts from the first of them that is stored, in its first state.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace

import numpy as np

from ingest.registry import PAGE, Device, Devices, RegistryPast
from processing.engine import Engine


class Registrations:
    """What is still to happen to the registry of an engine that lags behind the present; a whole city may be new."""

    def __init__(self, changes: Iterable[Device] = ()) -> None:
        """``changes``: devices as they are from their ``since`` on."""
        self._forget()
        self.put(changes)

    def _forget(self) -> None:
        self._changes = Devices()
        self._since, self._keys = array("q"), array("i")
        self._happened = 0
        """of them; what has happened has since 0"""

    def __len__(self) -> int:
        return len(self._changes) - self._happened

    def put(self, changes: Iterable[Device]) -> None:
        """Have more happen; of what happens to a device at one instant, what is put last counts."""
        for device in changes:
            self._changes.append(device)
            self._since.append(device.since)
            self._keys.append(device.key)

    def due(self, at: int) -> Iterator[list[Device]]:
        """Devices, each once, as they are by ``at`` (µs) by what has happened, some at a time; it is forgotten here."""
        since = np.array(self._since)
        due = np.flatnonzero((since > 0) & (since <= at))
        if not len(due):
            return
        due = due[np.argsort(since[due], kind="stable")]
        _, last = np.unique(np.array(self._keys)[due[::-1]], return_index=True)
        places = due[::-1][np.sort(last)[::-1]].tolist()
        for first in range(0, len(places), PAGE):
            yield [self._changes[place] for place in places[first : first + PAGE]]
        for place in due.tolist():
            self._since[place] = 0
        self._happened += len(due)
        if 2 * self._happened > len(self._changes):
            left = [self._changes[place] for place in np.flatnonzero(np.array(self._since)).tolist()]
            self._forget()
            self.put(left)


def rewind(engine: Engine, devices: Sequence[Device], past: RegistryPast, at: int) -> Registrations:
    """Put an engine, in which ``devices`` are registered as they are now and nothing was folded, back to ``at`` (µs).

    ``past``: what happened after an instant as early as the readings that are to be folded. Returns what happened
    after ``at``.
    """
    changed = {former.key for former in past.former}
    later = Registrations()
    newcomers: list[Device] = []
    for device in devices if past.registered else ():
        key = device.key
        registered = past.registered[key] if key in past.registered and key not in changed else 0
        if registered > at:
            newcomers.append(replace(device, since=registered))
        if len(newcomers) == PAGE:
            _undo(engine, newcomers, later)
            newcomers = []
    _undo(engine, newcomers, later)
    states = _states(_chosen(devices, changed), past)
    new = {key for key in states if past.registered.get(key, 0) > at}
    engine.withdraw(replace(known[0], since=0) for key, known in states.items() if key in new)
    engine.register(replace(_state_at(known, at), since=0) for key, known in states.items() if key not in new)
    remember(engine, devices, past, at)
    later.put(state for known in states.values() for state in known if state.since > at)
    return later


def _undo(engine: Engine, newcomers: Sequence[Device], later: Registrations) -> None:
    """Take devices out that are registered later, at their ``since``, and never changed."""
    engine.withdraw(newcomers)
    later.put(newcomers)


def remember(engine: Engine, devices: Sequence[Device], past: RegistryPast, until: int) -> None:
    """Tell an engine where devices stood before moves up to ``until`` (µs)."""
    known = _chosen(devices, {former.key for former in past.former})
    for former in past.former:
        if former.until <= until and former.key in known:
            stood = replace(known[former.key], area=former.area, attributes=former.attributes)
            engine.remember(stood, former.until)


def _chosen(devices: Sequence[Device], keys: Set[int]) -> dict[int, Device]:
    """Some of many devices, by key."""
    return {device.key: device for device in devices if device.key in keys} if keys else {}


def _states(now: dict[int, Device], past: RegistryPast) -> dict[int, list[Device]]:
    """What each device was in the order of time, since when; 0 = since before what is known."""
    states: dict[int, list[Device]] = {}
    since: dict[int, int] = {}
    for former in past.former:
        device = now.get(former.key)
        if device is not None:
            began = since.get(former.key, past.registered.get(former.key, 0))
            state = replace(device, area=former.area, attributes=former.attributes, since=began)
            states.setdefault(former.key, []).append(state)
            since[former.key] = former.until
    for key, device in now.items():
        began = since.get(key, past.registered.get(key, 0))
        states.setdefault(key, []).append(replace(device, since=began))
    return states


def _state_at(states: Sequence[Device], at: int) -> Device:
    return next(state for state in reversed(states) if state.since <= at)
