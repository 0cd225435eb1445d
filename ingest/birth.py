"""Read a device's birth (``meta``) and its ``status``; pure."""

from dataclasses import dataclass
from typing import Any

import orjson

from devices.contract import Flaw, shown
from devices.topics import Address
from devices.units import parse_point
from ingest.registration import (
    INTERVAL_RIGHT,
    MAX_ATTRIBUTES,
    MAX_NAME,
    POINT_RIGHT,
    are_measures,
    as_json,
    is_flag,
    is_gateway,
    is_interval,
    is_keepable,
    is_name,
)
from ingest.registry import Device
from ingest.watermark import read_asked


@dataclass(frozen=True)
class Birth:
    """What a device says of itself; becomes a Device once the database has given it a key."""

    id: str
    kind: str
    area: str
    lon: float | None
    lat: float | None
    name: str | None
    attributes: dict[str, Any]

    def changes(self, device: Device | None) -> bool:
        """Whether this birth says something the registry does not hold yet."""
        return device is None or self != Birth(
            device.id, device.kind, device.area, device.lon, device.lat, device.name, dict(device.attributes)
        )


def read_birth(address: Address, payload: bytes, areas: frozenset[str]) -> Birth | Flaw:
    """Parse ``{"area": code, "location": {GeoJSON Point}, "name": …, "attributes": {…}}``.

    ``areas`` are the codes of the city. Unknown keys are ignored.
    """
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        return Flaw("syntax", f"the birth is not JSON: {error}")
    if not isinstance(body, dict):
        return Flaw("schema", f"a birth is {shown(body)}, must be a JSON object")
    area = body.get("area")
    if not isinstance(area, str) or area not in areas:
        said = shown(area) if "area" in body else "missing"
        return Flaw("schema", f"area is {said}, must be the code of an area of this city, such as a street's")
    name = body.get("name")
    if not is_name(name):
        return Flaw("schema", f"name is {shown(name)}, must be text of at most {MAX_NAME} characters")
    lon = lat = None
    if body.get("location") is not None:
        try:
            lon, lat = parse_point(body["location"])
        except ValueError:
            return Flaw("schema", f"location is {shown(body['location'])}, must be {POINT_RIGHT}")
    attributes = {} if body.get("attributes") is None else body["attributes"]
    flaw = attributes_flaw(attributes)
    return flaw or Birth(address.device, address.kind, area, lon, lat, name, attributes)


def attributes_flaw(attributes: Any) -> Flaw | None:
    """Why something cannot be a device's attributes; None if it can."""
    if not isinstance(attributes, dict):
        return Flaw("schema", f"attributes is {shown(attributes)}, must be a JSON object")
    try:
        text = as_json(attributes)
    except ValueError as error:
        return Flaw("schema", f"attributes cannot be kept as JSON: {error}")
    if not is_keepable(text):
        return Flaw("schema", f"attributes has {len(text)} bytes, must be at most {MAX_ATTRIBUTES}, without NUL")
    interval, measures = attributes.get("reportingInterval"), attributes.get("measures")
    if not is_interval(interval):
        return Flaw("schema", f"attributes.reportingInterval is {shown(interval)}, must be {INTERVAL_RIGHT}")
    if not are_measures(measures):
        return Flaw("schema", f"attributes.measures is {shown(measures)}, must be a list of field names")
    retired, gateway = attributes.get("retired"), attributes.get("gateway")
    if not is_flag(retired):
        return Flaw("schema", f"attributes.retired is {shown(retired)}, must be true or false")
    if not is_gateway(gateway):
        return Flaw("schema", f"attributes.gateway is {shown(gateway)}, must be the id of one gateway")
    try:
        read_asked(attributes)
    except ValueError as error:
        return Flaw("schema", str(error))
    return None


def read_status(payload: bytes) -> str | Flaw:
    """Parse ``online`` or ``offline``, plain or as a JSON string."""
    text = payload.strip(b'" \r\n\t').decode("utf-8", "replace")
    return text if text in ("online", "offline") else Flaw("schema", f"status is {shown(text)}, must be online|offline")
