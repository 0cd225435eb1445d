"""Gives each device of a recording an area of the city, by a rule that always comes out the same. Pure."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from devices.area import CityError
from devices.city import City
from devices.recording.format import AreasTable, TraceError


def place(devices: Sequence[str], rule: AreasTable, city: City, columns: Mapping[str, str]) -> dict[str, str]:
    """Area code of every device; ``columns`` holds what the rule ``column`` read for each.

    ``hash``: the street whose number is the hash of the device's id; ``round_robin``: streets in turn to the
    devices in order of id. Raises TraceError for an area the city does not have.
    """
    if rule.rule == "column":
        return {device: _known(columns.get(device, ""), city, f"device {device!r}") for device in devices}
    if rule.rule == "constant":
        code = _known(rule.code or "", city, "areas.code")
        return dict.fromkeys(devices, code)
    streets = _streets(rule, city)
    if rule.rule == "round_robin":
        return {device: streets[i % len(streets)] for i, device in enumerate(sorted(devices))}
    return {device: streets[_hash(device) % len(streets)] for device in devices}


def _streets(rule: AreasTable, city: City) -> list[str]:
    """Codes of the streets to choose from, in order; of the districts in a city without streets."""
    streets = city.at_level("street") or city.at_level("district")
    if not rule.within:
        return [area.code for area in streets]
    for code in rule.within:
        _known(code, city, "areas.within")
    wanted = set(rule.within)
    chosen = [a.code for a in streets if a.code in wanted or any(up.code in wanted for up in city.ancestors(a.code))]
    return chosen or sorted(wanted)


def _known(code: str, city: City, what: str) -> str:
    try:
        return city.area(code).code
    except CityError as error:
        raise TraceError(f"{what}: {error}") from None


def _hash(device: str) -> int:
    return int.from_bytes(blake2b(device.encode(), digest_size=8).digest(), "big")
