"""How the devices of each kind behave; a kind that has no file here gets a plausible walk from its declaration."""

import random
from collections.abc import Callable, Mapping

from devices.simulation.behaviour import Behaviour, Moment, Site
from devices.simulation.behaviours.bus import BusService
from devices.simulation.behaviours.car_park import CarParkLife
from devices.simulation.behaviours.energy_meter import MeterLife
from devices.simulation.behaviours.garbage_hut import HutLife
from devices.simulation.behaviours.generic import AnyLife
from devices.simulation.behaviours.parking_bay import BayLife

Maker = Callable[[Site, Moment, random.Random], Behaviour]

MADE: Mapping[str, Maker] = {
    "car_park": CarParkLife,
    "energy_meter": MeterLife,
    "garbage_hut": HutLife,
    "parking_bay": BayLife,
}


def maker(kind: str) -> Maker:
    """What makes a device of a kind. Buses are not among them: they run on the lines of a network."""
    return MADE.get(kind, AnyLife)


__all__ = ["MADE", "BusService", "maker"]
