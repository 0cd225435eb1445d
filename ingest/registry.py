"""The registry in memory: which device has which key, kind, place and gateway.

Pure; ``device_store`` keeps it in SQL.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, overload

import numpy as np
import orjson
from numpy.typing import NDArray

from ingest.names import Names, Texts
from ingest.rare import Rare
from ingest.watermark import Asked, read_asked

Row = tuple[int, str, str, str, float | None, float | None, str | None, Mapping[str, Any], int]
"""the fields of a device in their order"""
Places = NDArray[np.intp]


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

    def load(self, devices: "Devices") -> None:
        """Take devices in of which none is known yet, as ``update`` does."""
        self.changes += len(devices)
        self._devices.extend(devices.rows())
        for place in np.flatnonzero(devices.by_attributes(lambda said: "watermark" in said)).tolist():
            self._note_asking(devices[place])

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
        self._name, self._names = Rare("i", 0), Texts()
        """place in the names + 1"""
        self._lon, self._lat, self._since = Rare("d", math.nan), Rare("d", math.nan), Rare("q", 0)
        self._kind_of, self._area_of = _Numbers(), _Numbers()
        self._distinct: list[Mapping[str, Any]] = [{}]
        self._known: dict[str, int] = {}
        """place in the distinct attributes, by their JSON"""

    @classmethod
    def of(cls, devices: Iterable[Device]) -> "Devices":
        """Some devices by column."""
        if isinstance(devices, Devices):
            return devices
        made = cls()
        made.extend(_row_of(device) for device in devices)
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
        lon, lat, named = self._lon[place], self._lat[place], self._name[place]
        return Device(
            self._keys[place],
            device_id,
            self._kind_of.names[self._kinds[place]],
            self._area_of.names[self._areas[place]],
            None if lon != lon else lon,
            None if lat != lat else lat,
            self._names[named - 1] if named else None,
            self._distinct[self._attributes[place]],
            self._since[place],
        )

    def rows(self) -> Iterator[Row]:
        """What ``extend`` takes."""
        return zip(
            self._keys,
            self._ids,
            map(self._kind_of.names.__getitem__, self._kinds),
            map(self._area_of.names.__getitem__, self._areas),
            (None if value != value else value for value in self._lon),
            (None if value != value else value for value in self._lat),
            (self._names[place - 1] if place else None for place in self._name),
            map(self._distinct.__getitem__, self._attributes),
            self._since,
            strict=False,
        )

    @property
    def ids(self) -> Sequence[str]:
        """The id of each."""
        return self._ids

    @property
    def keys(self) -> NDArray[np.int32]:
        """The key of each."""
        return np.array(self._keys, np.int32)

    @property
    def since(self) -> NDArray[np.int64]:
        """Since when each is as it is (µs since 1970), 0 = that is not said."""
        said = np.zeros(len(self), np.int64)
        said[: len(self._since.said)] = self._since.said
        return said

    def of_kind(self, kind: str) -> Places:
        """The places of those of one kind, in order."""
        return np.flatnonzero(np.array(self._kinds) == self._kind_of.get(kind, -1))

    def among(self, keys: Iterable[int]) -> dict[int, Device]:
        """Those of some keys, by key."""
        places = np.flatnonzero(np.isin(self.keys, list(keys)))
        return {device.key: device for device in map(self.__getitem__, places.tolist())}

    def by_area(self, value: Callable[[str], int], places: Places | None = None) -> NDArray[np.int64]:
        """What the area of each comes to, of those in some places or of all; each area is asked once."""
        return _each(np.array(self._areas), places, lambda number: value(self._area_of.names[number]))

    def by_attributes(
        self, value: Callable[[Mapping[str, Any]], int], places: Places | None = None
    ) -> NDArray[np.int64]:
        """What the attributes of each come to, as ``by_area``; many devices have theirs in common."""
        return _each(np.array(self._attributes), places, lambda number: value(self._distinct[number]))

    def append(self, device: Device) -> None:
        """Add a device."""
        self.extend([_row_of(device)])

    def extend(self, rows: Iterable[Row]) -> None:
        """Add devices."""
        columns = list(zip(*rows, strict=True))
        if not columns:
            return
        keys, ids, kinds, areas, lon, lat, names, attributes, since = columns
        first = len(self._keys)
        self._keys.extend(keys)
        self._kinds.extend(map(self._kind_of, kinds))
        self._areas.extend(map(self._area_of, areas))
        numbers = {id(one): self._number_of(one) for one in {id(one): one for one in attributes}.values()}
        self._attributes.extend(numbers[id(one)] for one in attributes)
        self._put_rare(
            first, lon, lat, [None if name is None else self._names.append(name) + 1 for name in names], since
        )
        for one in ids:  # last, since another thread may look it up meanwhile
            self._add_id(one)

    def replace(self, place: int, device: Device) -> None:
        """Put a device in the place of the one of its id."""
        self._keys[place], self._kinds[place] = device.key, self._kind_of(device.kind)
        self._areas[place], self._attributes[place] = self._area_of(device.area), self._number_of(device.attributes)
        known = self._name[place]
        if device.name is None or (known and self._names[known - 1] == device.name):
            name = None if device.name is None else known
        else:
            name = self._names.append(device.name) + 1
        self._put_rare(place, [device.lon], [device.lat], [name], [device.since])

    def key_and_kind(self, place: int) -> tuple[int, str]:
        """What is asked of many devices at once, without making them up."""
        return self._keys[place], self._kind_of.names[self._kinds[place]]

    def _put_rare(
        self,
        first: int,
        lon: Sequence[float | None],
        lat: Sequence[float | None],
        name: Sequence[int | None],
        since: Sequence[int],
    ) -> None:
        self._lon.put(first, lon)
        self._lat.put(first, lat)
        self._name.put(first, name)
        self._since.put(first, [instant or None for instant in since])

    def _number_of(self, attributes: Mapping[str, Any]) -> int:
        """Many devices have theirs in common."""
        if not attributes:
            return 0
        said = orjson.dumps(attributes).decode()  # what dumps gives holds on to a kilobyte
        known = self._known.get(said)
        if known is None:
            known = len(self._distinct)
            self._distinct.append(attributes)
            if len(self._known) < _KNOWN_AT_MOST:
                self._known[said] = known
        return known


_row_of: Callable[[Device], Row] = attrgetter(*(field.name for field in fields(Device)))


def _each(numbers: NDArray[Any], places: Places | None, value: Callable[[int], int]) -> NDArray[np.int64]:
    """What each number comes to, of those in some places or of all; each number is asked once."""
    distinct, each = np.unique(numbers if places is None else numbers[places], return_inverse=True)
    return np.array([value(number) for number in distinct.tolist()], np.int64)[each]
