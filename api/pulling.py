"""Finds the devices that pull a score down, from the stored readings; in a thread beside the event loop."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from devices.kinds import kinds, streams
from devices.units import EPOCH
from ingest.database import connect, in_one_line
from ingest.registry import Device
from processing.method import Indicator, kind_of
from processing.pull import PULLED, Pull, pulls
from processing.reading_rows import good, instant, read_rows
from processing.roster import stale_after
from processing.why import Picture

log = logging.getLogger(__name__)

STATEMENT_TIMEOUT_MS = 4_000
_AT_A_TIME = asyncio.Semaphore(2)


@dataclass(frozen=True)
class Pulling:
    """A device with the indicator it pulls down; ``points`` of the index that was asked for."""

    device: Device
    indicator: Indicator
    pull: Pull
    points: float


async def strongest(
    database_url: str, picture: Picture, chosen: Mapping[Indicator, float], codes: Sequence[str], at: int, most: int
) -> list[Pulling] | None:
    """The devices of the areas ``codes`` that pull most at ``at`` (µs since 1970); None if that took too
    long, or the database went away.

    ``chosen``: indicators, and the points of the index that one of their points brings.
    """
    async with _AT_A_TIME:
        return await asyncio.to_thread(_strongest, database_url, picture, chosen, codes, at, most)


def _strongest(
    database_url: str, picture: Picture, chosen: Mapping[Indicator, float], codes: Sequence[str], at: int, most: int
) -> list[Pulling] | None:
    found: list[Pulling] = []
    try:
        with connect(database_url, application="cityvitals why") as connection:
            connection.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT_MS)))
            members: dict[str, dict[int, Device]] = {}
            for indicator, factor in chosen.items():
                value = picture.judged(indicator.id).value
                if value is None or indicator.aggregation not in PULLED or not factor:
                    continue
                kind = kind_of(indicator)
                if kind not in members:
                    members[kind] = devices_at(connection, kind, codes, at)
                oldest = {
                    key: at - stale_after(kinds()[kind], device.attributes) for key, device in members[kind].items()
                }
                batches = _readings(connection, indicator, oldest, at)
                posts = picture.terms.goalposts.get(indicator.id, ())
                found += [
                    Pulling(members[kind][one.device], indicator, one, one.pull * factor)
                    for one in pulls(indicator, batches, oldest, posts, value)[:most]
                    if one.pull > 0
                ]
    except psycopg.errors.QueryCanceled:
        return None
    except psycopg.Error as error:
        log.warning("the devices behind a score were not found: %s", in_one_line(error))
        return None
    return sorted(found, key=lambda one: -one.points)[:most]


_DEVICES_AT = """
SELECT d.key, d.id, d.kind, s.area, s.attributes
  FROM devices d
  LEFT JOIN LATERAL (
       SELECT area, attributes FROM device_past WHERE device = d.key AND until > %(at)s ORDER BY until LIMIT 1
       ) AS p ON true
 CROSS JOIN LATERAL (SELECT coalesce(p.area, d.area) AS area, coalesce(p.attributes, d.attributes) AS attributes) AS s
 WHERE d.kind = %(kind)s AND s.area = ANY(%(codes)s) AND s.attributes -> 'retired' IS DISTINCT FROM 'true'
   AND (d.area = ANY(%(codes)s)
        OR d.key IN (SELECT device FROM device_past WHERE until > %(at)s AND area = ANY(%(codes)s)))
"""


def devices_at(connection: psycopg.Connection, kind: str, codes: Sequence[str], at: int) -> dict[int, Device]:
    """The devices of a kind that stood in areas at an instant (µs since 1970), by key."""
    values = {"kind": kind, "codes": list(codes), "at": EPOCH + timedelta(microseconds=at)}
    rows = connection.execute(_DEVICES_AT, values)
    return {key: Device(key, name, of, area, attributes=attributes) for key, name, of, area, attributes in rows}


def _readings(connection: psycopg.Connection, indicator: Indicator, oldest: Mapping[int, int], at: int) -> list[Any]:
    """The newest reading of each device that is not stale, or all of the window."""
    stream = streams()[indicator.stream]
    keys = list(oldest)
    if not keys:
        return []
    if indicator.aggregation.startswith("latest"):
        source = sql.SQL(
            "unnest({keys}::integer[], {oldest}::bigint[]) AS k(key, oldest) CROSS JOIN LATERAL (SELECT * FROM {table}"
            " AS r WHERE device = k.key AND date_observed BETWEEN {since} AND {at} AND date_observed >= {first}"
            " AND {good} ORDER BY date_observed DESC, seq DESC LIMIT 3) AS r"
        )
    else:
        source = sql.SQL(
            "{table} AS r WHERE date_observed > {first} AND date_observed <= {at} AND device = ANY({keys}::integer[])"
            " AND {good}"
        )
    first = min(oldest.values()) if indicator.aggregation.startswith("latest") else at - indicator.window * 1_000_000
    made = source.format(
        keys=sql.Literal(keys),
        oldest=sql.Literal(list(oldest.values())),
        table=sql.Identifier(stream.name),
        since=instant(sql.SQL("k.oldest")),
        first=instant(sql.Literal(first)),
        at=instant(sql.Literal(at)),
        good=good(stream),
    )
    return list(read_rows(connection, stream, made))
