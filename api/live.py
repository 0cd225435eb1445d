"""The hub: holds the newest snapshot and brings every client from what it has to what is now.

A client is known by its position, the version of the last state it was sent. A frame for (position, selection of
areas) holds what changed since, and is encoded once for all clients that ask for the same. So there are no queues:
a client that reads slowly comes back with an old position and gets one frame with the newest values of everything
that changed meanwhile, or a new snapshot where that is no longer known; nobody waits for it, and a client costs no
memory here.

    version   7        8        9        10 = now
    changes        {A,B}      {B}     {A whole}
    client at 9   -> frame {A}          (shared by all who keep up)
    client at 7   -> frame {A whole, B} (B's values are those of now)
    client at 2   -> forgotten: snapshot

Everything here runs on the event loop; ``accept`` is what the subscriber's thread schedules there.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import orjson

from api import vitals
from api.pages import Page, changes, page_of
from api.snapshot import Snapshot
from api.times import from_micros, micros, rfc3339
from api.vitals import Changes, Tick
from devices.city import City
from devices.units import parse_instant

REMEMBERED_STEPS = 300
WHOLE_EVERY = 10  # ticks: an unchanged value's freshness on a client's screen is never older than this

log = logging.getLogger(__name__)

Selection = frozenset[str]


@dataclass(frozen=True)
class Output:
    """One tick as the broker brought it: the closing message and the pages published since the one before."""

    tick: Tick
    pages: Mapping[str, Page]
    retained: bool = False


@dataclass(frozen=True)
class Frame:
    """One event, encoded once per form."""

    event: str
    tick: int
    data: bytes

    @cached_property
    def sse(self) -> bytes:
        return b"event: %b\nid: %d\ndata: %b\n\n" % (self.event.encode(), self.tick, self.data)

    @cached_property
    def text(self) -> str:
        """For a WebSocket: the same data with the event's name as ``type``."""
        return f'{{"type":"{self.event}",{self.data[1:].decode()}'


@dataclass(frozen=True)
class _Step:
    version: int
    tick: int
    changes: Mapping[str, Changes]


class Hub:
    """The newest state of the city and the frames made from it."""

    def __init__(
        self,
        city: City,
        *,
        silent_after: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._city, self._silent_after = city, silent_after
        self._monotonic, self._now = monotonic, now
        self._order = {area.code: place for place, area in enumerate(city.areas)}
        self._heard = float("-inf")
        self._steps: deque[_Step] = deque(maxlen=REMEMBERED_STEPS)
        self._frames: dict[tuple[str, int, Selection], Frame] = {}
        self._fragments: dict[tuple[int, str], bytes] = {}
        self._listeners: set[asyncio.Event] = set()
        self.closed = False
        self.version = 0
        at = rfc3339(now(), city.timezone)
        unheard = {a.code: page_of(vitals.unheard(a.code, a.level, a.name, at)) for a in city.areas}
        self.snapshot = Snapshot(Tick(0, at, micros(now()), "", {}), unheard, silent=True)

    @property
    def age(self) -> float:
        """Seconds since the newest tick was published, by this process's clock; infinite before the first."""
        return self._monotonic() - self._heard

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def accept(self, output: Output) -> None:
        """Take over a complete tick. A retained one may be old: what the broker kept of a pipeline that is gone."""
        age = 0.0
        if output.retained:
            age = max(0.0, (micros(self._now()) - output.tick.at_micros) / 1e6)
            if output.tick.number < self.snapshot.tick.number and self.age < self._silent_after:
                return
        self._heard = max(self._heard, self._monotonic() - age)
        fresh = Snapshot(output.tick, self._completed(output))
        if fresh.same_as(self.snapshot):
            return  # the retained copy of a tick that came live, or the other way round
        self._swap(self._silenced(fresh) if age > self._silent_after else fresh)

    def check_silence(self) -> None:
        """Called every second: a pipeline that stopped publishing must not look like a healthy city."""
        if not self.snapshot.silent and self.age > self._silent_after:
            log.warning("the pipeline has been silent for %.0f s: vital signs are served as unknown", self.age)
            self._swap(self._silenced(self.snapshot))

    async def watch(self) -> None:
        """Look for silence until cancelled."""
        while True:
            await asyncio.sleep(1)
            self.check_silence()

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is something new, or the hub closes."""
        wake = asyncio.Event()
        self._listeners.add(wake)
        try:
            yield wake
        finally:
            self._listeners.discard(wake)

    def close(self) -> None:
        """End every stream: their loops see ``closed`` and finish."""
        self.closed = True
        for wake in self._listeners:
            wake.set()

    def position_of(self, tick: int) -> int | None:
        """The position of a client whose last event was this tick; None if that is no longer known."""
        return next((step.version for step in self._steps if step.tick == tick), None)

    def frame(self, position: int | None, selection: Selection) -> Frame:
        """What a client at ``position`` lacks; a snapshot for None or a position that is forgotten."""
        if position is None or not self._steps or position < self._steps[0].version - 1:
            return self._shared("snapshot", -1, selection)
        return self._shared("vitals", position, selection)

    def _shared(self, event: str, position: int, selection: Selection) -> Frame:
        key = (event, position, selection)
        frame = self._frames.get(key)
        if frame is None:
            changed = self._changes_since(position) if event == "vitals" else dict.fromkeys(selection)
            pieces = [
                b'"%b":%b' % (code.encode(), self._fragment(position, code, changed[code]))
                for code in sorted(changed.keys() & selection, key=self._order.__getitem__)
            ]
            tick = self.snapshot.tick
            head = b'{"tick":%d,"at":%b,"alarms":%b,"areas":{' % (
                tick.number,
                orjson.dumps(tick.at),
                orjson.dumps(list(tick.alarms)),
            )
            frame = self._frames[key] = Frame(event, tick.number, head + b",".join(pieces) + b"}}")
        return frame

    def _fragment(self, position: int, code: str, changed: Changes) -> bytes:
        if changed is None:
            return self.snapshot.document(code)
        fragment = self._fragments.get((position, code))
        if fragment is None:
            fragment = self._fragments[position, code] = self.snapshot.pages[code].part(changed)
        return fragment

    def _changes_since(self, position: int) -> dict[str, Changes]:
        changed: dict[str, Changes] = {}
        for step in self._steps:
            if step.version > position:
                for code, names in step.changes.items():
                    changed[code] = vitals.merged(changed[code], names) if code in changed else names
        return changed

    def _completed(self, output: Output) -> dict[str, Page]:
        """Pages of all areas as of this tick; one that did not come is the last known, aged."""
        pages: dict[str, Page] = {}
        tick = output.tick
        for code in self._order:
            page = output.pages.get(code)
            if page is not None and page.at == tick.at:
                pages[code] = page
                continue
            last = page or self.snapshot.pages[code]
            older_by = max(0.0, (tick.at_micros - parse_instant(last.at)) / 1e6)
            pages[code] = page_of(vitals.restamped(last.document, tick.number, tick.at, older_by))
        return pages

    def _silenced(self, snapshot: Snapshot) -> Snapshot:
        noticed = self._now()
        tick = snapshot.tick
        at = rfc3339(max(noticed, from_micros(tick.at_micros)), self._city.timezone)
        older_by = max(0.0, (micros(noticed) - tick.at_micros) / 1e6)
        silenced = {c: page_of(vitals.silenced(p.document, at, older_by)) for c, p in snapshot.pages.items()}
        silent = Tick(tick.number, at, parse_instant(at), tick.method_version, tick.pipeline, tick.alarms)
        return Snapshot(silent, silenced, silent=True)

    def _swap(self, fresh: Snapshot) -> None:
        before = self.snapshot
        if fresh.tick.number < before.tick.number:
            self._steps.clear()  # the pipeline counts anew: an id no longer names one state
        self.version += 1
        whole = before.silent or fresh.silent
        changed: dict[str, Changes] = {}
        for code, page in fresh.pages.items():
            due = (self.version + self._order[code]) % WHOLE_EVERY == 0
            names = None if whole or due else changes(before.pages[code], page)
            if names is None or names:
                changed[code] = names
        self._steps.append(_Step(self.version, fresh.tick.number, changed))
        self.snapshot = fresh
        self._frames.clear()
        self._fragments.clear()
        for wake in self._listeners:
            wake.set()
