"""How long rows are kept, and from when on they are whole. Pure; times are µs since 1970.

    dropped       │  whole: may be recomputed   │ now
──────────────────┼──────────┼──────────────────┤
               oldest   + longest window
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

DAY = 86_400_000_000
LONGEST_DAYS = 36_500.0
SHORTEST_DAYS = 2.0
"""what a recomputation after a day's downtime still needs"""


@dataclass(frozen=True)
class Retention:
    """Days that rows are kept; infinite = for ever, which is the default of everything."""

    days: float = math.inf
    """readings of every stream that is not named in ``streams``"""
    streams: Mapping[str, float] = field(default_factory=dict)
    rejects: float = math.inf
    vitals: float = math.inf
    """the minutes that are kept of vital signs"""

    def __post_init__(self) -> None:
        for days in (self.days, *self.streams.values(), self.rejects, self.vitals):
            if not days >= SHORTEST_DAYS:
                raise ValueError(f"{days:g} days are too short, must be at least {SHORTEST_DAYS:g}")

    @property
    def keeps_all(self) -> bool:
        return all(math.isinf(days) for days in (self.days, *self.streams.values(), self.rejects, self.vitals))

    def of_stream(self, stream: str) -> float:
        """Days that a stream's readings are kept."""
        return self.streams.get(stream, self.days)

    def oldest(self, stream: str, now: int, reach: int = 0) -> int | None:
        """Readings of ``stream`` observed before this may be dropped; None = none.

        ``reach``: how far back (µs) the vital signs of one minute may look; they may be asked for a day later.
        """
        days = self.of_stream(stream)
        return None if math.isinf(days) else now - max(round(days * DAY), DAY + reach)

    def whole_from(self, now: int, reach: int) -> int | None:
        """Minutes before this can no longer be computed again as they were; None = all can."""
        days = min((self.days, *self.streams.values()))
        bounds = [] if math.isinf(days) else [now - max(round(days * DAY), DAY + reach) + reach]
        if not math.isinf(self.vitals):
            bounds.append(now - round(self.vitals * DAY))
        return max(bounds, default=None)
