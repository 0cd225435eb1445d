"""Excess wait time: how much longer than by the timetable a passenger who just turns up waits for the next bus."""

from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.batch import MISSING
from processing import kernels
from processing.expressions import Elapsed
from processing.method import FREQUENT_HEADWAY, Indicator
from processing.standing import Floats, Instants, Labels, Measured, Rows, Standing, counted, quotient

_ENTITIES_AT_HAND = 65_536
_NONE = np.empty(0, np.int64)
_NO_AREA = np.empty(0, np.int32)


class WaitTracker:
    """Keeps the arrivals of its window and measures excess wait time from the headways between them.

    TfL: EWT = Σh²/(2Σh) of the headways observed, minus the same of those scheduled. An entity is a route at a stop;
    those with a mean scheduled headway above ``FREQUENT_HEADWAY`` are left out: their passengers go by the timetable.
    Where buses arrive and fewer than ``fewest`` headways remain, there is nothing to measure.
    """

    def __init__(self, indicator: Indicator, parents: Labels) -> None:
        if not isinstance(indicator.value, Elapsed):
            raise TypeError(f"value of {indicator.id} is {indicator.value}, must be Elapsed(scheduled, observed)")
        self._scheduled, self._observed = indicator.value.start, indicator.value.end
        self._entity = indicator.entity
        self._window, self._fewest = indicator.window, indicator.fewest
        self._parents = parents
        self._planned, self._happened = _Arrivals.of(), _Arrivals.of()
        self._new: list[tuple[NDArray[Any], ...]] = []

    def grow(self, size: int) -> None:
        """Nothing is kept by device."""

    def fold(self, rows: Rows) -> None:
        """Take arrivals in, in any order."""
        batch = rows.batch
        columns = {name: batch.columns[spec.columns[0]] for name, spec in batch.stream.field_by_name.items()}
        scheduled, observed = columns[self._scheduled], columns[self._observed]
        known = (rows.area >= 0) & (observed != MISSING) & (scheduled != MISSING)
        names = zip(*(columns[name].tolist() for name in self._entity), strict=True)
        entity = np.fromiter((_number(parts) for parts in names), np.int64, len(batch))
        picked = (batch.time, entity, rows.area, scheduled, observed)
        self._new.append(tuple(column[known] for column in picked))

    @property
    def held(self) -> int:
        """Arrivals in memory."""
        return len(self._planned.time) + sum(len(part[0]) for part in self._new)

    def measure(self, at: int, standing: Standing) -> Measured:
        """Measure the window that ends at ``at``; what lies before it is forgotten."""
        self._take_in_new()
        start = at - self._window * 1_000_000
        self._planned, self._happened = self._planned.since(start), self._happened.since(start)
        by_plan, by_event = self._planned.until(at), self._happened.until(at)
        arrivals = counted(by_event.area, self._parents)
        # Both are sorted by entity, and hold the same arrivals: what is marked in one is marked in the other.
        frequent = np.zeros(len(by_plan.time), np.bool_)
        kernels.mark_frequent(by_plan.entity, by_plan.instant, float(FREQUENT_HEADWAY), frequent)
        planned, happened = self._sums(by_plan, frequent), self._sums(by_event, frequent)
        standing.alive(happened)
        for partials in (planned, happened):
            kernels.roll_up(self._parents, partials)
        few = happened["count"] < self._fewest
        excess = np.where(few, np.nan, _mean_wait(happened) - _mean_wait(planned))
        return Measured(excess, happened, few & (arrivals > 0), np.full(len(excess), np.nan))

    def _take_in_new(self) -> None:
        if not self._new:
            return
        time, entity, area, scheduled, observed = (np.concatenate(parts) for parts in zip(*self._new, strict=True))
        self._new = []
        self._planned = self._planned.joined(_Arrivals.of(time, entity, area, scheduled))
        self._happened = self._happened.joined(_Arrivals.of(time, entity, area, observed))

    def _sums(self, arrivals: "_Arrivals", frequent: NDArray[np.bool_]) -> NDArray[np.void]:
        partials = kernels.empty_partials(len(self._parents))
        area = np.where(frequent, arrivals.area, -1).astype(np.int32)
        kernels.headways(arrivals.entity, area, arrivals.instant, float(self._window), partials)
        return partials


@dataclass(frozen=True)
class _Arrivals:
    """Arrivals sorted by entity, then by instant (as planned, or as it happened), then by area.

    A city has hundreds of thousands in an hour and a few new ones a second: those are merged in, never sorted again.
    """

    time: Instants
    entity: Instants
    area: Labels
    instant: Instants

    @classmethod
    def of(
        cls,
        time: Instants = _NONE,
        entity: Instants = _NONE,
        area: Labels = _NO_AREA,
        instant: Instants = _NONE,
    ) -> "_Arrivals":
        """Sort arrivals that come in any order."""
        return cls(time, entity, area, instant)._taken(np.lexsort((area, instant, entity)))

    def joined(self, other: "_Arrivals") -> "_Arrivals":
        both = _Arrivals(*(np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)))
        order = np.empty(len(both.time), np.int64)
        kernels.merge_order(both.entity, both.instant, both.area, len(self.time), order)
        return both._taken(order)

    def since(self, start: int) -> "_Arrivals":
        """Those after ``start`` (µs)."""
        return self if int(self.time.min(initial=start + 1)) > start else self._taken(self.time > start)

    def until(self, end: int) -> "_Arrivals":
        """Those at or before ``end`` (µs)."""
        return self if int(self.time.max(initial=end)) <= end else self._taken(self.time <= end)

    def _taken(self, index: NDArray[Any]) -> "_Arrivals":
        return _Arrivals(*(getattr(self, f.name)[index] for f in fields(self)))


@lru_cache(_ENTITIES_AT_HAND)
def _number(names: tuple[str | int | None, ...]) -> int:
    """A number for an entity that depends on nothing but its names; 64 bits, so that two never meet."""
    return int.from_bytes(blake2b(repr(names).encode(), digest_size=8).digest(), "big", signed=True)


def _mean_wait(partials: NDArray[np.void]) -> Floats:
    squares = kernels.total(partials["hi"], partials["lo"])
    return quotient(squares, 2 * kernels.total(partials["per_hi"], partials["per_lo"]))
