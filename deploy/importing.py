"""`cityvitals import`: take a recorded trace into the database with its own times, past the broker.

Births and readings go through the same registration, validation, look-up, duplicates and ledger as live ones; only the
rule that a reading must not be older than 90 days does not hold.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.subscriber import IDS_PER_COMMAND
from deploy.errors import DeployError
from deploy.migration import without_password
from deploy.recompute import INTERRUPTED, Wanted, run_recompute
from deploy.settings import Settings
from devices.area import CityError
from devices.city import City, load_city
from devices.kinds import kinds
from devices.publisher import Publisher, PublishError
from devices.replay import Recording, TraceError, births, in_words, open_trace
from devices.topics import Topics
from devices.units import format_instant
from ingest.batch import Delivery, Rejection
from ingest.database_link import DatabaseAwayError, DatabaseLink
from ingest.decoder import Decoder
from ingest.device_store import load_devices
from ingest.registrar import Registrar
from ingest.registry import Registry
from ingest.writer import Take, Written, write
from processing.policy import SHIPPED
from processing.rebuilding import new_engine
from processing.recompute import longest_window

READINGS_AT_ONCE = 20_000
BROKER_WAIT_S = 3.0
_ANY_AGE = 2**62


@dataclass
class Tally:
    """How what was imported ended."""

    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, written: Written) -> None:
        self.stored += written.stored
        self.duplicate += written.duplicate
        self.rejected += written.rejected
        self.reasons.update(rejection.reason for rejection in written.rejections)


class Importer:
    """Puts recordings into the database of one city."""

    def __init__(self, url: str, city: City) -> None:
        self._topics = Topics(city.code, kinds())
        self._link = DatabaseLink(url, application=f"cityvitals import {os.getpid()}")  # live ingest keeps its own
        self._registry = Registry(self._link.do(load_devices))
        areas = frozenset(area.code for area in city.areas)
        self._registrar = Registrar(self._link, self._registry, areas, "open")
        self._decoder = Decoder(self._topics, oldest=_ANY_AGE)
        self.tally = Tally()

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()

    def register(self, recording: Recording) -> None:
        """Register the recording's devices; a birth that is refused counts as rejected."""
        now = _now()
        messages = [
            Delivery(self._topics.meta(birth.kind, birth.device), orjson.dumps(birth.meta), now)
            for birth in births(recording, 1.0)
        ]
        refused = self._registrar.register(messages, self._decoder.address).rejections
        if refused:
            self._write(messages, refused)

    def tell(self, broker: str, recording: Recording) -> bool:
        """Tell a running pipeline to look the recording's devices up; False if there is no broker to say it through."""
        names = [birth.device for birth in births(recording, 1.0)]
        try:
            with Publisher(broker, name="import", connect_timeout=BROKER_WAIT_S) as publisher:
                for start in range(0, len(names), IDS_PER_COMMAND):
                    named = orjson.dumps({"devices": names[start : start + IDS_PER_COMMAND]})
                    publisher.publish(self._topics.command("registry"), named)
                return publisher.flush(timeout=BROKER_WAIT_S)
        except PublishError:
            return False

    def take(self, recording: Recording, done: int) -> int:
        """Commit the next readings after the first ``done``; returns how many are done then."""
        rows = recording.rows[done : done + READINGS_AT_ONCE]
        now = _now()
        self._write([Delivery(self._topics.stream(r.stream, r.device), r.payload(r.time), now) for r in rows])
        return done + len(rows)

    def _write(self, deliveries: Sequence[Delivery], refused: Sequence[Rejection] = ()) -> None:
        decoded = self._decoder.decode(deliveries, self._registry)
        decoded.rejections += refused
        take = Take(deliveries, decoded)
        self.tally.add(self._link.do(lambda connection: write(connection, take)))


def run_import(
    traces: Sequence[str], map_file: Path | None, settings: Settings, stop: threading.Event, *, then_recompute: bool
) -> int:
    """Import traces one after the other; the process's exit code. What is in the database already is a duplicate."""
    try:
        city = load_city(settings.city)
        recordings = [open_trace(trace, city, map_file)[0] for trace in traces]
        importer = Importer(settings.database, city)
    except (CityError, TraceError) as error:
        raise DeployError(f"import: {error}") from error
    except (DatabaseAwayError, psycopg.Error) as error:
        raise DeployError(f"cannot reach {without_password(settings.database)}: {error}") from error
    try:
        for recording in recordings:
            if not _import(importer, recording, settings, stop):
                print("stopped before the end; the same command again goes on: what is there counts as duplicate")
                return INTERRUPTED
    except (DatabaseAwayError, psycopg.Error) as error:
        raise DeployError(f"the database failed: {error}; import again, what is there counts as duplicate") from error
    finally:
        importer.close()
    return _vital_signs(recordings, city, settings, stop, then_recompute=then_recompute)


def _import(importer: Importer, recording: Recording, settings: Settings, stop: threading.Event) -> bool:
    """Import one recording and print its summary; False when it was stopped."""
    importer.tally = Tally()
    importer.register(recording)
    if not importer.tell(settings.broker_login, recording):
        print(f"no broker at {without_password(settings.broker)}: a pipeline learns of new devices at its next start")
    began, done = time.monotonic(), 0
    with _bar() as bar:
        task = bar.add_task(recording.name, total=len(recording.rows))
        while done < len(recording.rows) and not stop.is_set():
            done = importer.take(recording, done)
            bar.update(task, completed=done)
    tally, seconds = importer.tally, time.monotonic() - began
    print(
        f"{recording.name}: {recording.tally.read} rows read, {done} of {len(recording.rows)} readings of "
        f"{len(recording.devices)} devices from {format_instant(recording.first)} to {format_instant(recording.last)}, "
        f"{seconds:.1f} s"
    )
    print(f"stored {tally.stored}, duplicate {tally.duplicate}, rejected {tally.rejected}")
    for reason, count in tally.reasons.most_common():
        print(f"  {count} rejected: {reason}")
    if recording.tally.skipped:
        print(in_words(recording.tally))
    return done == len(recording.rows)


def _vital_signs(
    recordings: Sequence[Recording], city: City, settings: Settings, stop: threading.Event, *, then_recompute: bool
) -> int:
    """Rebuild the vital signs that the readings touch, or say how."""
    reach = longest_window(new_engine(city, SHIPPED))
    start = format_instant(min(recording.first for recording in recordings))
    end = format_instant(min(max(recording.last for recording in recordings) + reach, _now()))
    if max(recording.last for recording in recordings) > _now() - reach:
        print("the newest of these readings count in the live vital signs once the pipeline is started again")
    if not then_recompute:
        print(f"to rebuild the vital signs they touch: cityvitals recompute --from {start} --to {end}")
        return 0
    return run_recompute(Wanted(start, end), settings, stop)


def _now() -> int:
    return time.time_ns() // 1000


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
