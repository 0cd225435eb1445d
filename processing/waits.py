"""Headways: how much longer than by the timetable a passenger who just turns up waits, and how even they are."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.batch import MISSING
from processing import kernels
from processing.expressions import Elapsed
from processing.method import BUNCHED_BELOW, FREQUENT_HEADWAY, Indicator
from processing.standing import Floats, Instants, Labels, Measured, Rows, Standing, counted, quotient

_FEW = 1_000


@dataclass(frozen=True)
class _Look:
    """The arrivals of a window."""

    planned: "_Arrivals"
    happened: "_Arrivals"
    frequent: NDArray[np.bool_]
    """of each row of both, which are sorted by entity and hold the same arrivals: whether its entity is frequent"""


class ArrivalBook:
    """Keeps the arrivals of a window, for all that measure the headways between them.

    An entity is a route at a stop; it is frequent if its mean scheduled headway is at most ``FREQUENT_HEADWAY``.
    """

    def __init__(self, indicator: Indicator) -> None:
        if not isinstance(indicator.value, Elapsed):
            raise TypeError(f"value of {indicator.id} is {indicator.value}, must be Elapsed(scheduled, observed)")
        self._scheduled, self._observed = indicator.value.start, indicator.value.end
        self._entity = indicator.entity
        self._window = indicator.window
        self._planned, self._happened = _Kept(), _Kept()
        self._new: list[tuple[NDArray[Any], ...]] = []
        self._last: tuple[int, _Look] | None = None

    def fold(self, rows: Rows) -> None:
        """Take arrivals in, in any order."""
        batch = rows.batch
        columns = {name: batch.columns[spec.columns[0]] for name, spec in batch.stream.field_by_name.items()}
        scheduled, observed = columns[self._scheduled], columns[self._observed]
        known = (rows.area >= 0) & (observed != MISSING) & (scheduled != MISSING)
        names = list(zip(*(columns[name].tolist() for name in self._entity), strict=True))
        numbers = {parts: _number(parts) for parts in set(names)}
        entity = np.fromiter(map(numbers.__getitem__, names), np.int64, len(batch))
        picked = (batch.time, entity, rows.area, scheduled, observed)
        self._new.append(tuple(column[known] for column in picked))
        self._last = None

    @property
    def held(self) -> int:
        """Arrivals in memory."""
        return len(self._planned) + sum(len(part[0]) for part in self._new)

    def look(self, at: int) -> _Look:
        """The window that ends at ``at``; what lies before it is forgotten."""
        if self._last is None or self._last[0] != at:
            self._take_in_new()
            start = at - self._window * 1_000_000
            self._planned.forget(start)
            self._happened.forget(start)
            planned, happened = self._planned.arrivals.until(at), self._happened.arrivals.until(at)
            frequent = np.zeros(len(planned.time), np.bool_)
            kernels.mark_frequent(planned.entity, planned.instant, float(FREQUENT_HEADWAY), frequent)
            self._last = at, _Look(planned, happened, frequent)
        return self._last[1]

    def _take_in_new(self) -> None:
        if not self._new:
            return
        time, entity, area, scheduled, observed = (np.concatenate(parts) for parts in zip(*self._new, strict=True))
        self._new = []
        self._planned.add(_Arrivals.of(time, entity, scheduled, area))
        self._happened.add(_Arrivals.of(time, entity, observed, area))


class WaitTracker:
    """Measures headways of frequent service: excess wait time, how uneven they are, how many are bunched.

    TfL: EWT = Σh²/(2Σh) of the headways observed, minus the same of those scheduled. Coefficient of variation and
    bunching are those of x = h / mean scheduled headway of the entity. Where buses arrive and fewer than ``fewest``
    headways remain, there is nothing to measure.
    """

    def __init__(self, indicator: Indicator, parents: Labels, book: ArrivalBook | None = None) -> None:
        self._aggregation = indicator.aggregation
        self._window, self._fewest = float(indicator.window), indicator.fewest
        self._parents = parents
        self.book = book or ArrivalBook(indicator)
        """who looks at the same arrivals shares them"""

    def grow(self, size: int) -> None:
        """Nothing is kept by device."""

    def fold(self, rows: Rows) -> None:
        """Take arrivals in, in any order."""
        self.book.fold(rows)

    @property
    def held(self) -> int:
        """Arrivals in memory."""
        return self.book.held

    def measure(self, at: int, standing: Standing) -> Measured:
        """Measure the window that ends at ``at``."""
        look = self.book.look(at)
        match self._aggregation:
            case "excess_wait":
                happened = self._sums(look.happened, look.frequent)
                value = _mean_wait(happened) - _mean_wait(self._sums(look.planned, look.frequent))
                base = np.full(len(value), np.nan)
            case "headway_variation":
                happened = self._relative(look, 0.0)
                value = _variation(happened)
                base = np.full(len(value), np.nan)
            case _:
                happened = self._relative(look, BUNCHED_BELOW)
                base = kernels.total(happened["per_hi"], happened["per_lo"])
                value = quotient(kernels.total(happened["hi"], happened["lo"]), base)
        heard = kernels.empty_partials(len(self._parents))
        standing.alive(heard)
        kernels.roll_up(self._parents, heard)
        for name in ("fresh", "reporting", "newest"):
            happened[name] = heard[name]
        few = happened["count"] < self._fewest
        arrivals = counted(look.happened.area, self._parents)
        return Measured(np.where(few, np.nan, value), happened, few & (arrivals > 0), base)

    def _sums(self, arrivals: "_Arrivals", frequent: NDArray[np.bool_]) -> NDArray[np.void]:
        partials = kernels.empty_partials(len(self._parents))
        area = np.where(frequent, arrivals.area, -1).astype(np.int32)
        kernels.headways(arrivals.entity, area, arrivals.instant, self._window, partials)
        kernels.roll_up(self._parents, partials)
        return partials

    def _relative(self, look: _Look, bunched: float) -> NDArray[np.void]:
        partials = kernels.empty_partials(len(self._parents))
        mean = np.empty(len(look.frequent))
        kernels.mean_headways(look.planned.entity, look.planned.instant, mean)
        area = np.where(look.frequent, look.happened.area, -1).astype(np.int32)
        happened = look.happened
        kernels.relative_headways(happened.entity, area, happened.instant, mean, self._window, bunched, partials)
        kernels.roll_up(self._parents, partials)
        return partials


@dataclass(frozen=True)
class _Arrivals:
    """Arrivals sorted by entity, then by instant (as planned, or as it happened), then by area."""

    time: Instants
    entity: Instants
    instant: Instants
    area: Labels

    @classmethod
    def of(cls, time: Instants, entity: Instants, instant: Instants, area: Labels) -> "_Arrivals":
        """Sort arrivals that come in any order."""
        return cls(time, entity, instant, area).taken(np.lexsort((area, instant, entity)))

    @classmethod
    def room(cls, size: int) -> "_Arrivals":
        """Places for arrivals."""
        return cls(
            np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int32)
        )

    def __len__(self) -> int:
        return len(self.time)

    @property
    def columns(self) -> tuple[Instants, Instants, Instants, Labels]:
        return self.time, self.entity, self.instant, self.area

    def until(self, end: int) -> "_Arrivals":
        """Those at or before ``end`` (µs)."""
        return self if int(self.time.max(initial=end)) <= end else self.taken(self.time <= end)

    def taken(self, index: Any) -> "_Arrivals":
        return _Arrivals(self.time[index], self.entity[index], self.instant[index], self.area[index])


class _Kept:
    """Arrivals in order, in memory that is used again.

    A city has hundreds of thousands in an hour and a few new ones a second: those are merged in, never sorted again,
    and what is old makes room where it stands.
    """

    def __init__(self) -> None:
        self._room = _Arrivals.room(0)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def arrivals(self) -> _Arrivals:
        """All of them; true until the next change."""
        return self._room.taken(slice(self._count))

    def add(self, arrivals: _Arrivals) -> None:
        """Put arrivals in their places."""
        count = self._count + len(arrivals)
        if count > len(self._room):
            self._resize(count + count // 8)
        kernels.merge_in(self._room.columns, self._count, arrivals.columns)
        self._count = count

    def forget(self, start: int) -> None:
        """Leave out those at or before ``start`` (µs)."""
        self._count = kernels.keep_since(self._room.columns, self._count, start)
        if len(self._room) > _FEW and self._count < len(self._room) // 4:
            self._resize(self._count * 2)

    def _resize(self, size: int) -> None:
        before, room = self.arrivals, _Arrivals.room(size)
        room.time[: len(before)], room.entity[: len(before)] = before.time, before.entity
        room.instant[: len(before)], room.area[: len(before)] = before.instant, before.area
        self._room = room


def _number(names: tuple[str | int | None, ...]) -> int:
    """A number for an entity that depends on nothing but its names; 64 bits, so that two never meet."""
    return int.from_bytes(blake2b(repr(names).encode(), digest_size=8).digest(), "big", signed=True)


def _mean_wait(partials: NDArray[np.void]) -> Floats:
    squares = kernels.total(partials["hi"], partials["lo"])
    return quotient(squares, 2 * kernels.total(partials["per_hi"], partials["per_lo"]))


def _variation(partials: NDArray[np.void]) -> Floats:
    """Standard deviation over mean: √(n Σx² − (Σx)²) / Σx."""
    squares = kernels.total(partials["hi"], partials["lo"])
    plain = kernels.total(partials["per_hi"], partials["per_lo"])
    return quotient(np.sqrt(np.maximum(partials["count"] * squares - plain * plain, 0.0)), plain)
