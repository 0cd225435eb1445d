"""Benchmark `recompute`: `cityvitals recompute` of a span of a whole city, and whether it says what was said live.

The tables are filled with binary COPY, as live traffic would have left them. The first recompute writes every minute;
each that follows must find nothing to change; and the first minutes are compared, value by value, with those that the
engine of the live pipeline settles when it is given the same readings one by one.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from deploy.bench import machine
from deploy.bench.city_minutes import MINUTE, minute_of_readings
from deploy.bench.results import Result, Target
from deploy.bench.world import World, world
from deploy.errors import DeployError
from deploy.settings import Settings
from deploy.supervisor import own_command
from devices.city import City
from devices.units import format_instant
from ingest.database import connect, migrate
from ingest.device_store import load_devices
from ingest.packing import pack
from ingest.reading_store import copy_statement
from processing.documents import minute_of
from processing.minutes import Minute
from processing.policy import SHIPPED
from processing.rebuilding import new_engine
from processing.settling import Settler
from processing.store import compare_history

DEVICES = 100_000
MINUTES = 60
"""at scale 1; a day is --scale 24 and needs some 30 GB of disk"""
COMPARED = 20
"""minutes that are settled live too"""
TIMES = "cityvitals recompute"
_DONE = re.compile(r"(\d+) minutes in ([\d.]+) s")
_SAID = re.compile(r"(\d+) minutes, (\d+) values: (\d+) were new or changed")


def recompute(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """One recompute into an empty history, the others over what is there."""
    minutes = max(5, int(MINUTES * scale))
    with world(settings) as servers:
        last = time.time_ns() // 1000 // MINUTE * MINUTE - 5 * MINUTE
        first = last - (minutes - 1) * MINUTE
        rows, seconds = fill(servers, first, last)
        runs = [_run(servers, first, last) for _ in range(max(2, rounds))]
        differing, compared = _differs_from_live(servers, first, min(last, first + (COMPARED - 1) * MINUTE))
    if runs[0].changed != runs[0].values:
        raise DeployError(f"recompute changed {runs[0].changed} of {runs[0].values} values of an empty history")
    figures = {
        TIMES: [run.times for run in runs],
        "values the next one changed": [float(run.changed) for run in runs[1:]],
        "values unlike live": [float(differing)],
        "processor s a minute": [run.processor / minutes for run in runs],
        "most MB": [run.megabytes for run in runs],
    }
    targets = [
        Target(TIMES, "", at_least=50),
        Target("values the next one changed", "", at_most=0),
        Target("values unlike live", "", at_most=0),
    ]
    notes = [
        f"{rows:,} readings of {DEVICES:,} devices of all kinds in {minutes} minutes, filled in {seconds:.0f} s",
        f"the first recompute writes {runs[0].values:,} values; {compared:,} of them were compared with live ones",
        f"{TIMES}: how many times as fast as the span passed, start of the process and roll-ups included",
    ]
    setting = f"{minutes} minutes of {DEVICES:,} devices"
    return [Result("recompute", setting, "see columns", figures, targets, notes, size=minutes)]


@dataclass(frozen=True)
class _Run:
    """One run of the command."""

    times: float
    values: int
    changed: int
    processor: float
    """seconds of the command; the database's come on top"""
    megabytes: float


def fill(servers: World, first: int, last: int) -> tuple[int, float]:
    """Register the devices and store their readings of the minutes; returns how many, and seconds it took."""
    started = time.perf_counter()
    servers.register(DEVICES)
    rows = 0
    with connect(servers.database_url) as connection:
        connection.execute(
            "UPDATE devices SET registered_at = timestamptz 'epoch' + %s * interval '1 microsecond'", [first - MINUTE]
        )
        connection.commit()
        migrate(servers.database_url)  # now that the devices are known, chunks get their length
        for minute in range(first, last + 1, MINUTE):
            for batch in minute_of_readings(DEVICES, minute):
                with connection.cursor() as cursor, cursor.copy(copy_statement(batch.stream)) as copy:
                    for block in pack(batch):
                        copy.write(block)
                rows += len(batch)
            connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return rows, time.perf_counter() - started


def _run(servers: World, first: int, last: int) -> _Run:
    """Recompute the minutes from the command line."""
    command = own_command("recompute", "--from", format_instant(first), "--to", format_instant(last + MINUTE))
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=servers.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    most = used = 0.0
    while process.poll() is None:
        most = max(most, machine.peak_megabytes(process.pid))
        used = max(used, machine.processor_seconds(process.pid))
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    said, complaint = process.communicate()
    found, done = _SAID.search(said), _DONE.search(said)
    if process.returncode or found is None or done is None:
        raise DeployError(f"recompute failed: {(complaint or said).strip().splitlines()[-1:]}")
    span = (last - first) / 1e6 + 60
    return _Run(span / seconds, int(found[2]), int(found[3]), used, most)


def _differs_from_live(servers: World, first: int, last: int) -> tuple[int, int]:
    """How many values of the minutes are not those that the pipeline settles, and how many were compared."""
    differing = compared = 0
    with connect(servers.database_url) as connection:
        for minute in _settled_live(connection, servers.city, first, last):
            compared += len(minute)
            differing += compare_history(connection, minute)
    return differing, compared


def _settled_live(connection: psycopg.Connection, city: City, first: int, last: int) -> Iterator[Minute]:
    settler = Settler(new_engine(city, SHIPPED), first - MINUTE)
    settler.register(settler.engine.place(load_devices(connection)), {})
    for minute in range(first, last + 1, MINUTE):
        for batch in minute_of_readings(DEVICES, minute):
            settler.admit(batch)
        yield minute_of(settler.settle(minute), city, "final")
