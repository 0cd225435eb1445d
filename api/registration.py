"""Checks registrations: decoded JSON in, valid devices or one entry per wrong value out. Pure."""

from collections.abc import Mapping
from typing import Any

from api.store.devices import NewDevice
from devices.city import City
from devices.contract import Kind, shown
from devices.topics import device_flaw
from devices.units import parse_point
from ingest.registration import (
    INTERVAL_RIGHT,
    MAX_ATTRIBUTES,
    MAX_NAME,
    POINT_RIGHT,
    are_measures,
    as_json,
    is_asking,
    is_flag,
    is_gateway,
    is_interval,
    is_keepable,
    is_name,
)
from ingest.watermark import RIGHT

MAX_DEVICES = 10_000
FIELDS = frozenset({"id", "kind", "area", "location", "name", "attributes"})

Error = dict[str, Any]


def check(items: list[Any], city: City, kinds: Mapping[str, Kind]) -> tuple[list[NewDevice], list[Error]]:
    """Valid devices in the order given, and what is wrong: index, field, value and what would be right."""
    devices: list[NewDevice] = []
    errors: list[Error] = []
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        found = Checker(index, city, kinds)
        device = found.device(item)
        if device is not None:
            first = seen.setdefault(device.id, index)
            if first != index:
                found.wrong("id", device.id, f"must appear once in a request; it is also at index {first}")
            devices.append(device)
        errors += found.errors
    return devices, errors


class Checker:
    """Checks one registration and gathers everything that is wrong with it."""

    def __init__(self, index: int, city: City, kinds: Mapping[str, Kind]) -> None:
        self._index, self._city, self._kinds = index, city, kinds
        self.errors: list[Error] = []

    def wrong(self, field: str, value: Any, right: str) -> None:
        detail = f"item {self._index}: {field} is {shown(value)}, {right}"
        self.errors.append({"index": self._index, "field": field, "value": shown(value), "detail": detail})

    def device(self, item: Any) -> NewDevice | None:
        """The device, or None if anything is wrong."""
        if not isinstance(item, dict):
            self.wrong("registration", item, "must be an object with id, kind and area")
            return None
        for name in item.keys() - FIELDS:
            self.wrong(
                shown(name), item[name], f"is not a field of a device, must be one of {', '.join(sorted(FIELDS))}"
            )
        device, kind, area = item.get("id"), item.get("kind"), item.get("area")
        self._check_id(device)
        if not isinstance(kind, str) or kind not in self._kinds:
            self.wrong("kind", kind, f"must be one of {', '.join(self._kinds)}")
        if not isinstance(area, str) or area not in self._city:
            self.wrong("area", area, f"must be the code of an area of {self._city.name['en']}, as in GET /v1/areas")
        lon, lat = self._location(item.get("location"))
        name = self._name(item.get("name"))
        attributes = self._attributes(item.get("attributes"), self._kinds.get(kind) if isinstance(kind, str) else None)
        if self.errors:
            return None
        return NewDevice(str(device), str(kind), str(area), lon, lat, name, attributes)

    def _check_id(self, device: Any) -> None:
        if not isinstance(device, str):
            self.wrong("id", device, "must be text of 1–128 characters")
        elif flaw := device_flaw(device):
            self.wrong("id", device, flaw.detail.partition(", ")[2])

    def _location(self, value: Any) -> tuple[float, float] | tuple[None, None]:
        if value is None:
            return None, None
        try:
            return parse_point(value)
        except ValueError:
            self.wrong("location", value, f"must be {POINT_RIGHT}")
            return None, None

    def _name(self, value: Any) -> str | None:
        if is_name(value) and value != "":
            return None if value is None else str(value)
        self.wrong("name", value, f"must be text of 1–{MAX_NAME} characters")
        return None

    def _attributes(self, value: Any, kind: Kind | None) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong("attributes", value, "must be an object")
            return {}
        if not _fits(value):
            self.wrong(
                "attributes", value, f"must be at most {MAX_ATTRIBUTES} bytes of JSON, not too deep, without NUL"
            )
        interval, measures = value.get("reportingInterval"), value.get("measures")
        if not is_interval(interval):
            self.wrong("attributes.reportingInterval", interval, f"must be {INTERVAL_RIGHT}")
        known = dict.fromkeys(spec.name for stream in kind.streams for spec in stream.fields) if kind else {}
        if kind is not None and not are_measures(measures, known):
            self.wrong("attributes.measures", measures, f"must be a list of one or more of {', '.join(known)}")
        if not is_flag(value.get("retired")):
            self.wrong("attributes.retired", value["retired"], "must be true or false")
        if not is_gateway(value.get("gateway")):
            self.wrong("attributes.gateway", value["gateway"], "must be the id of one gateway")
        if not is_asking(value):
            self.wrong("attributes.watermark", value["watermark"], f"must be {RIGHT}")
        return value


def _fits(attributes: Mapping[str, Any]) -> bool:
    try:
        return is_keepable(as_json(attributes))
    except ValueError:
        return False
