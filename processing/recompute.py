"""Rebuild a span of final minutes from stored readings, with the same engine that runs live."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg

from devices.kinds import kinds
from ingest.batch import Batch
from ingest.device_store import load_devices, load_past
from processing.baseline_store import prepare
from processing.engine import Engine, Snapshot
from processing.method import baselines_of
from processing.registrations import Registrations, rewind
from processing.restore import read_horizon, read_span
from processing.trackers import stream_windows
from processing.windows import MINUTE

MINUTES_AT_ONCE = 5


def recompute(
    connection: psycopg.Connection, new_engine: Callable[[], Engine], first: int, last: int
) -> Generator[Snapshot, None, None]:
    """The vital signs of every minute from ``first`` to ``last`` (full minutes, µs since 1970), from the database.

    Whoever stops before the end must close the iterator; the connection is read by a thread of its own.
    """
    engine, registrations = _begin(connection, new_engine, first)
    prepare(connection, engine.usual, baselines_of(engine.indicators), first, first)
    yield engine.evaluate(first)
    minute = first
    with ReadAhead(_spans(connection, engine, first, last)) as spans:
        for span in spans:
            for batches in span.by_minute():
                minute += MINUTE
                engine.update(registrations.due(minute))
                for batch in batches:
                    engine.fold(batch)
                yield engine.evaluate(minute)


def _begin(
    connection: psycopg.Connection, new_engine: Callable[[], Engine], instant: int
) -> tuple[Engine, Registrations]:
    """An engine that holds everything observed up to ``instant`` (µs) on which later vital signs depend, and what
    happened to the registry since."""
    engine = new_engine()
    windows = stream_windows(engine.indicators)
    devices = load_devices(connection)
    engine.register(devices)
    past = load_past(connection, instant - 2 * max(windows.values(), default=0) * 1_000_000, instant)
    registrations = rewind(engine, devices, past, instant)
    for kind in kinds().values():
        for batch in read_horizon(connection, kind, devices, windows, instant, instant):
            engine.fold(batch)
    return engine, registrations


def longest_window(engine: Engine) -> int:
    """The longest window of an engine's indicators, stale devices included, in µs."""
    windows: Sequence[int] = list(stream_windows(engine.indicators).values())
    stale = max((int(roster.stale.max(initial=0)) for roster in engine.rosters.values()), default=0)
    return max(max(windows, default=0) * 1_000_000, stale)


@dataclass(frozen=True)
class Span:
    """Readings with start < dateObserved ≤ end (µs, full minutes), in no order."""

    start: int
    end: int
    batches: list[Batch]

    def by_minute(self) -> list[list[Batch]]:
        """The readings of each minute; one observed on the full minute belongs to the minute that ends there."""
        minutes: list[list[Batch]] = [[] for _ in range(self.start, self.end, MINUTE)]
        for batch in self.batches:
            number = (batch.time - self.start - 1) // MINUTE
            order = np.argsort(number.astype(np.int16), kind="stable")
            present, firsts = np.unique(number[order], return_index=True)
            for minute, rows in zip(present.tolist(), np.split(order, firsts[1:]), strict=True):
                minutes[minute].append(batch if len(rows) == len(batch) else batch.take(rows))
        return minutes


def _spans(connection: psycopg.Connection, engine: Engine, first: int, last: int) -> Iterator[Span]:
    baselines, known = baselines_of(engine.indicators), engine.usual.days(first, first)
    for start in range(first, last, MINUTES_AT_ONCE * MINUTE):
        end = min(last, start + MINUTES_AT_ONCE * MINUTE)
        days = engine.usual.days(start, end)
        if days != known:  # not all at once: the hours of the first week may be made by whoever asks for these minutes
            prepare(connection, engine.usual, baselines, start, end)
            known = days
        streams = [stream for kind in kinds().values() for stream in kind.streams]
        yield Span(start, end, [batch for stream in streams for batch in read_span(connection, stream, start, end)])


class ReadAhead:
    """Spans that a thread reads while those before are worked on: the database and the engine each have a core."""

    def __init__(self, spans: Iterator[Span]) -> None:
        self._spans = spans
        self._ready: queue.Queue[Span | BaseException | None] = queue.Queue(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)

    def __enter__(self) -> "ReadAhead":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():  # it may wait for room
            try:
                self._ready.get(timeout=0.05)
            except queue.Empty:
                continue

    def __iter__(self) -> Iterator[Span]:
        while (span := self._ready.get()) is not None:
            if isinstance(span, BaseException):
                raise span
            yield span

    def _read(self) -> None:
        try:
            for span in self._spans:
                self._ready.put(span)
                if self._stop.is_set():
                    return
            self._ready.put(None)
        except BaseException as error:
            self._ready.put(error)
