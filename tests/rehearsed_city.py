"""A simulated city that lives for some minutes after a rehearsal: exits with 1, and the names of the kernels, when it
needs one compiled, or loaded, that was not rehearsed.

It is no test module, since whatever one test has had compiled is there for all tests of its process.
"""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson

from devices.city import City, load_city
from devices.kinds import kinds, streams
from devices.simulation.fleet import Emission, Fleet
from devices.topics import Topics
from ingest.batch import Batch, Delivery
from ingest.decoder import Decoder
from ingest.intake import Committed
from ingest.packing import pack
from ingest.registry import Device, Registry
from processing import unpacking
from processing.engine import Engine
from processing.indicators import INDICATORS
from processing.kernels import ages, headways, latest, newest, panes, points, rollups, states, texts
from processing.live_state import LiveState
from processing.policy import SHIPPED
from processing.rehearsal import rehearse
from processing.route_book import RouteBook, Window
from processing.routes import measurable, table_of
from processing.unpacking import unpack
from processing.windows import TICK

MODULES = (unpacking, ages, headways, latest, newest, panes, points, rollups, states, texts)
START = datetime(2026, 11, 20, 8, tzinfo=UTC)
NOW = int(START.timestamp()) * TICK
SECONDS = 8 * 60


def compiled() -> set[tuple[str, str]]:
    """Module and function with types, of all that was compiled or loaded."""
    return {
        (f"{module.__name__}.{name}", str(types))
        for module in MODULES
        for name, function in vars(module).items()
        for types in getattr(function, "signatures", ())
    }


def live(city: City) -> None:
    """Readings as JSON, ticks and final minutes; all readings once more as they come back from the database; routes."""
    fleet = Fleet(city, kinds(), 100, 1, START, interval=5.0)
    devices = [
        Device(key, birth.device, birth.kind, birth.meta["area"], attributes=birth.meta["attributes"])
        for key, birth in enumerate(fleet.births(), 1)
    ]
    registry, decoder = Registry(devices), Decoder(Topics(city.code, kinds()), scanning=False)
    state = LiveState.empty(lambda _: engine_of(city), SHIPPED, NOW)
    state.absorb(Committed(devices=devices), NOW)
    stored: list[Batch] = []
    for second in range(SECONDS):
        due = NOW + second * TICK
        emissions = fleet.readings(START + timedelta(seconds=second))
        messages = list(deliveries(city, emissions, due, uneven=second > SECONDS // 2))
        batches = decoder.decode(messages, registry).batches
        state.absorb(Committed(batches=batches), due)
        stored += batches
        if second % 30 == 0:
            tick(state, due)
    assert state.settler.settled > NOW
    again = engine_of(city)
    again.follow(state.engine)
    for batch in stored:
        again.fold(unpack(batch.stream, b"".join(pack(batch)), len(batch)))
    assert np.isfinite(again.evaluate(due).composite.score[0])
    indicators = measurable(INDICATORS)
    book = RouteBook(again.rosters["bus"], indicators, Window(due))
    for batch in stored:
        if batch.stream.kind == "bus":
            book.take(batch)
    assert len(table_of(book, np.ones(len(city.areas), np.bool_)).tree.routes)


def engine_of(city: City) -> Engine:
    return Engine([area.code for area in city.areas], city.parents, kinds())


def deliveries(city: City, emissions: Iterable[Emission], at: int, *, uneven: bool) -> Iterable[Delivery]:
    """``uneven``: numbers are thirds, which are no decimals."""
    topics = Topics(city.code, kinds())
    for emission in emissions:
        reading: dict[str, Any] = emission.reading
        if uneven:
            reading = {name: value / 3 if isinstance(value, float) else value for name, value in reading.items()}
        yield Delivery(topics.stream(streams()[emission.stream], emission.device), orjson.dumps(reading), at)


def tick(state: LiveState, due: int) -> None:
    state.release(due)
    state.engine.evaluate(due)
    state.engine.worst(due)
    if (minute := state.minute_due(due)) is not None:
        state.settle(minute, SHIPPED)


if __name__ == "__main__":
    shanghai = load_city("shanghai")
    rehearse(shanghai)
    rehearsed = compiled()
    live(shanghai)
    lacking = sorted(compiled() - rehearsed)
    sys.exit("\n".join(f"not rehearsed: {name}{types}" for name, types in lacking) or 0)
