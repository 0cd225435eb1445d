"""Arrivals of a window in the order of their entities, each kept once and in few bytes. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.kernels.headways import Arrivals
from processing.standing import Instants, Labels

_FEW = 1_000
_MILLISECOND = 1_000
_LARGEST = 2**31 - 1
_INSTANTS = (0, 2, 3)
"""columns of kernels' ARRIVALS that hold times"""


class ArrivalStore:
    """Arrivals in memory that is used again.

    A city has hundreds of thousands in an hour and a few new ones a second: those are merged in, never sorted again,
    and what is old makes room where it stands. One takes 24 bytes while all times are whole milliseconds at most 24
    days from each other, else 36.
    """

    def __init__(self) -> None:
        self._room = _columns(0, np.int64)
        self._count = 0
        self.base, self.unit = 0, 1
        """µs: times are kept as steps of ``unit`` from ``base``"""
        self._narrow_from = int(kernels.NEVER)
        """µs: while times take 8 bytes, when those that need them may have been forgotten"""

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of memory, room to spare included."""
        return sum(column.nbytes for column in self._room)

    def add(self, time: Instants, entity: Instants, scheduled: Instants, observed: Instants, area: Labels) -> None:
        """Take arrivals in, in any order; times in µs."""
        order = np.lexsort((area, scheduled, entity))
        more = tuple(column[order] for column in (time, entity, scheduled, observed, area))
        if self.unit > 1:
            fitted = _narrow(more, self.base)
            if fitted is None:
                self._widen()
            else:
                more = fitted
        count = self._count + len(order)
        if count > len(self._room[0]):
            self._resize(count + count // 16)
        kernels.merge_in(tuple(self._room), self._count, more)
        self._count = count

    def forget(self, start: int) -> None:
        """Leave out those at or before ``start`` (µs)."""
        self._count = kernels.keep_since(tuple(self._room), self._count, self._steps(start))
        if self.unit == 1 and start >= self._narrow_from and self._count:
            self._make_narrow(start // _MILLISECOND * _MILLISECOND)
        if len(self._room[0]) > _FEW and self._count < len(self._room[0]) // 2:
            self._resize(self._count + self._count // 16)

    def until(self, end: int) -> Arrivals:
        """Those at or before ``end`` (µs); true until the next change."""
        held = tuple(column[: self._count] for column in self._room)
        last = self._steps(end)
        if not self._count or int(held[0].max()) <= last:
            return held
        return tuple(column[held[0] <= last] for column in held)

    def _steps(self, instant: int) -> int:
        """The last step at or before an instant."""
        return (instant - self.base) // self.unit

    def _make_narrow(self, base: int) -> None:
        narrow = _narrow(tuple(column[: self._count] for column in self._room), base)
        if narrow is None:
            self._narrow_from = int(self._room[0][: self._count].max())
        else:
            self._room, self.base, self.unit = list(narrow), base, _MILLISECOND

    def _widen(self) -> None:
        for place in _INSTANTS:
            self._room[place] = self._room[place].astype(np.int64) * self.unit + self.base
        self.base, self.unit, self._narrow_from = 0, 1, int(kernels.NEVER)

    def _resize(self, size: int) -> None:
        room = _columns(size, self._room[0].dtype)
        for place, column in enumerate(room):  # one after the other, so that little is held twice
            column[: self._count] = self._room[place][: self._count]
            self._room[place] = column


def _columns(size: int, times: Any) -> list[NDArray[Any]]:
    return [np.empty(size, kind) for kind in (times, np.int64, times, times, np.int32)]


def _narrow(columns: Arrivals, base: int) -> Arrivals | None:
    """ARRIVALS with times in milliseconds from ``base`` (µs), 4 bytes each; None where that would change one."""
    fitted: list[NDArray[Any]] = list(columns)
    for place in _INSTANTS:
        steps = (columns[place] - base) // _MILLISECOND
        if (np.abs(steps) > _LARGEST).any() or (steps * _MILLISECOND + base != columns[place]).any():
            return None
        fitted[place] = steps.astype(np.int32)
    return tuple(fitted)
