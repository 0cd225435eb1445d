"""The SQL of routes: read the arrivals and the places of buses that a window needs, by its time index."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import psycopg
from psycopg import sql

from devices.city import City
from devices.contract import Stream
from devices.kinds import kinds, streams
from ingest.batch import Batch
from ingest.registry import Device, Devices
from processing.method import STALE_AFTER_INTERVALS, Indicator, kind_of, pane_of
from processing.reading_rows import good, instant, read_rows
from processing.roster import Roster, stale_after
from processing.route_book import RouteBook, Window

SECOND = 1_000_000


def read_book(connection: psycopg.Connection, city: City, indicators: Sequence[Indicator], window: Window) -> RouteBook:
    """What is stored of a window; ``indicators``: as ``routes.measurable`` gives them, at least one.

    Raises psycopg's errors.
    """
    kind = kinds()[kind_of(indicators[0])]
    roster = Roster(kind, dict(city.index))
    devices = _register(connection, roster, window.at, min(map(window.since, indicators)))
    book = RouteBook(roster, indicators, window)
    for row in {row.stream: row for row in indicators if row is not book.speed}.values():
        since = min(window.since(other) for other in indicators if other.stream == row.stream)
        for batch in _read_since(connection, streams()[row.stream], since, window.at):
            book.take(batch)
    if book.speed is not None:
        stale = {device.key: stale_after(kind, device.attributes) for device in devices}
        usual = int(STALE_AFTER_INTERVALS * kind.reporting_interval * SECOND)
        seldom = [key for key, bound in stale.items() if bound > usual]
        reach = (book.speed.window + pane_of(book.speed)) * SECOND
        stream, since = streams()[book.speed.stream], window.at - usual - reach
        for batch in _read_since(connection, stream, since, window.at):
            book.take(batch)
        if seldom:
            longest = window.at - max(stale[key] for key in seldom) - reach
            for batch in _read_seldom(connection, stream, seldom, longest, since):
                book.take(batch)
    book.close()
    return book


def _register(connection: psycopg.Connection, roster: Roster, at: int, since: int) -> list[Device]:
    """Register the devices of the roster's kind as they were at an instant, and where they stood before (µs)."""
    rows = connection.execute("SELECT key, id, kind, area, attributes FROM devices WHERE kind = %s", [roster.kind.id])
    devices = {key: Device(key, name, kind, area, attributes=more) for key, name, kind, area, more in rows}
    former = connection.execute(
        "SELECT device, (extract(epoch FROM until) * 1000000)::bigint, area, attributes FROM device_past"
        " WHERE until > timestamptz 'epoch' + %s * interval '1 microsecond' ORDER BY until DESC",
        [since],
    ).fetchall()
    stood = [
        (replace(devices[key], area=area, attributes=more), until)
        for key, until, area, more in former
        if key in devices
    ]
    devices |= {device.key: device for device, until in stood if until > at}  # the earliest after it comes last
    roster.update(roster.place(Devices.of(devices.values())))
    for device, until in stood:
        if until <= at:
            roster.remember(device, until)
    return list(devices.values())


def _read_since(connection: psycopg.Connection, stream: Stream, since: int, at: int) -> Iterator[Batch]:
    """Readings with since ≤ dateObserved ≤ at (µs since 1970)."""
    source = sql.SQL("{table} AS r WHERE date_observed >= {since} AND date_observed <= {at} AND {good}")
    return read_rows(connection, stream, _filled(source, stream, since, at))


def _read_seldom(
    connection: psycopg.Connection, stream: Stream, keys: Sequence[int], since: int, before: int
) -> Iterator[Batch]:
    """Earlier readings of the devices that report less often than is usual for their kind."""
    source = sql.SQL(
        "{table} AS r WHERE device = ANY({keys}::integer[]) AND date_observed >= {since} AND date_observed <= {at}"
        " AND {good}"
    )
    return read_rows(connection, stream, _filled(source, stream, since, before - 1, keys=sql.Literal(list(keys))))


def _filled(source: sql.SQL, stream: Stream, since: int, at: int, **more: sql.Composable) -> sql.Composed:
    return source.format(
        table=sql.Identifier(stream.name),
        since=instant(sql.Literal(since)),
        at=instant(sql.Literal(at)),
        good=good(stream),
        **more,
    )
