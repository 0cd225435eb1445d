"""The registry in memory: which device has which key, kind, place and gateway.

Pure; ``device_store`` keeps it in SQL.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import orjson

from ingest.names import Names, Texts
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


class Instants(Mapping[int, int]):
    """Instants (µs since 1970) by key, in 12 bytes each: a whole city may have been registered lately."""

    def __init__(self, known: Iterable[tuple[int, int]]) -> None:
        """``known``: keys, each once, in order, and their instants."""
        self._keys, self._instants = array("i"), array("q")
        for key, instant in known:
            self._keys.append(key)
            self._instants.append(instant)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self._place(key) >= 0

    def __getitem__(self, key: int) -> int:
        place = self._place(key)
        if place < 0:
            raise KeyError(key)
        return self._instants[place]

    def _place(self, key: int) -> int:
        place = bisect_left(self._keys, key)
        return place if place < len(self._keys) and self._keys[place] == key else -1


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
        self._ids = Names()
        self._devices = Devices(self._ids)
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
            place = self._ids.find(device.id)
            if place is None:
                self._devices.append(device)
            else:
                self._devices.replace(place, device)
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
        place = self._ids.find(device_id)
        return None if place is None else self._devices[place]

    def key_and_kind(self, device_id: str) -> tuple[int, str] | None:
        """What is asked of many devices at once, without making them up."""
        place = self._ids.find(device_id)
        return None if place is None else self._devices.key_and_kind(place)


PAGE = 10_000
"""devices that are made up at a time where all are asked for"""
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


class Devices(Sequence[Device]):
    """Devices by column, made up again when somebody asks for one: there may be a million of them."""

    def __init__(self, ids: Names | None = None) -> None:
        """``ids``: empty, where they are to be found again."""
        self._ids = Texts() if ids is None else ids
        self._add_id = self._ids.append if ids is None else ids.add_new
        self._keys, self._kinds, self._areas, self._attributes = array("i"), array("H"), array("i"), array("i")
        self._name = array("i")
        """place in the names + 1, as far as the last device that has one"""
        self._names = Texts()
        self._lon, self._lat = array("d"), array("d")
        """as far as the last device that has a place"""
        self._since = array("q")
        """as far as the last device of which it is said"""
        self._kind_of, self._area_of = _Numbers(), _Numbers()
        self._distinct: list[Mapping[str, Any]] = [{}]
        self._known: dict[str, int] = {}
        """place in the distinct attributes, by their JSON"""

    @classmethod
    def of(cls, devices: Iterable[Device]) -> "Devices":
        """Some devices in little memory."""
        made = cls()
        for device in devices:
            made.append(device)
        return made

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> Device: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Device]: ...
    def __getitem__(self, place: int | slice) -> Device | Sequence[Device]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        device_id = self._ids[place]  # raises IndexError
        lon, lat = (self._lon[place], self._lat[place]) if place < len(self._lon) else (math.nan, math.nan)
        named = self._name[place] if place < len(self._name) else 0
        return Device(
            self._keys[place],
            device_id,
            self._kind_of.names[self._kinds[place]],
            self._area_of.names[self._areas[place]],
            None if lon != lon else lon,
            None if lat != lat else lat,
            self._names[named - 1] if named else None,
            self._distinct[self._attributes[place]],
            self._since[place] if place < len(self._since) else 0,
        )

    def pages(self) -> Iterator[Sequence[Device]]:
        """A part of them at a time, in order."""
        return (self[first : first + PAGE] for first in range(0, len(self), PAGE))

    def of_kind(self, kind: str) -> Iterator[Device]:
        """Those of one kind, in order."""
        number = self._kind_of.get(kind)
        return (self[place] for place, known in enumerate(self._kinds) if known == number)

    def append(self, device: Device) -> None:
        """Add a device."""
        place = len(self._keys)
        self._keys.append(device.key)
        self._kinds.append(self._kind_of(device.kind))
        self._areas.append(self._area_of(device.area))
        self._attributes.append(self._attributes_of(device))
        self._put_rare(place, device)
        self._add_id(device.id)  # last, since another thread may look it up meanwhile

    def replace(self, place: int, device: Device) -> None:
        """Put a device in the place of the one of its id."""
        self._keys[place], self._kinds[place] = device.key, self._kind_of(device.kind)
        self._areas[place], self._attributes[place] = self._area_of(device.area), self._attributes_of(device)
        self._put_rare(place, device)

    def key_and_kind(self, place: int) -> tuple[int, str]:
        """What is asked of many devices at once, without making them up."""
        return self._keys[place], self._kind_of.names[self._kinds[place]]

    def _put_rare(self, place: int, device: Device) -> None:
        _put(self._lon, place, math.nan if device.lon is None else device.lon, math.nan)
        _put(self._lat, place, math.nan if device.lat is None else device.lat, math.nan)
        _put(self._since, place, device.since, 0)
        known = self._name[place] if place < len(self._name) else 0
        if device.name is None:
            _put(self._name, place, 0, 0)
        elif not known or self._names[known - 1] != device.name:
            _put(self._name, place, self._names.append(device.name) + 1, 0)

    def _attributes_of(self, device: Device) -> int:
        """Many devices have theirs in common."""
        if not device.attributes:
            return 0
        said = orjson.dumps(device.attributes).decode()  # what dumps gives holds on to a kilobyte
        known = self._known.get(said)
        if known is None:
            known = len(self._distinct)
            self._distinct.append(device.attributes)
            if len(self._known) < _KNOWN_AT_MOST:
                self._known[said] = known
        return known


def _put(values: "array[Any]", place: int, value: float, nothing: float) -> None:
    """Set a value; what lies beyond the end is ``nothing``, and takes no room."""
    if place >= len(values):
        if value == nothing or value != value:
            return
        values.extend(array(values.typecode, [nothing]) * (place + 1 - len(values)))
    values[place] = value
