"""What is known of an area at a moment, as ``processing.why`` wants it: from a tick or a stored minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from api import vitals
from api.problems import Problem, unavailable
from api.services import Services
from api.store import minutes
from api.store.policies import known
from api.times import rfc3339
from processing.policy import read_tables
from processing.why import Judged, Picture, Terms

Tables = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Known:
    """A picture, the moment it is of, and the policy it was made with."""

    picture: Picture
    at: datetime
    version: str
    tables: Tables
    state: str
    revision: int
    live: bool = False


async def from_tick(services: Services, area: str) -> Known:
    """The newest tick. Raises a problem before the first."""
    snapshot = services.hub.snapshot
    version = snapshot.tick.method_version
    if not version:
        raise unavailable("no_tick", "no tick was seen yet, so there is nothing to explain; try again shortly")
    document = snapshot.read(area)
    tables = await _tables(services, version)
    indices = {
        index: Judged(v["value"], v["score"], v["coverage"], v["freshness"], v["reason"])
        for index, v in vitals.values(document)
    }
    picture = Picture(area, {area: indices}, Terms.of(tables))
    at = datetime.fromisoformat(document["at"])
    return Known(picture, at, version, tables, "provisional", 0, live=True)


async def from_minute(
    services: Services, area: str, index: str, moment: datetime, as_of: datetime | None, name: str
) -> Known:
    """The stored minute at ``moment``; ``name`` is the parameter that asks for it. Raises problems."""
    areas = [area, *(part.code for part in services.city.children(area))]
    found = await minutes.at_minute(services.database, areas, moment, as_of)
    zone = services.city.timezone
    if found.at is None:
        near = [rfc3339(at, zone) for at in (found.before, found.after) if at is not None]
        right = f"must be at a minute with vital signs, the nearest: {' and '.join(near)}" if near else "none is stored"
        raise Problem(404, "unknown_minute", f"{name} is {rfc3339(moment, zone)}, {right}")
    shown: dict[str, dict[str, Judged]] = {code: {} for code in areas}
    own: dict[str, Any] = {"method_version": None, "state": "provisional", "revision": 0}
    for row in found.rows:
        numbers = (row[key] for key in ("value", "score", "coverage", "freshness", "reason", "base"))
        shown[row["area"]][row["index"]] = Judged(*numbers)
        if row["area"] == area and (row["index"] == index or own["method_version"] is None):
            own = row
    version = own["method_version"] or services.hub.snapshot.tick.method_version
    tables = await _tables(services, version)
    picture = Picture(area, shown, Terms.of(tables))
    return Known(picture, found.at, version, tables, own["state"], own["revision"])


@lru_cache(maxsize=32)
def _read(text: str) -> Tables:
    return read_tables(text)


async def _tables(services: Services, version: str) -> Tables:
    row = await known(services.database, version)
    if row is None:
        detail = f"methodVersion is {version}, must be one whose policy is kept (GET /v1/policy/changes)"
        raise Problem(404, "unknown_policy", detail)
    return _read(row["text"])
