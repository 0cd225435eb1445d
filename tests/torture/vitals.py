"""Recompute the vital signs from the stored rows alone and compare them with what the pipeline published."""

import math
from datetime import datetime
from typing import Any

import orjson
import psycopg

from devices.city import load_city
from devices.kinds import kinds
from devices.topics import Topics
from devices.units import EPOCH, MICROSECOND
from processing.documents import Documents
from processing.service import ProcessingService

_NEGLIGIBLE = 1e-9


def recomputed(city_folder: str, database_url: str, at: str) -> dict[str, dict[str, Any]]:
    """The documents of every area at an instant, from an engine that has seen nothing but the database."""
    city = load_city(city_folder)
    instant = (datetime.fromisoformat(at) - EPOCH) // MICROSECOND
    service = ProcessingService(
        city=city,
        topics=Topics(city.code, kinds()),
        database_url=database_url,
        publish=lambda _messages: None,
        state=dict,
        clock=lambda: instant / 1e6,
    )
    service.restore()
    snapshot = service.engine.evaluate(instant)
    documents = Documents(city, service.engine).write(snapshot, 0, service.engine.worst(instant))
    return {area: orjson.loads(document) for area, document in documents}


def differences(published: dict[str, dict[str, Any]], again: dict[str, dict[str, Any]]) -> list[str]:
    """Where two sets of documents differ, in words."""
    found = []
    if published.keys() != again.keys():
        found.append(f"vitals: published areas {sorted(published)}, recomputed {sorted(again)}")
    for area in sorted(published.keys() & again.keys()):
        found += [f"vitals: {area} {line}" for line in _differ("", published[area], again[area])]
    return found


def _differ(place: str, one: Any, other: Any) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other} - {"tick"})
        return [line for key in keys for line in _differ(f"{place}/{key}", one.get(key), other.get(key))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [line for n, pair in enumerate(zip(one, other, strict=True)) for line in _differ(f"{place}/{n}", *pair)]
    if isinstance(one, float) and isinstance(other, int | float):
        same = math.isclose(one, other, rel_tol=_NEGLIGIBLE, abs_tol=_NEGLIGIBLE)
    else:
        same = one == other
    return [] if same else [f"{place}: published {one!r:.200}, recomputed {other!r:.200}"]


def count_devices(connection: psycopg.Connection) -> int:
    """Registered devices."""
    row = connection.execute("SELECT count(*) FROM devices").fetchone()
    return int(row[0]) if row else 0
