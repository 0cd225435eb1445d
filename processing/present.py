"""What the vital signs of the present are made from: restored from the database, followed by what the policy asks for.

database ── restore ──▶ live state ──── ticks ───────▶ ends here when the clock is set back or a mark is set
                           │ it knows the last minutes only, or the policy asks for other windows
                           └─ successor, made beside the ticks ──▶ the live state from some tick on
"""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from devices.units import format_instant
from ingest.database import connect
from ingest.intake import Committed
from processing.engine import Engine
from processing.live_state import LiveState, first_state, restored_state
from processing.policy import SHIPPED, Policy, differences, same_measures
from processing.policy_keeper import PolicyKeeper
from processing.policy_store import Recorded, load_changes
from processing.settling import LATENESS, full_minute
from processing.store import newest_final_minute
from processing.successor import Successor
from processing.timeline import Timeline
from processing.trackers import stream_windows
from processing.windows import MINUTE

DAY = 24 * 60 * MINUTE

log = logging.getLogger(__name__)


class MakeEngine(Protocol):
    """Makes an engine under a policy, which does not measure some indicators (by id)."""

    def __call__(self, policy: Policy, restoring: Collection[str] = ()) -> Engine: ...


class Present:
    """The live state and the policy in force. All instants are in µs; the clock is an argument.

    Whatever a state holds was folded for one instant, that of its restore or of a tick; it must never be asked for an
    earlier one.
    """

    def __init__(
        self,
        database_url: str,
        make_engine: MakeEngine,
        keeper: PolicyKeeper,
        now: int,
        renewed: Callable[[], None],
    ) -> None:
        """Nothing was heard yet; ``renewed`` is called whenever engine or policy are others."""
        self._database_url = database_url
        self._make_engine = make_engine
        self._keeper = keeper
        self._renewed = renewed
        self.policy = keeper.wanted or SHIPPED
        self.timeline = Timeline([(0, self.policy)])
        self._recorded: str | None = None
        self.successor: Successor | None = None
        self._missing: tuple[int, int] | None = None
        self.windows = stream_windows(self.policy.indicators)
        """how far back, in seconds, each stream is looked at; kept up to date"""
        self.live = LiveState.empty(make_engine, self.policy, now)

    @property
    def engine(self) -> Engine:
        """The engine of the present."""
        return self.live.engine

    def restore(self, now: int) -> int:
        """Fold the recent horizon from the database; returns the number of readings.

        Where that is much, only the last minutes, and the rest beside the ticks. Raises psycopg's errors; it can then
        be called again and starts anew.
        """
        self._give_up_successor()
        settled = full_minute(now - LATENESS)
        with connect(self._database_url, application="cityvitals restore") as connection:
            connection.autocommit = True
            if self._recorded is None:
                self._remember(load_changes(connection), now)
            newest_final = newest_final_minute(connection)
            before = self.timeline.at(settled + MINUTE)
            live = first_state(connection, self._make_engine, self.policy, now)
            if live is None:
                live = restored_state(connection, self._make_engine, self.policy, before, now)
        self._go_on(live)
        self._missing = None
        if newest_final is not None and newest_final < settled:
            self._missing = max(newest_final, settled - DAY) + MINUTE, settled
        if live.partial:
            self._prepare(self.policy, now, before)
        return live.readings

    def absorb(self, committed: Committed, due: int) -> None:
        """Take in what was committed, for the tick at ``due``."""
        self.live.absorb(committed, due)
        if self.successor is not None:
            self.successor.note(committed, due)

    def follow(self, at: int) -> None:
        """Put the policy that the file asks for in force with the tick at ``at``, or prepare what it needs."""
        wanted = self._keeper.wanted or self.policy
        if self.successor is not None and self.successor.ready:
            self._succeed(self.successor, at)
        elif wanted.version != self.policy.version and (self.successor is None or self.live.partial):
            if same_measures(wanted.indicators, self.policy.indicators):
                self.engine.adopt(wanted.indicators, wanted.domains)
                self._put_in_force(wanted, at)
            elif self.successor is None and self.live.outgoing is None:
                self._prepare(wanted, at)
        if self._recorded is not None and self._recorded != self.policy.version:
            self._put_in_force(self.policy, at)

    def take_missing(self) -> tuple[int, int] | None:
        """First and last minute that nobody settled, once their readings need not be read twice; tells it once."""
        if self._missing is None or self.live.partial:
            return None
        missing, self._missing = self._missing, None
        return missing

    def _remember(self, changes: Sequence[Recorded], now: int) -> None:
        """Take over which policies were in force before this process; the last of them without a good file."""
        known = [(at, policy) for at, _, policy in changes if policy is not None and at <= now]
        if known and self._keeper.wanted is None:  # a file that is wrong changes nothing
            self.policy = known[-1][1]
        if known:
            self.timeline.restart(known)
        self._recorded = changes[-1][1] if changes else ""

    def _prepare(self, policy: Policy, at: int, before: Policy | None = None) -> None:
        self.successor = Successor(self._database_url, self._make_engine, policy, at, before)

    def _give_up_successor(self) -> None:
        if self.successor is not None:
            self.successor.abandon()
            self.successor = None

    def _succeed(self, successor: Successor, at: int) -> None:
        self.successor = None
        live = successor.take(at)
        if live is None:
            log.warning("policy %s waits for the database: %s", successor.policy.version, successor.failure)
            if self.live.partial:
                self._complete_anew(at)
            return
        if self.live.partial:
            live.engine.adopt(self.policy.indicators, self.policy.domains)  # it may have changed meanwhile
            self._go_on(live)
            log.info("all windows are whole: restored %d readings", live.readings)
            return
        live.succeed(self.live)
        self._go_on(live)
        self._put_in_force(successor.policy, at)

    def _complete_anew(self, at: int) -> None:
        """Begin again to read what a partial state lacks; minutes that have passed meanwhile are made up."""
        settled = full_minute(at - LATENESS)
        first = self._missing[0] if self._missing is not None else self.live.settler.settled + MINUTE
        self._missing = (first, settled) if first <= settled else None
        self._prepare(self.policy, at, self.timeline.at(settled + MINUTE))

    def _put_in_force(self, policy: Policy, at: int) -> None:
        for change in differences(self.policy, policy):
            log.info("policy %s: %s was %s, is %s", policy.version, change.path, change.old, change.new)
        log.info("policy %s is in force from %s", policy.version, format_instant(at))
        self.policy, self._recorded = policy, policy.version
        self.timeline.change(at, policy)
        self._keeper.record(at, policy)
        self.windows.update(stream_windows(policy.indicators))
        self._renewed()

    def _go_on(self, live: LiveState) -> None:
        self.live = live
        self._renewed()
