"""Rebuild a span of final minutes from stored readings, with the same engine that runs live."""

from collections.abc import Callable, Iterator, Sequence

import psycopg

from devices.kinds import kinds
from ingest.device_store import load_devices
from processing.engine import Engine, Snapshot
from processing.restore import read_horizon, read_span
from processing.trackers import stream_windows
from processing.windows import MINUTE, Gate

MINUTES_AT_ONCE = 30


def recompute(
    connection: psycopg.Connection, new_engine: Callable[[], Engine], first: int, last: int
) -> Iterator[Snapshot]:
    """The vital signs of every minute from ``first`` to ``last`` (full minutes, µs since 1970), from the database."""
    engine = engine_at(connection, new_engine, first)
    yield engine.evaluate(first)
    for start in range(first, last, MINUTES_AT_ONCE * MINUTE):
        end = min(last, start + MINUTES_AT_ONCE * MINUTE)
        gate = Gate()
        for kind in kinds().values():
            for stream in kind.streams:
                for batch in read_span(connection, stream, start, end):
                    gate.admit(batch, start)
        for minute in range(start + MINUTE, end + 1, MINUTE):
            for batch in gate.release(minute):
                engine.fold(batch)
            yield engine.evaluate(minute)


def engine_at(connection: psycopg.Connection, new_engine: Callable[[], Engine], instant: int) -> Engine:
    """An engine that holds everything observed up to ``instant`` (µs) on which later vital signs depend."""
    engine = new_engine()
    devices = load_devices(connection)
    engine.register(devices)
    windows = stream_windows(engine.indicators)
    for kind in kinds().values():
        members = [device for device in devices if device.kind == kind.id]
        for batch in read_horizon(connection, kind, members, windows, instant, instant):
            engine.fold(batch)
    return engine


def longest_window(engine: Engine) -> int:
    """The longest window of an engine's indicators, stale devices included, in µs."""
    windows: Sequence[int] = list(stream_windows(engine.indicators).values())
    stale = max((int(roster.stale.max(initial=0)) for roster in engine.rosters.values()), default=0)
    return max(max(windows, default=0) * 1_000_000, stale)
