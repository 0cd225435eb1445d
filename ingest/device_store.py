"""The registry's SQL: read devices, and give births their keys."""

from array import array
from collections.abc import Collection, Iterable, Mapping
from sys import intern
from typing import Any

import numpy as np
import orjson
import psycopg
from psycopg.types.json import Jsonb

from ingest.birth import Birth
from ingest.registry import Device, Devices, Row
from ingest.registry_past import Former, Instants, RegistryPast

PAGE = 10_000
"""devices that are read at a time"""
_NO_ATTRIBUTES: dict[str, Any] = {}
_SOME = (
    "SELECT key, id, kind, area, lon, lat, name, attributes::text, CASE WHEN greatest(registered_at, changed)"
    " > now() - interval '1 hour' THEN (extract(epoch FROM greatest(registered_at, changed)) * 1000000)::bigint"
    " ELSE 0 END FROM devices LEFT JOIN (SELECT device, max(until) AS changed FROM device_past"
    " WHERE until > now() - interval '1 hour' GROUP BY device) AS p ON device = key"
    " WHERE key > %s ORDER BY key LIMIT %s"
)
_REGISTERED = (
    "SELECT key, (extract(epoch FROM registered_at) * 1000000)::bigint FROM devices"
    " WHERE (registered_at > timestamptz 'epoch' + %s * interval '1 microsecond'"
    " OR registered_at > timestamptz 'epoch' + %s * interval '1 microsecond' AND key IN (SELECT device"
    " FROM device_past WHERE until > timestamptz 'epoch' + %s * interval '1 microsecond'))"
    " AND key > %s ORDER BY key LIMIT %s"
)


def load_devices(connection: psycopg.Connection) -> Devices:
    """All registered devices, in the order of their keys; there may be a million."""
    devices, page = Devices(), _page(connection, 0)
    while page:
        devices.extend(page)
        page = _page(connection, page[-1][0])
    return devices


def load_page(connection: psycopg.Connection, after: int) -> Devices:
    """The next registered devices in the order of their keys, ``after`` being the last key; none at the end.

    Since when a device is as it is, is said where that was less than an hour ago.
    """
    page = Devices()
    page.extend(_page(connection, after))
    return page


def _page(connection: psycopg.Connection, after: int) -> list[Row]:
    """As ``load_page``; what devices say of themselves alike is one and the same."""
    known: dict[str, Mapping[str, Any]] = {}
    rows = connection.execute(_SOME, [after, PAGE]).fetchall()
    for text in {row[7] for row in rows}:
        known[text] = orjson.loads(text)
    return [(*row[:7], known[row[7]], row[8]) for row in rows]


def load_past(connection: psycopg.Connection, after: int, at: int | None = None) -> RegistryPast:
    """What happened to the registry after an instant (µs since 1970).

    ``at``: of the devices that were registered by then, only those that were changed are told: a whole city may have
    been registered lately.
    """
    former = connection.execute(
        "SELECT device, (extract(epoch FROM until) * 1000000)::bigint, area, attributes FROM device_past"
        " WHERE until > timestamptz 'epoch' + %s * interval '1 microsecond' ORDER BY until, device",
        [after],
    )
    return RegistryPast(_registered(connection, after, after if at is None else at), [Former(*row) for row in former])


def _registered(connection: psycopg.Connection, after: int, unchanged_after: int) -> Instants:
    """The devices that were registered after an instant, and when; of those that never changed, after another one."""
    keys, instants = array("i"), array("q")
    told = [unchanged_after, after, after]
    while page := connection.execute(_REGISTERED, [*told, keys[-1] if keys else 0, PAGE]).fetchall():
        for column, more in zip((keys, instants), zip(*page, strict=True), strict=True):
            column.extend(more)
    return Instants(np.array(keys, np.int32), np.array(instants, np.int64))


def find_devices(connection: psycopg.Connection, ids: Collection[str]) -> list[Device]:
    """The registered ones among ``ids``, and since when they are as they are."""
    rows = connection.execute(
        "SELECT key, id, kind, area, lon, lat, name, attributes, (extract(epoch FROM coalesce("
        "(SELECT max(until) FROM device_past WHERE device = key), registered_at)) * 1000000)::bigint"
        " FROM devices WHERE id = ANY(%s)",
        [list(ids)],
    )
    return list(map(_device, rows))


def _device(row: tuple[Any, ...]) -> Device:
    """A device whose kind, area and empty attributes are the same objects for all: there may be a million."""
    key, name, kind, area, lon, lat, shown_name, attributes, since = row
    return Device(key, name, intern(kind), intern(area), lon, lat, shown_name, attributes or _NO_ATTRIBUTES, since)


def register(connection: psycopg.Connection, births: Iterable[Birth]) -> list[Device]:
    """Insert or update devices from their births; returns them with their keys.

    Of several births of one device the last counts; all must have the kind it is registered with.
    """
    latest = {birth.id: birth for birth in births}
    rows: list[Any] = [(b.id, b.kind, b.area, b.lon, b.lat, b.name, Jsonb(b.attributes)) for b in latest.values()]
    devices: list[Device] = []
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO devices (id, kind, area, lon, lat, name, attributes) VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET area = excluded.area, lon = excluded.lon, lat = excluded.lat,"
            " name = excluded.name, attributes = excluded.attributes, updated_at = now()"
            " RETURNING key, id, kind, area, lon, lat, name, attributes, (extract(epoch FROM now()) * 1000000)::bigint",
            rows,
            returning=True,
        )
        while rows:
            devices += map(_device, cursor.fetchall())
            if not cursor.nextset():
                break
    return devices


def registered_since(connection: psycopg.Connection, instants: Mapping[str, int]) -> set[str]:
    """The devices (by id) whose entry was written after the instant given for each (µs since 1970)."""
    rows = connection.execute(
        "SELECT d.id FROM devices d JOIN unnest(%s::text[], %s::bigint[]) AS i(id, micros) USING (id)"
        " WHERE d.updated_at > timestamptz 'epoch' + i.micros * interval '1 microsecond'",
        [list(instants), list(instants.values())],
    )
    return {row[0] for row in rows}


def set_status(connection: psycopg.Connection, statuses: dict[str, str]) -> None:
    """Note which devices said ``online`` or ``offline`` (by id)."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE devices SET status = %s, updated_at = now() WHERE id = %s AND status IS DISTINCT FROM %s",
            [(status, device, status) for device, status in statuses.items()],
        )
