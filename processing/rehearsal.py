"""Readings of a few made-up devices, folded and evaluated once, so that nothing real has to wait for a compiler. Pure;
the same numbers give the same readings.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from devices.city import City
from devices.contract import FieldSpec, Stream
from devices.kinds import kinds
from ingest.batch import Batch, Column
from ingest.packing import pack
from ingest.registry import Device
from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.method import kind_of
from processing.route_book import RouteBook, Window
from processing.routes import measurable, table_of
from processing.unpacking import unpack
from processing.windows import MINUTE

SECOND = 1_000_000
NOW = 1_795_161_600 * SECOND
"""2026-11-20T08:00:00Z"""
NAMES = tuple(map(str, range(200)))
"""what labels say"""
_DEVICES = 100
_DECIMALS = 3


def rehearse(city: City, abandoned: Callable[[], bool] = lambda: False) -> None:
    """Have every kernel compiled, or loaded where that was done before, that live readings, a restore and tables of
    routes need.

    It takes some 15 s of a processor the first time on a machine, and half a second from then on. Returns soon after
    ``abandoned`` has become true.
    """
    engine = made_engine(city, _DEVICES)
    # Decimals of few digits are kept in a type of their own, and what is restored comes another way.
    for at, fold in ((NOW, _rounded), (NOW + MINUTE, _as_restored)):
        for batch in made_readings(_DEVICES, at):
            if abandoned():
                return
            engine.fold(fold(batch))
        engine.evaluate(at)
        engine.worst(at)
    indicators = measurable(INDICATORS)
    book = RouteBook(engine.rosters[kind_of(indicators[0])], indicators, Window(NOW))
    for batch in made_readings(_DEVICES, NOW):
        if batch.stream.kind == book.roster.kind.id:
            book.take(batch)
    table_of(book, np.ones(len(city.areas), np.bool_))


def made_engine(city: City, devices: int) -> Engine:
    """An engine that knows ``devices`` devices of all kinds, all over the city."""
    engine = Engine([area.code for area in city.areas], city.parents, kinds())
    streets = [area.code for area in city.areas if area.level == "street"] or [area.code for area in city.areas]
    names = list(kinds())
    engine.register(
        Device(number + 1, f"{kind}-{number}", kind, streets[number % len(streets)])
        for number, kind in ((number, names[number % len(names)]) for number in range(devices))
    )
    return engine


def made_readings(devices: int, at: int, turn: int = 0, turns: int = 1) -> list[Batch]:
    """New readings of every ``turns``-th device on every stream, observed in the second before ``at`` (µs)."""
    dice = np.random.default_rng(at // SECOND)
    batches = []
    for number, kind in enumerate(kinds().values()):
        keys = np.arange(number + turn * len(kinds()), devices, turns * len(kinds()), dtype=np.int32) + 1
        batches += [_batch(stream, keys, at, dice) for stream in kind.streams]
    return batches


def _batch(stream: Stream, keys: NDArray[np.int32], at: int, dice: np.random.Generator) -> Batch:
    count = len(keys)
    time = at - dice.integers(0, SECOND, count)
    columns = {name: _column(spec, count, at, dice) for spec in stream.fields for name in spec.columns}
    texts = {spec.columns[0]: NAMES for spec in stream.fields if spec.type == "label"}
    nothing = np.zeros(count, np.int32)
    return Batch(stream, keys, time, np.full(count, -1, np.int64), time, columns, nothing, nothing, texts)


def _column(spec: FieldSpec, count: int, at: int, dice: np.random.Generator) -> Column:
    match spec.type:
        case "number" | "point":
            return dice.random(count)
        case "integer":
            return dice.integers(1, 100, count)
        case "instant":
            return at - dice.integers(0, 3000 * SECOND, count)
        case "boolean":
            return dice.integers(0, 2, count).astype(np.int8)
        case "choice":
            return dice.integers(0, 2, count).astype(np.int16)
        case "label":
            return dice.integers(0, len(NAMES), count).astype(np.int32)


def _rounded(batch: Batch) -> Batch:
    columns = {name: np.round(values, _DECIMALS) for name, values in batch.columns.items()}
    return replace(batch, columns=columns)


def _as_restored(batch: Batch) -> Batch:
    return unpack(batch.stream, b"".join(pack(batch)), len(batch))
