"""Benchmark `freshness`: how long a reading takes from its publication to its commit and to its event on SSE.

Committed: a watcher asks the ledger every few milliseconds how many readings are in. Readings are taken in in the
order they were sent, so the moment the count passes k is the moment reading k was committed, late by at most the
watcher's pause. Seen: one street has a single meter, whose load goes up by one with every reading, so that the street's
vital sign on SSE tells which reading it shows. Both count from the instant a reading was due to be sent, not from when
a sender that is held up gets round to it.
"""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import orjson
import psycopg
from numpy.typing import NDArray

from deploy.bench.contestants import Trial, api, pipeline, warm_up
from deploy.bench.load import STAMP, Load, prepare, publish
from deploy.bench.readings import kind_of, single_readings
from deploy.bench.results import Result, Target
from deploy.bench.world import World, wait_for, world
from deploy.settings import Settings
from ingest.database import connect
from processing.windows import TICK

DEVICES = 5_000
SHARES = (0.1, 0.5, 0.9)
FIXED_RATE = 5_000.0
SECONDS = 6
PROBES_A_SECOND = 19.0
LOOK_EVERY = 0.003
PROBE, PROBE_KIND, PROBE_INDICATOR = "probe", "energy_meter", "energy.load"
COMMITTED, SEEN = "published to committed", "published to event on SSE"
RANKS = (50, 90, 99, 100)
_CURVE = (0, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 93, 95, 97, 98, 99, 99.5, 99.8, 99.9)

Milliseconds = NDArray[np.float64]


def freshness(settings: Settings, *, rounds: int, scale: float) -> list[Result]:
    """Percentiles at a tenth, half and nine tenths of the highest rate of the same run, and at a fixed rate."""
    with world(settings) as servers:
        *streets, quiet = servers.streets
        servers.register(DEVICES, streets=streets)
        servers.register_one(PROBE, PROBE_KIND, quiet)
        with pipeline(servers), api(servers) as url:
            town = _Town(servers, quiet, url)
            warm_up(Trial(servers, town.load(2_000), town.load(1)))
            highest = median(town.highest_rate(max(DEVICES, int(75_000 * scale))) for _ in range(3))
            settings_of = {f"{share:.0%} of the maximum": highest * share for share in SHARES}
            settings_of[f"{FIXED_RATE:,.0f} readings/s"] = FIXED_RATE
            taken: dict[str, list[_Latencies]] = {name: [] for name in settings_of}
            for number in range(rounds):
                order = list(settings_of)
                for name in order if number % 2 == 0 else reversed(order):
                    taken[name].append(town.latencies(settings_of[name], max(2.0, SECONDS * scale)))
    note = f"maximum: {highest:,.0f} readings/s, the median of three runs of the same pipeline with the api beside it"
    return [_result(name, settings_of[name], of_name, note) for name, of_name in taken.items()]


@dataclass
class _Latencies:
    committed: Milliseconds
    seen: Milliseconds


def _result(name: str, rate: float, rounds: Sequence[_Latencies], note: str) -> Result:
    figures: dict[str, list[float]] = {}
    for way, taken in ((COMMITTED, [r.committed for r in rounds]), (SEEN, [r.seen for r in rounds])):
        for rank in RANKS:
            label = "max" if rank == 100 else f"p{rank}"
            figures[f"{way}, {label}"] = [float(np.percentile(latencies, rank)) for latencies in taken]
    targets: list[Target] = []
    if name.startswith("50"):
        targets = [Target(f"{COMMITTED}, p50", "", at_most=60), Target(f"{COMMITTED}, p99", "", at_most=250)]
    if rate == FIXED_RATE:
        tick = TICK / 1000
        targets = [
            Target(f"{SEEN}, p50", "", at_most=tick / 2 + 150),
            Target(f"{SEEN}, p99", "", at_most=tick + 300),
        ]
    pooled = {
        COMMITTED: np.concatenate([r.committed for r in rounds]),
        SEEN: np.concatenate([r.seen for r in rounds]),
    }
    curves = {
        way: [(float(p), round(float(np.percentile(latencies, p)), 2)) for p in _CURVE]
        for way, latencies in pooled.items()
    }
    notes = [note, f"at {name}: {rate:,.0f} readings/s; " + ", ".join(f"{len(v):,} {k}" for k, v in pooled.items())]
    return Result("freshness", name, "ms", figures, targets, notes, distributions=curves)


@dataclass
class _Town:
    """A running pipeline and api, and what has been sent to them so far."""

    servers: World
    quiet: str
    url: str
    _seq: int = 0
    _probes: int = 0

    def load(self, count: int) -> Load:
        """``count`` readings with sequence numbers that were not sent yet."""
        first, self._seq = self._seq, self._seq + count // DEVICES + 1
        return prepare(list(single_readings(self.servers.topics, DEVICES, count, first)))

    def highest_rate(self, count: int) -> float:
        """Readings a second when they come as fast as the broker takes them."""
        load = self.load(count)
        with connect(self.servers.database_url) as connection:
            connection.autocommit = True
            before = self.servers.stored(connection)
            started = publish(load, *self.servers.broker_address)
            done = wait_for(lambda: self.servers.stored(connection), before + count, "the pipeline")
            time.sleep(1.0)
            return count / (done - started)

    def latencies(self, rate: float, seconds: float) -> _Latencies:
        """Send at ``rate`` and watch."""
        load, probes = self.load(int(rate * seconds)), self._probe_load(int((seconds - 1.0) * PROBES_A_SECOND))
        kind = kind_of(0)
        of_kind = len(range(0, len(load), len({kind_of(n) for n in range(10)})))
        address = self.servers.broker_address
        with _Events(self.url, self.quiet) as events, connect(self.servers.database_url) as connection:
            connection.autocommit = True
            watcher = _Watcher(connection, kind, of_kind)
            begun: dict[str, float] = {}
            senders = [
                threading.Thread(target=lambda: begun.update(load=publish(load, *address, rate=rate))),
                threading.Thread(target=lambda: begun.update(probes=self._send_probes(probes))),
            ]
            for sender in senders:
                sender.start()
            watcher.run()
            for sender in senders:
                sender.join()
            last = self._probes
            deadline = time.perf_counter() + 30
            while not events.shown(last) and time.perf_counter() < deadline:
                time.sleep(0.05)
        number = np.arange(of_kind) * (len(load) / of_kind)
        committed = watcher.instants(of_kind) - (begun["load"] + (np.round(number) + 1) / rate)
        first = last - len(probes) + 1
        due = begun["probes"] + (np.arange(len(probes)) + 1) / PROBES_A_SECOND
        return _Latencies(1000 * committed, 1000 * (events.instants(first, last) - due))

    def _probe_load(self, count: int) -> Load:
        topic = self.servers.topics.telemetry(PROBE_KIND, PROBE)
        first, self._probes = self._probes + 1, self._probes + count
        bodies = [{"dateObserved": STAMP.decode(), "totalActivePower": n} for n in range(first, first + count)]
        return prepare([(topic, orjson.dumps(body)) for body in bodies])

    def _send_probes(self, probes: Load) -> float:
        time.sleep(0.5)
        return publish(probes, *self.servers.broker_address, rate=PROBES_A_SECOND, client="cvprobe")


class _Watcher:
    """Asks the ledger how many readings of a stream are committed until all are."""

    def __init__(self, connection: psycopg.Connection, stream: str, count: int) -> None:
        self._connection, self._stream, self._count = connection, stream, count
        self._before = self._stored()
        self._looks: list[tuple[int, float]] = []

    def run(self) -> None:
        deadline = time.perf_counter() + 120
        reached = 0
        while reached < self._count and time.perf_counter() < deadline:
            reached = self._stored() - self._before
            self._looks.append((reached, time.perf_counter()))
            time.sleep(LOOK_EVERY)

    def instants(self, count: int) -> Milliseconds:
        """When each of the readings was first found committed (perf_counter); raises when some never were."""
        reached = np.array([look[0] for look in self._looks])
        if reached[-1] < count:
            raise TimeoutError(f"{reached[-1]} of {count} readings were committed in time")
        instants = np.array([look[1] for look in self._looks])
        return instants[np.searchsorted(reached, np.arange(count) + 1)]

    def _stored(self) -> int:
        row = self._connection.execute("SELECT stored FROM ledger WHERE stream = %s", [self._stream]).fetchone()
        return int(row[0]) if row else 0


@dataclass
class _Shown:
    numbers: list[int] = field(default_factory=list)
    instants: list[float] = field(default_factory=list)


class _Events:
    """Listens to a street on SSE and notes which probe reading it shows since when."""

    def __init__(self, url: str, area: str) -> None:
        self._area = area
        self._shown = _Shown()
        host, port = url.removeprefix("http://").split(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=20)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "_Events":
        self._connection.request("GET", f"/v1/live?areas={self._area}")
        self._response = self._connection.getresponse()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection.sock is not None:
            self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()

    def shown(self, number: int) -> bool:
        return bool(self._shown.numbers) and self._shown.numbers[-1] >= number

    def instants(self, first: int, last: int) -> Milliseconds:
        """When the probe readings ``first`` to ``last`` were first shown, or a later one in their place."""
        if not self.shown(last):
            seen = self._shown.numbers[-1] if self._shown.numbers else "none"
            raise TimeoutError(f"probe reading {last} did not appear on SSE, the newest seen is {seen}")
        numbers = np.maximum.accumulate(self._shown.numbers)
        return np.array(self._shown.instants)[np.searchsorted(numbers, np.arange(first, last + 1))]

    def _listen(self) -> None:
        for event in _data(self._response):
            now = time.perf_counter()
            value = _find(event, PROBE_INDICATOR)
            if isinstance(value, dict) and value.get("value") is not None:
                self._shown.numbers.append(round(value["value"]))
                self._shown.instants.append(now)


def _data(response: http.client.HTTPResponse) -> Iterator[Any]:
    """The data of each event until the connection ends."""
    while True:
        try:
            line = response.readline()
        except (OSError, ValueError, http.client.HTTPException):
            return
        if not line:
            return
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def _find(document: Any, key: str) -> Any:
    """The first value under ``key``, however deep."""
    if isinstance(document, dict):
        if key in document:
            return document[key]
        for part in document.values():
            if (found := _find(part, key)) is not None:
                return found
    return None
