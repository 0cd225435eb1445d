"""The registry in memory: which device has which key, kind, place and gateway.

Pure; ``device_store`` keeps it in SQL.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
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
    since: int = field(default=0, compare=False)
    """µs since 1970: when it was registered or changed to this; 0 = that is not said here"""

    @property
    def gateway(self) -> str | None:
        """The gateway that may speak for this device in its packs."""
        gateway = self.attributes.get("gateway")
        return gateway if isinstance(gateway, str) else None


@dataclass(frozen=True)
class Former:
    """What a device was till before an instant."""

    key: int
    until: int
    """µs since 1970"""
    area: str
    attributes: Mapping[str, Any]
    """those that vital signs depend on"""


@dataclass(frozen=True)
class RegistryPast:
    """How the registry differed after an instant from what it is now."""

    registered: Mapping[int, int]
    """the devices, by key, that were registered after the instant, and when (µs since 1970)"""
    former: Sequence[Former]
    """in the order of time"""


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

    def key_and_kind(self, device_id: str) -> tuple[int, str] | None:
        """What is asked of many devices at once, without making them up."""
        return self._devices.key_and_kind(device_id)


_KNOWN_AT_MOST = 100_000


class _Numbers(dict[str, int]):
    """A number for each of a few texts."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> int:
        number = self.get(name)
        if number is None:
            self.names.append(name)
            number = self[name] = len(self.names) - 1
        return number


class _Columns:
    """Devices by column, made up again when somebody asks for one: there may be a million of them."""

    def __init__(self) -> None:
        self._ids = Names()
        self._keys, self._kinds, self._areas, self._rest = array("i"), array("H"), array("i"), array("i")
        self._lon, self._lat = array("d"), array("d")
        self._kind_of, self._area_of = _Numbers(), _Numbers()
        self._rests: list[tuple[str | None, Mapping[str, Any]]] = [(None, {})]
        self._known_rests: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, device: Device) -> None:
        """Add a device, or change the one of its id."""
        kind, area, rest = self._kind_of(device.kind), self._area_of(device.area), self._rest_of(device)
        lon = math.nan if device.lon is None else device.lon
        lat = math.nan if device.lat is None else device.lat
        place = self._ids.find(device.id)
        if place is not None:
            self._keys[place], self._kinds[place], self._areas[place] = device.key, kind, area
            self._rest[place], self._lon[place], self._lat[place] = rest, lon, lat
            return
        self._keys.append(device.key)
        self._kinds.append(kind)
        self._areas.append(area)
        self._rest.append(rest)
        self._lon.append(lon)
        self._lat.append(lat)
        self._ids.add_new(device.id)  # last, since another thread may look it up meanwhile

    def get(self, device_id: str) -> Device | None:
        place = self._ids.find(device_id)
        if place is None:
            return None
        lon, lat = self._lon[place], self._lat[place]
        kind, area = self._kind_of.names[self._kinds[place]], self._area_of.names[self._areas[place]]
        name, attributes = self._rests[self._rest[place]]
        return Device(
            self._keys[place],
            device_id,
            kind,
            area,
            None if lon != lon else lon,
            None if lat != lat else lat,
            name,
            attributes,
        )

    def key_and_kind(self, device_id: str) -> tuple[int, str] | None:
        place = self._ids.find(device_id)
        return None if place is None else (self._keys[place], self._kind_of.names[self._kinds[place]])

    def _rest_of(self, device: Device) -> int:
        """Name and attributes, which many devices have in common."""
        if device.name is None and not device.attributes:
            return 0
        said = orjson.dumps((device.name, device.attributes))
        known = self._known_rests.get(said)
        if known is None:
            known = len(self._rests)
            self._rests.append((device.name, device.attributes))
            if len(self._known_rests) < _KNOWN_AT_MOST:
                self._known_rests[said] = known
        return known
