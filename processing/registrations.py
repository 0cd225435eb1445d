"""The registry as it was: devices register, move and retire, and a minute of the past knows what was true then. Pure.

    registered_at        until          until
         ├── first state ──┼── second ────┼── as it is now ──▶
    ·····│ heard earlier: there from the first reading on

A minute counts what was registered at its end. A device whose readings are older than its registration, as those of an
imported trace are, counts from the first of them that is stored, in its first state.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from ingest.registry import Device, RegistryPast
from processing.engine import Engine


class Registrations:
    """What is still to happen to the registry of an engine that lags behind the present."""

    def __init__(self, changes: Iterable[Device] = ()) -> None:
        """``changes``: devices as they are from their ``since`` on."""
        self._changes: list[Device] = []
        self.put(changes)

    def __len__(self) -> int:
        return len(self._changes)

    def put(self, changes: Iterable[Device]) -> None:
        """Have more happen; of what happens to a device at one instant, what is put last counts."""
        self._changes = sorted([*self._changes, *changes], key=lambda device: device.since)

    def due(self, at: int) -> list[Device]:
        """What has happened by ``at`` (µs); it is forgotten here."""
        if not self._changes or self._changes[0].since > at:
            return []
        due = [device for device in self._changes if device.since <= at]
        self._changes = self._changes[len(due) :]
        return due


def rewind(engine: Engine, devices: Sequence[Device], past: RegistryPast, at: int) -> Registrations:
    """Put an engine, in which ``devices`` are registered as they are now and nothing was folded, back to ``at`` (µs).

    ``past``: what happened after an instant as early as the readings that are to be folded. Returns what happened
    after ``at``.
    """
    newcomers = {key for key, registered in past.registered.items() if registered > at}
    wanted = newcomers | {former.key for former in past.former}
    states = _states(_chosen(devices, wanted), past)
    engine.withdraw(replace(known[0], since=0) for key, known in states.items() if key in newcomers)
    engine.register(replace(_state_at(known, at), since=0) for key, known in states.items() if key not in newcomers)
    remember(engine, devices, past, at)
    return Registrations(state for known in states.values() for state in known if state.since > at)


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
