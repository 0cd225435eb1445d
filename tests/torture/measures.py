"""The measurements behind docs/reliability.md, each repeatable by its name; each prints one line a result."""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from tests.torture.audit import Verdict
from tests.torture.book import Book
from tests.torture.cast import Cast
from tests.torture.load import DIRECT, MEBIBYTE, Load, Sample, load, slope
from tests.torture.population import Publishers, wait_until
from tests.torture.processes import Node, processor_time
from tests.torture.run import Outcome, audit
from tests.torture.world import Options, Servers, world

WARM_UP = 120.0
_LEAST_RATIO = 0.8
_MOST_GROWTH = 1.0
"""MiB a minute"""
_KILLS = {"pipeline": 20, "database": 5, "broker": 10}


def kill_pipeline(made: Servers) -> bool:
    """kill -9 of the pipeline 20 times under 2,000 messages a second."""
    with load(made, "kill-pipeline", 2_000) as flow:
        times = _kill(flow, flow.opened.pipeline, _KILLS["pipeline"])
    return _tell(f"kill -9 of the pipeline, {len(times)} times, 2,000 msg/s", flow, back=times)


def kill_database(made: Servers) -> bool:
    """kill -9 of PostgreSQL 5 times under 2,000 messages a second."""
    with load(made, "kill-database", 2_000) as flow:
        times = _kill(flow, flow.opened.database, _KILLS["database"])
    return _tell(f"kill -9 of PostgreSQL, {len(times)} times, 2,000 msg/s", flow, back=times)


def _kill(flow: Load, node: Node, times: int) -> list[float]:
    """Seconds from each restart to stored readings."""
    rng, back = random.Random(times), []
    for _ in range(times):
        time.sleep(rng.uniform(1.0, 4.0))
        node.kill()
        node.start()
        back.append(flow.back())
    return back


def stop(made: Servers) -> bool:
    """SIGSTOP for 30 s of pipeline, database and broker, each under 1,000 messages a second."""
    passed = True
    for name in ("pipeline", "database", "broker"):
        with load(made, f"stop-{name}", 1_000) as flow:
            time.sleep(5)
            node: Node = getattr(flow.opened, name)
            node.stop()
            time.sleep(30)
            node.proceed()
            back = [flow.back()]
        passed &= _tell(f"SIGSTOP of the {name} for 30 s, 1,000 msg/s", flow, back=back)
    return passed


def kill_broker(made: Servers) -> bool:
    """kill -9 of Mosquitto 10 times under 1,000 messages a second: what it had acknowledged and lost."""
    back = []
    with load(made, "kill-broker", 1_000, options=Options(small_disk=False), ask=True) as flow:
        time.sleep(15)  # the broker saves its sessions meanwhile
        for _ in range(_KILLS["broker"]):
            time.sleep(3)
            flow.opened.note_broker_loss()
            flow.opened.broker.kill()
            flow.opened.broker.start()
            back.append(flow.back())
    asker = flow.publishers.asker
    more = f"of {asker.confirmed} readings with a watermark none, {asker.resent} sent again for it"
    return _tell(f"kill -9 of the broker, {len(back)} times, 1,000 msg/s", flow, back=back, more=more)


def outage(made: Servers, seconds: float = 180.0) -> bool:
    """The database stopped for 3 minutes at 1,000 messages a second, default settings."""
    with load(made, "outage", 1_000) as flow:
        time.sleep(30)
        down = flow.elapsed
        flow.opened.database.end()
        time.sleep(seconds)
        most = flow.spooled()
        flow.opened.database.start()
        healed = time.monotonic()
        back = [flow.back(300)]
        wait_until(lambda: flow.spooled() == 0, 600, "the spool is empty")
        drained = time.monotonic() - healed
        time.sleep(10)
    before = [s.rss for s in flow.samples if s.at < down]
    during = [s.rss for s in flow.samples if down <= s.at < down + seconds]
    after = [s.rss for s in flow.samples if s.at >= down + seconds]
    memory = " / ".join(f"{max(part) / MEBIBYTE:.0f}" for part in (before, during, after) if part)
    more = f"{most} messages in the spool, drained in {drained:.0f} s beside live traffic; "
    more += f"resident memory at most {memory} MiB before / during / after"
    return _tell(f"database down for {seconds:.0f} s, 1,000 msg/s", flow, back=back, more=more)


def poison_held(made: Servers) -> bool:
    """Poison that waits with the broker when the pipeline comes: how fast it can take everything in."""
    return poison(made, held=True)


def poison(made: Servers, messages: int = 100_000, pairs: int = 3, *, held: bool = False) -> bool:
    """100,000 messages of which 10,000 are poison, against as many good ones; alternating."""
    floods: dict[str, list[_Flooded]] = {"clean": [], "poisoned": []}
    failures: list[str] = []
    for pair in range(pairs):
        for name, share in (("clean", 0.0), ("poisoned", 0.1)):
            flood = _flood(made, f"{name}-{pair}", share, messages, held=held)
            floods[name].append(flood)
            failures += flood.verdict.failures
            used = ", ".join(f"{node} {seconds * 1e6 / messages:.1f}" for node, seconds in flood.processor.items())
            print(f"  {name}: {flood.rate:.0f} good readings/s, {dict(flood.verdict.counts)};", flush=True)
            print(f"    processor µs a message: {used}", flush=True)
    ratio = sorted(p.rate / c.rate for p, c in zip(floods["poisoned"], floods["clean"], strict=True))
    middle = ratio[len(ratio) // 2]
    passed = not failures and middle >= _LEAST_RATIO
    clean, poisoned = (sorted(flood.rate for flood in floods[name])[pairs // 2] for name in ("clean", "poisoned"))
    for node in floods["clean"][0].processor:
        good, bad = _costs(node, floods["clean"], floods["poisoned"], messages)
        print(f"  {node}: {good * 1e6:.1f} µs of processor a good message, {bad * 1e6:.1f} a poisonous one")
    print(
        f"{'passed' if passed else 'failed'}: {messages} messages, 10 % poison: {poisoned:.0f} good readings/s"
        f" beside it, {clean:.0f} without, ratio {middle:.2f} ({ratio[0]:.2f}–{ratio[-1]:.2f} in {pairs} pairs, least"
        f" {_LEAST_RATIO}); {'all' if not failures else 'not all'} accounted",
        flush=True,
    )
    for failure in failures[:20]:
        print(f"  {failure}")
    return passed


@dataclass(frozen=True)
class _Flooded:
    """How one flood went."""

    rate: float
    """good readings a second"""
    verdict: Verdict
    processor: dict[str, float]
    """seconds that each part of the world worked for it"""
    poisons: int


def _costs(node: str, clean: list[_Flooded], poisoned: list[_Flooded], messages: int) -> tuple[float, float]:
    """Seconds of processor that a good and a poisonous message cost a node; medians over the floods."""
    good = statistics.median(flood.processor[node] for flood in clean) / messages
    bad = statistics.median((f.processor[node] - good * (messages - f.poisons)) / f.poisons for f in poisoned)
    return good, bad


def _flood(made: Servers, name: str, share: float, messages: int, *, held: bool) -> _Flooded:
    """Publishers that send as fast as they can, or a broker that holds it all."""
    with world(made, name, DIRECT) as opened:
        book = Book(opened.folder / "book.sqlite")
        casts = [Cast(f"p{n}", random.Random(f"{name}/{n}"), plain=True, poison_share=share) for n in range(4)]
        publishers = Publishers(opened, book, casts, 1e6, ask=False, total=messages)
        since = time.time()
        try:
            publishers.start(publish=False)
            publishers.lay_out()
            if held:
                opened.pipeline.stop()
                time.sleep(6)  # the broker gives the connection up and keeps what comes for the session
            nodes = {node.name: node for node in (opened.pipeline, opened.database, opened.broker)}
            before = {name: processor_time(node.pid) for name, node in nodes.items()}
            began = time.monotonic()
            publishers.publish()
            wait_until(lambda: publishers.supplied >= messages and not publishers.waiting, 300, "all is published")
            good = book.rows("SELECT count(*) FROM entries WHERE fate = 'stored'")[0][0]
            if held:
                opened.pipeline.proceed()
            with opened.connect() as connection:
                taken = _time_to_store(connection, good, since=None if held else began)
            used = {name: processor_time(node.pid) - before[name] for name, node in nodes.items()}
        finally:
            publishers.stop()
        outcome = Outcome(0, Verdict())
        audit(opened, book, since, outcome)
        book.close()
    return _Flooded(good / taken, outcome.verdict, used, sum(cast.poisons for cast in casts))


def _time_to_store(connection: psycopg.Connection, wanted: int, since: float | None) -> float:
    """Seconds from ``since`` (None: from the first stored reading) to the last."""
    stored: Callable[[], int] = lambda: int(  # noqa: E731 - a name for a query
        (connection.execute("SELECT coalesce(sum(stored), 0) FROM ledger").fetchone() or (0,))[0]
    )
    wait_until(lambda: stored() > 0, 60, "the first reading is stored")
    began = time.monotonic() if since is None else since
    wait_until(lambda: stored() >= wanted, 300, f"{wanted} readings are stored")
    return time.monotonic() - began


def soak(made: Servers, seconds: float = 600.0) -> bool:
    """2,000 messages a second for 10 minutes from devices that reconnect every 5 s."""
    with load(made, "soak", 2_000, publishers=20, reconnect_every=5.0) as flow:
        time.sleep(seconds)
        back = [flow.back()]
        connections = sum(thread.connections for thread in flow.publishers.threads)
    warm = [s for s in flow.samples if WARM_UP <= s.at <= seconds]
    growth = slope(warm)
    more = f"{connections} connections of devices; after {WARM_UP:.0f} s resident memory "
    more += f"{_span(warm, 'rss', MEBIBYTE)} MiB, {growth:+.2f} MiB/min; "
    more += f"descriptors {_span(warm, 'descriptors')}, threads {_span(warm, 'threads')}"
    return _tell(f"soak {seconds:.0f} s, 2,000 msg/s", flow, back=back, more=more, grown=growth > _MOST_GROWTH)


def _span(samples: list[Sample], name: str, unit: int = 1) -> str:
    values = [getattr(sample, name) / unit for sample in samples]
    return f"{min(values):.0f}–{max(values):.0f}"


def _tell(what: str, flow: Load, *, back: list[float], more: str = "", grown: bool = False) -> bool:
    """Print the line of a result; whether it passed. ``grown``: memory did, more than it may."""
    verdict = flow.outcome.verdict
    counts = verdict.counts
    seconds = f"stored again {min(back):.1f}–{max(back):.1f} s after healing"
    figures = f"published {sum(t.published for t in flow.publishers.threads)}, stored {counts['stored']}, "
    figures += f"duplicates {counts['duplicate']}, lost by the broker {len(verdict.lost_by_broker)}"
    passed = not verdict.failures and not grown
    lost = "none lost or twice" if not verdict.failures else f"{len(verdict.failures)} failures"
    print(f"{'passed' if passed else 'failed'}: {what}: {lost}; {figures}; {seconds}; {more}", flush=True)
    for failure in verdict.failures[:20]:
        print(f"  {failure}")
    return passed


MEASURES: dict[str, Callable[[Servers], bool]] = {
    "kill-pipeline": kill_pipeline,
    "kill-database": kill_database,
    "kill-broker": kill_broker,
    "stop": stop,
    "outage": outage,
    "poison": poison,
    "poison-held": poison_held,
    "soak": soak,
}
