"""The registry: lists of devices, one device, and writing registrations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from api.database import Connection, Database, fetch, where

COLUMNS = sql.SQL("key, id, kind, area, lon, lat, name, attributes, status, registered_at, updated_at")


@dataclass(frozen=True)
class NewDevice:
    """A valid registration; coordinates in degrees WGS84."""

    id: str
    kind: str
    area: str
    lon: float | None
    lat: float | None
    name: str | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class KindConflict:
    """A registration of a known device under another kind."""

    id: str
    registered: str


async def listed(
    database: Database, kind: str | None, areas: Sequence[str] | None, q: str | None, after: str | None, limit: int
) -> list[DictRow]:
    """Devices in the order of their ids; ``q`` is looked for in id and name without regard to case."""
    conditions: list[sql.Composable] = []
    parameters: list[Any] = []
    if kind is not None:
        conditions.append(sql.SQL("kind = %s"))
        parameters.append(kind)
    if areas is not None:
        conditions.append(sql.SQL("area = ANY(%s)"))
        parameters.append(list(areas))
    if q is not None:
        pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        conditions.append(sql.SQL("(id ILIKE %s OR name ILIKE %s)"))
        parameters += [pattern, pattern]
    if after is not None:
        conditions.append(sql.SQL("id > %s"))
        parameters.append(after)
    query = sql.SQL("SELECT {} FROM devices {} ORDER BY id LIMIT %s").format(COLUMNS, where(conditions))
    return await database.rows(query, [*parameters, limit])


async def one(database: Database, device: str) -> DictRow | None:
    """A device by its id."""
    return await database.row(sql.SQL("SELECT {} FROM devices WHERE id = %s").format(COLUMNS), [device])


async def register(database: Database, devices: Sequence[NewDevice]) -> dict[str, str] | list[KindConflict]:
    """Write registrations in one transaction: ``created``, ``updated`` or ``unchanged`` by id.

    A device keeps its kind, because its stored readings are of that kind's streams: if one of ``devices`` would
    change it, nothing is written and the conflicts are returned.
    """

    async def write(connection: Connection) -> dict[str, str] | list[KindConflict]:
        results: dict[str, str] = {}
        conflicts: list[KindConflict] = []
        async with connection.transaction():
            # in the order of ids, so that two callers cannot wait for each other
            results = await _upsert(connection, sorted(devices, key=lambda device: device.id))
            kinds = await fetch(connection, "SELECT id, kind FROM devices WHERE id = ANY(%s)", [list(results)])
            wanted = {device.id: device.kind for device in devices}
            conflicts = [KindConflict(row["id"], row["kind"]) for row in kinds if row["kind"] != wanted[row["id"]]]
            if conflicts:
                raise psycopg.Rollback
        return conflicts or results

    return await database.run(write)


_UPSERT = """
INSERT INTO devices AS d (id, kind, area, lon, lat, name, attributes)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[], %s::float8[], %s::text[], %s::jsonb[])
ON CONFLICT (id) DO UPDATE
   SET area = excluded.area, lon = excluded.lon, lat = excluded.lat, name = excluded.name,
       attributes = excluded.attributes, updated_at = now()
 WHERE d.kind = excluded.kind
   AND (d.area, d.lon, d.lat, d.name, d.attributes)
       IS DISTINCT FROM (excluded.area, excluded.lon, excluded.lat, excluded.name, excluded.attributes)
RETURNING id, (xmax = 0) AS created
"""


async def _upsert(connection: Connection, devices: Sequence[NewDevice]) -> dict[str, str]:
    columns: list[list[Any]] = [
        [device.id for device in devices],
        [device.kind for device in devices],
        [device.area for device in devices],
        [device.lon for device in devices],
        [device.lat for device in devices],
        [device.name for device in devices],
        [Jsonb(dict(device.attributes)) for device in devices],
    ]
    written = {row["id"]: row["created"] for row in await fetch(connection, _UPSERT, columns)}
    return {
        device.id: "unchanged" if device.id not in written else "created" if written[device.id] else "updated"
        for device in devices
    }
