"""The registry in memory: which device has which key, kind, place and gateway.

Pure; ``device_store`` keeps it in SQL.
"""

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ingest.names import Names
from ingest.watermark import Asked, read_asked


@dataclass(frozen=True, slots=True)
class Device:
    """One registered device."""

    key: int
    id: str
    kind: str
    area: str
    lon: float | None = None
    lat: float | None = None
    name: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gateway(self) -> str | None:
        """The gateway that may speak for this device in its packs."""
        gateway = self.attributes.get("gateway")
        return gateway if isinstance(gateway, str) else None


class Registry:
    """Devices by id. Not thread-safe: ingest's loop owns it."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._devices = _Columns()
        self.changes = 0
        """how often devices were added or changed: what was derived from the registry before may be outdated"""
        self.askers: dict[int, tuple[Device, Asked]] = {}
        """devices that want to be told their watermark, by key"""
        self.asking_anew: dict[int, Device] = {}
        """devices whose asking is new, changed or over, by key; emptied by whoever answers them"""
        self.update(devices)

    def __len__(self) -> int:
        return len(self._devices)

    def update(self, devices: Iterable[Device]) -> None:
        for device in devices:
            self.changes += 1
            self._devices.put(device)
            if "watermark" in device.attributes or device.key in self.askers:
                self._note_asking(device)

    def _note_asking(self, device: Device) -> None:
        try:
            asked = read_asked(device.attributes)
        except ValueError:
            asked = None  # registered before anybody checked
        known = self.askers.pop(device.key, None)
        if asked is not None:
            self.askers[device.key] = device, asked
        if (known and known[1]) != asked:
            self.asking_anew[device.key] = device

    def get(self, device_id: str) -> Device | None:
        return self._devices.get(device_id)


_KNOWN_AT_MOST = 100_000


class _Columns:
    """Devices by column, made up again when somebody asks for one: there may be a million of them."""

    def __init__(self) -> None:
        self._ids = Names()
        self._keys, self._kinds, self._areas, self._rest = array("i"), array("H"), array("i"), array("i")
        self._lon, self._lat = array("d"), array("d")
        self._kind_names, self._area_names = Names(), Names()
        self._rests: list[tuple[str | None, Mapping[str, Any]]] = []
        self._known_rests: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, device: Device) -> None:
        """Add a device, or change the one of its id."""
        lon, lat = (math.nan if x is None else x for x in (device.lon, device.lat))
        kind, area, rest = self._kind_names.add(device.kind), self._area_names.add(device.area), self._other(device)
        place = self._ids.find(device.id)
        row = (device.key, kind, area, rest, lon, lat)
        columns: tuple[array[Any], ...] = (self._keys, self._kinds, self._areas, self._rest, self._lon, self._lat)
        if place is None:
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            self._ids.add(device.id)  # last, since another thread may look it up meanwhile
        else:
            for column, value in zip(columns, row, strict=True):
                column[place] = value

    def get(self, device_id: str) -> Device | None:
        place = self._ids.find(device_id)
        if place is None:
            return None
        lon, lat = (None if math.isnan(x) else x for x in (self._lon[place], self._lat[place]))
        kind, area = self._kind_names[self._kinds[place]], self._area_names[self._areas[place]]
        name, attributes = self._rests[self._rest[place]]
        return Device(self._keys[place], device_id, kind, area, lon, lat, name, attributes)

    def _other(self, device: Device) -> int:
        """Name and attributes, which many devices have in common."""
        said = orjson.dumps((device.name, device.attributes))
        known = self._known_rests.get(said)
        if known is None:
            known = len(self._rests)
            self._rests.append((device.name, device.attributes))
            if len(self._known_rests) < _KNOWN_AT_MOST:
                self._known_rests[said] = known
        return known
