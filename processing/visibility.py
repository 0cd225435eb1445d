"""Which transactions a restore has already seen, so that what ingest hands on meanwhile is not folded twice. Pure.

PostgreSQL prints a snapshot as ``xmin:xmax:in_progress,…``: everything below xmin was over, nothing from xmax on was.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Visibility:
    """The transactions whose work a snapshot shows."""

    oldest_open: int = 0
    next_new: int = 0
    in_progress: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Visibility":
        """Read ``pg_current_snapshot()::text``."""
        xmin, xmax, open_ones = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(x) for x in open_ones.split(",") if x))

    def shows(self, transaction: int) -> bool:
        """Whether the work of a committed transaction is part of the snapshot."""
        if transaction < self.oldest_open:
            return True
        return transaction < self.next_new and transaction not in self.in_progress
