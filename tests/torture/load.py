"""Steady traffic for measurements: publishers at a rate, what became of it, and how the pipeline fares meanwhile."""

import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from tests.torture.audit import Verdict
from tests.torture.book import Book
from tests.torture.cast import Cast
from tests.torture.population import Publishers, stored_within
from tests.torture.processes import usage
from tests.torture.run import Outcome, audit, quiet
from tests.torture.world import Options, Servers, World, world

DIRECT = Options(links=False, small_disk=False, spool_quota=None)
"""the pipeline as a city runs it: straight to its servers, default settings"""
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Sample:
    """The pipeline at one moment."""

    at: float
    """seconds since the load began"""
    rss: int
    descriptors: int
    threads: int
    pending: int
    spooled: int


@dataclass
class Load:
    """Running traffic."""

    opened: World
    publishers: Publishers
    outcome: Outcome
    began: float
    samples: list[Sample] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def back(self, within: float = 120.0) -> float:
        """Seconds until readings published from now on are stored."""
        began = time.monotonic()
        while True:  # a probe may be lost with the broker's session
            try:
                for row_id in self.publishers.probe():
                    stored_within(self.opened, row_id, 5.0)
                return time.monotonic() - began
            except (AssertionError, psycopg.OperationalError):
                if time.monotonic() - began > within:
                    raise

    def spooled(self) -> int:
        tick = self.opened.monitor.tick
        return int(tick.pipeline["spooled"]) if tick else 0


@contextmanager
def load(
    made: Servers, name: str, rate: float, *, publishers: int = 4, reconnect_every: float = 0.0,
    options: Options = DIRECT, ask: bool = False,
) -> Iterator[Load]:  # fmt: skip
    """Traffic in a world of its own for the length of the block; then all is waited for and audited.

    ``ask``: some devices ask for the commit watermark and send again.
    """
    with world(made, name, options) as opened:
        book = Book(opened.folder / "book.sqlite")
        casts = [Cast(f"p{n}", random.Random(f"{name}/{n}"), plain=True) for n in range(publishers)]
        running = Publishers(opened, book, casts, rate, ask=ask, reconnect_every=reconnect_every)
        since, ended = time.time(), threading.Event()
        try:
            running.start()
            flow = Load(opened, running, Outcome(0, Verdict()), time.monotonic())
            sampler = threading.Thread(target=_sample, args=(flow, ended), daemon=True)
            sampler.start()
            yield flow
            running.finish()
            quiet(opened, running, 600.0)
        finally:
            ended.set()
            running.stop()
        audit(opened, book, since, flow.outcome)
        book.close()


def _sample(flow: Load, ended: threading.Event) -> None:
    while not ended.wait(1.0):
        held = usage(flow.opened.pipeline.pid)
        tick = flow.opened.monitor.tick
        if held is not None and tick is not None:
            said = tick.pipeline
            flow.samples.append(
                Sample(flow.elapsed, held.rss, held.descriptors, held.threads, said["pending"], said["spooled"])
            )


def slope(samples: list[Sample]) -> float:
    """Growth of resident memory in MiB a minute, by least squares."""
    if len(samples) < 2:
        return 0.0
    fit = statistics.linear_regression([s.at / 60 for s in samples], [s.rss / MEBIBYTE for s in samples])
    return fit.slope
