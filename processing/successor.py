"""The state that follows the present one, made from the database in a thread of its own while the ticks go on."""

import threading
from collections import deque

import psycopg

from ingest.database import connect
from ingest.intake import Committed
from processing.live_state import AbandonedError, LiveState, MakeEngine, restored_state
from processing.policy import Policy


class Successor:
    """A state under another policy, or the whole of one that began with the last minutes."""

    def __init__(
        self, database_url: str, make: MakeEngine, policy: Policy, now: int, before: Policy | None = None
    ) -> None:
        """``now``: µs since 1970; ``before``: the policy of the next minute to settle, unless it is the same."""
        self.policy = policy
        self.failure: Exception | None = None
        """why there will be no state"""
        self._database_url = database_url
        self._make = make
        self._now = now
        self._before = before or policy
        self._state: LiveState | None = None
        self._missed: deque[tuple[Committed, int]] = deque()
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="successor", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether the state, or the failure, is there."""
        return not self._thread.is_alive()

    def note(self, committed: Committed, due: int) -> None:
        """Keep what is committed meanwhile, before the tick at ``due`` (µs)."""
        self._missed.append((committed, due))

    def abandon(self) -> None:
        """Stop reading; there will be no state."""
        self._abandoned.set()

    def take(self, due: int) -> LiveState | None:
        """The state with all that came meanwhile, for the tick at ``due`` (µs); None after a failure."""
        if self._state is not None:
            self._catch_up(self._state)
            self._state.release(due)
        return self._state

    def _run(self) -> None:
        try:
            with connect(self._database_url, application="cityvitals restore") as connection:
                state = restored_state(
                    connection, self._make, self.policy, self._before, self._now, self._abandoned.is_set
                )
            self._catch_up(state)  # here, so that little is left for the tick that takes it
            self._state = state
        except (psycopg.Error, AbandonedError) as error:
            self.failure = error

    def _catch_up(self, state: LiveState) -> None:
        while self._missed:
            state.absorb(*self._missed.popleft())
