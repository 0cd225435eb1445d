"""Which policy was in force when. Pure.

    ── first ──┬── second ──┬── third ──▶
             change       change          a minute at a change is already the new policy's

A minute keeps the policy that was in force when it happened, also when late readings have it computed again.
"""

from collections.abc import Iterable

from processing.policy import Policy
from processing.windows import MINUTE


class Timeline:
    """The changes of policy in the order of time; before the first change its policy was in force too."""

    def __init__(self, changes: Iterable[tuple[int, Policy]]) -> None:
        """``changes``: (µs since 1970, policy in force from then on), at least one."""
        self._changes: list[tuple[int, Policy]] = []
        self.restart(changes)

    def restart(self, changes: Iterable[tuple[int, Policy]]) -> None:
        """Forget all and take other changes, at least one."""
        ordered = sorted(changes, key=lambda change: change[0])
        if not ordered:
            raise ValueError("a timeline of no policy, must have at least one")
        self._changes = ordered

    @property
    def newest(self) -> Policy:
        """The policy of the last change."""
        return self._changes[-1][1]

    def at(self, instant: int) -> Policy:
        """The policy in force at an instant (µs)."""
        return next((policy for at, policy in reversed(self._changes) if at <= instant), self._changes[0][1])

    def change(self, at: int, policy: Policy) -> None:
        """Have a policy in force from ``at`` (µs) on; changes planned for later are forgotten."""
        self._changes = [change for change in self._changes if change[0] < at] + [(at, policy)]

    def spans(self, first: int, last: int) -> list[tuple[int, int, Policy]]:
        """The full minutes from ``first`` to ``last`` (µs, both included) as spans of one policy each."""
        spans: list[tuple[int, int, Policy]] = []
        start = first
        while start <= last:
            policy = self.at(start)
            later = [-(-at // MINUTE) * MINUTE for at, _ in self._changes if at > start]
            end = min([last, *(at - MINUTE for at in later if at > start)])
            if spans and spans[-1][2].version == policy.version:
                spans[-1] = spans[-1][0], end, policy
            else:
                spans.append((start, end, policy))
            start = end + MINUTE
        return spans
