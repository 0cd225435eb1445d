"""One run of the accounting test: publish by the script, strike by the plan, heal, wait until all is quiet, audit."""

import logging
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.torture import records, vitals
from tests.torture.audit import Circumstances, Verdict, judge
from tests.torture.book import Book
from tests.torture.cast import Cast
from tests.torture.faults import FAULTS, Fault, Heal, MissedError
from tests.torture.plan import Step, plan
from tests.torture.population import Publishers, is_stored, wait_until
from tests.torture.world import Servers, World, world

log = logging.getLogger(__name__)

QUIET_WITHIN = 120.0
_PATIENCE = 8.0


@dataclass(frozen=True)
class Profile:
    """How large a run is."""

    publishers: int = 3
    rate: float = 240.0
    """messages a second of all publishers"""
    steps: int = 6
    hold: tuple[float, float] = (1.0, 4.0)
    back_within: float = 10.0
    """seconds after healing within which fresh readings must be committed"""


SHORT = Profile(steps=4, rate=150.0, hold=(0.5, 1.5), back_within=QUIET_WITHIN)
"""says nothing of how long it takes: tests run on any machine, beside each other"""


@dataclass
class Outcome:
    """What a run came to."""

    seed: int
    verdict: Verdict
    fired: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    back_after: float = 0.0
    """seconds from healing to the last probe's commit"""
    resent: int = 0
    """readings sent again because the watermark did not confirm them"""
    seconds: float = 0.0


def run_seed(servers: Servers, seed: int, profile: Profile | None = None) -> Outcome:
    """Run one seed from an empty database to its verdict."""
    profile = profile or Profile()
    began = time.monotonic()
    with world(servers, f"seed-{seed}") as opened:
        book = Book(opened.folder / "book.sqlite")
        casts = [Cast(f"p{n}", random.Random(f"{seed}/{n}")) for n in range(profile.publishers)]
        publishers = Publishers(opened, book, casts, profile.rate)
        outcome = Outcome(seed, Verdict())
        since = time.time()
        try:
            publishers.start()
            time.sleep(0.5)
            for step in plan(seed, FAULTS, profile.steps, hold=profile.hold):
                _carry_out(opened, book, step, random.Random(f"{seed}/{step.hold}"), outcome)
            outcome.back_after = _come_back(opened, publishers, profile.back_within, outcome)
            publishers.finish()
            quiet(opened, publishers)
        except AssertionError as error:
            outcome.verdict.fail(str(error))
        finally:
            publishers.stop()
        outcome.resent = publishers.asker.resent
        audit(opened, book, since, outcome)
        book.close()
        outcome.seconds = time.monotonic() - began
        if outcome.verdict.failures:
            raise FailedRunError(outcome, opened)
    return outcome


class FailedRunError(AssertionError):
    """A run with failures; its folder is kept."""

    def __init__(self, outcome: Outcome, opened: World) -> None:
        self.outcome = outcome
        failures = outcome.verdict.failures
        shown = "\n  ".join(failures[:40])
        super().__init__(
            f"seed {outcome.seed}: {len(failures)} failures after {dict(outcome.fired)} (kept in {opened.folder}; "
            f"make torture SEED={outcome.seed} repeats it)\n  {shown}"
        )


def _carry_out(opened: World, book: Book, step: Step, rng: random.Random, outcome: Outcome) -> None:
    heals: list[tuple[str, Heal]] = []
    for fault in step.faults:
        try:
            heal = _strike(opened, fault, rng, 0.0 if heals else _PATIENCE)
        except MissedError as error:
            outcome.missed.append(f"{fault.name}: {error}")
            continue
        book.note(time.time(), f"struck: {fault.name}")
        heals.append((fault.name, heal))
        outcome.fired[fault.name] += 1
        time.sleep(0.3 * rng.random())
    log.info("seed %d: %s for %.1f s", outcome.seed, " + ".join(name for name, _ in heals), step.hold)
    time.sleep(step.hold)
    for name, heal in heals:
        heal()
        book.note(time.time(), f"healed: {name}")
    check_alive(opened, outcome)
    time.sleep(step.calm)


def _strike(opened: World, fault: Fault, rng: random.Random, patience: float) -> Heal:
    """Do it as soon as there is something to harm."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return fault.strike(opened, rng)
        except MissedError as error:
            if error.for_good or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def check_alive(opened: World, outcome: Outcome) -> None:
    """A server or pipeline that ended by itself is a failure, and is started again so that the run can go on."""
    for node in (opened.broker, opened.database, opened.pipeline):
        if not node.alive:
            outcome.verdict.fail(f"{node.name} ended by itself during the run")
            node.start()


def _come_back(opened: World, publishers: Publishers, within: float, outcome: Outcome) -> float:
    """Seconds until fresh readings of every publisher are in the tables."""
    began = time.monotonic()
    waiting = set(publishers.probe())
    with opened.connect() as connection:
        while waiting:
            waiting -= {row_id for row_id in waiting if is_stored(connection, row_id)}
            if time.monotonic() - began > within:
                outcome.verdict.fail(f"slow: probes {sorted(waiting)} were not committed {within:g} s after healing")
                break
            time.sleep(0.05)
    return time.monotonic() - began


def quiet(opened: World, publishers: Publishers, within: float = QUIET_WITHIN) -> None:
    """Wait until everything published is acknowledged and nothing waits anywhere, by the system's own counters."""
    wait_until(publishers.confirm, within, "the watermark confirms all that was published by those who ask")
    wait_until(lambda: not publishers.waiting, within, "the broker acknowledges all that was published")
    last = publishers.probe()
    with opened.connect() as connection:
        wait_until(
            lambda: all(is_stored(connection, row_id) for row_id in last), within, "the last readings are stored"
        )
    after = time.monotonic()
    deadline = after + within
    while True:
        tick = opened.monitor.wait_tick(max(0.1, deadline - time.monotonic()), after)
        if not tick.pipeline["pending"] and not tick.pipeline["spooled"]:
            return
        after = tick.heard


def audit(opened: World, book: Book, since: float, outcome: Outcome) -> None:
    """Compare tables, ledger, wire and vital signs; failures go to the outcome's verdict."""
    tap = opened.tap if opened.options.links else None
    around = Circumstances(opened.broker_losses, tap is not None, since, time.time())
    with opened.connect() as connection:
        verdict = judge(
            records.claims(book, tap), records.stored_rows(connection), records.kept_rejects(connection), around
        )
        verdict.failures = outcome.verdict.failures + verdict.failures
        verdict.failures += records.ledger_flaws(connection, book, tap)
        verdict.counts["duplicate"] = sum(of["duplicate"] for of in records.ledger(connection).values())
    outcome.verdict = verdict
    try:
        verdict.failures += compare_vitals(opened)
    except AssertionError as error:
        verdict.fail(str(error))


def compare_vitals(opened: World) -> list[str]:
    """Differences between the newest complete tick and a recomputation at its instant."""
    seen = opened.monitor.documents_of
    wait_until(lambda: opened.monitor.documents_of != seen, QUIET_WITHIN, "a tick with all areas")
    published, number = opened.monitor.documents, opened.monitor.documents_of
    at = next(iter(published.values()))["at"]
    again = vitals.recomputed(opened.city, opened.database_url, at)
    return [f"{line} (tick {number})" for line in vitals.differences(published, again)[:20]]
