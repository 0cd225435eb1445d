"""What may be said of a device, be it in its birth or by registration over HTTP; pure.

Both ways keep to these rules and word what is wrong for their own readers.
"""

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from devices.topics import device_flaw
from ingest.watermark import read_asked

MAX_NAME = 256
"""characters"""
MAX_ATTRIBUTES = 16_384
"""bytes of JSON"""
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.001, 31_536_000.0
POINT_RIGHT = 'a GeoJSON Point (longitude, latitude) such as {"type": "Point", "coordinates": [121.47, 31.23]}'
INTERVAL_RIGHT = f"seconds, {SHORTEST_INTERVAL:g}–{LONGEST_INTERVAL:.0f}"


def is_name(value: Any) -> bool:
    """Whether something can be kept as a device's name."""
    return value is None or (isinstance(value, str) and len(value) <= MAX_NAME and "\x00" not in value)


def is_keepable(attributes_json: bytes) -> bool:
    """Whether attributes, as JSON, fit into the registry: PostgreSQL's ``jsonb`` holds no NUL."""
    return len(attributes_json) <= MAX_ATTRIBUTES and b"\\u0000" not in attributes_json


def as_json(attributes: Mapping[str, Any]) -> bytes:
    """Attributes as they are kept; raises ValueError for what is nested too deep to be written again."""
    try:
        return orjson.dumps(attributes)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from error


def is_interval(value: Any) -> bool:
    """Whether something can be a device's ``reportingInterval``: of what is shorter, a day would expect too many."""
    return value is None or (type(value) in (int, float) and SHORTEST_INTERVAL <= value <= LONGEST_INTERVAL)


def are_measures(value: Any, known: Collection[str] | None = None) -> bool:
    """Whether something can be a device's ``measures``: names of fields, or of ``known`` ones and then at least one."""
    if value is None:
        return True
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return known is None or (bool(value) and all(name in known for name in value))


def is_flag(value: Any) -> bool:
    """Whether something can be a device's ``retired``."""
    return value is None or isinstance(value, bool)


def is_gateway(value: Any) -> bool:
    """Whether something can be a device's ``gateway``: the id of one."""
    return value is None or (isinstance(value, str) and device_flaw(value) is None)


def is_asking(attributes: Mapping[str, Any]) -> bool:
    """Whether what the attributes say of the watermark can be understood."""
    try:
        read_asked(attributes)
    except ValueError:
        return False
    return True
