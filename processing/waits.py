"""Headways: how much longer than by the timetable a passenger who just turns up waits, and how even they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.batch import MISSING, Batch
from processing import kernels
from processing.arrivals import ArrivalStore
from processing.expressions import Elapsed
from processing.method import BUNCHED_BELOW, FREQUENT_HEADWAY, Indicator
from processing.names import number_names
from processing.standing import Floats, Labels, Measured, Rows, Standing, quotient, rolled_up


@dataclass(frozen=True)
class _Look:
    """The arrivals of a window, summed up by area."""

    arrivals: NDArray[np.int64]
    """int64[areas], rolled up"""
    headways: NDArray[np.void]
    """kernels.PARTIAL[4, areas] as ``kernels.sum_headways`` gives them, rolled up"""


class ArrivalBook:
    """Keeps the arrivals of a window, for all that measure the headways between them.

    An entity is a route at a stop; it is frequent if its mean scheduled headway is at most ``FREQUENT_HEADWAY``.
    """

    def __init__(self, indicator: Indicator, parents: Labels) -> None:
        if not isinstance(indicator.value, Elapsed):
            raise TypeError(f"value of {indicator.id} is {indicator.value}, must be Elapsed(scheduled, observed)")
        self._scheduled, self._observed = indicator.value.start, indicator.value.end
        self._entity = indicator.entity
        self._window = indicator.window
        self._parents = parents
        self._kept = ArrivalStore()
        self._new: list[tuple[NDArray[Any], ...]] = []
        self._last: tuple[int, _Look] | None = None

    def fold(self, rows: Rows) -> None:
        """Take arrivals in, in any order."""
        batch = rows.batch
        scheduled, observed = _column(batch, self._scheduled), _column(batch, self._observed)
        known = (rows.area >= 0) & (observed != MISSING) & (scheduled != MISSING)
        entity, _ = number_names(batch, self._entity)
        picked = (batch.time, entity.view(np.int64), scheduled, observed, rows.area)
        self._new.append(tuple(column[known] for column in picked))
        self._last = None

    @property
    def held(self) -> int:
        """Arrivals in memory."""
        return len(self._kept) + sum(len(part[0]) for part in self._new)

    def look(self, at: int) -> _Look:
        """The window that ends at ``at``; what lies before it is forgotten."""
        if self._last is None or self._last[0] != at:
            if self._new:
                time, entity, scheduled, observed, area = (
                    np.concatenate(parts) for parts in zip(*self._new, strict=True)
                )
                self._new = []
                self._kept.add(time, entity, scheduled, observed, area)
            self._kept.forget(at - self._window * 1_000_000)
            self._last = at, self._look(at)
        return self._last[1]

    def _look(self, at: int) -> _Look:
        size = len(self._parents)
        arrivals, headways = np.zeros(size, np.int64), kernels.empty_partials((4, size))
        bounds = float(FREQUENT_HEADWAY), float(self._window), BUNCHED_BELOW
        kernels.sum_headways(self._kept.until(at), self._kept.unit, *bounds, arrivals, headways)
        for one in headways:
            kernels.roll_up(self._parents, one)
        return _Look(rolled_up(arrivals, self._parents), headways)


class WaitTracker:
    """Measures headways of frequent service: excess wait time, how uneven they are, how many are bunched.

    TfL: EWT = Σh²/(2Σh) of the headways observed, minus the same of those scheduled. Coefficient of variation and
    bunching are those of x = h / mean scheduled headway of the entity. Where buses arrive and fewer than ``fewest``
    headways remain, there is nothing to measure.
    """

    def __init__(self, indicator: Indicator, parents: Labels, book: ArrivalBook | None = None) -> None:
        self._aggregation = indicator.aggregation
        self._fewest = indicator.fewest
        self._parents = parents
        self.book = book or ArrivalBook(indicator, parents)
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
                happened = look.headways[kernels.HAPPENED].copy()
                value = _mean_wait(happened) - _mean_wait(look.headways[kernels.PLANNED])
                base = np.full(len(value), np.nan)
            case "headway_variation":
                happened = look.headways[kernels.RELATIVE].copy()
                value = _variation(happened)
                base = np.full(len(value), np.nan)
            case _:
                happened = look.headways[kernels.BUNCHED].copy()
                base = kernels.total(happened["per_hi"], happened["per_lo"])
                value = quotient(kernels.total(happened["hi"], happened["lo"]), base)
        heard = kernels.empty_partials(len(self._parents))
        standing.alive(heard)
        kernels.roll_up(self._parents, heard)
        for name in ("fresh", "reporting", "newest"):
            happened[name] = heard[name]
        few = happened["count"] < self._fewest
        return Measured(np.where(few, np.nan, value), happened, few & (look.arrivals > 0), base)


def _column(batch: Batch, field: str) -> NDArray[Any]:
    return batch.columns[batch.stream.field_by_name[field].columns[0]]


def _mean_wait(partials: NDArray[np.void]) -> Floats:
    squares = kernels.total(partials["hi"], partials["lo"])
    return quotient(squares, 2 * kernels.total(partials["per_hi"], partials["per_lo"]))


def _variation(partials: NDArray[np.void]) -> Floats:
    """Standard deviation over mean: √(n Σx² − (Σx)²) / Σx."""
    squares = kernels.total(partials["hi"], partials["lo"])
    plain = kernels.total(partials["per_hi"], partials["per_lo"])
    return quotient(np.sqrt(np.maximum(partials["count"] * squares - plain * plain, 0.0)), plain)
