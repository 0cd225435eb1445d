"""A ring of points of every device, in as little memory as its panes and numbers need."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.decimals import POWERS, whole
from processing.standing import Floats, Instants, Labels, enlarged

_LARGEST = 2**31 - 1


class PointRing:
    """The last point of each pane by slot, as ``kernels.fold_points`` keeps them.

    The numbers take 4 bytes while all of them are decimals of few digits, such as 121.47372 and 9031.25, and 8 from
    the first that is not. A pane takes memory once it is used.
    """

    def __init__(self, panes: int, values: int) -> None:
        self._newest: Labels = np.empty(0, np.int32)
        self._offset: NDArray[np.uint32] = np.zeros((panes, 0), np.uint32)
        self._points: NDArray[Any] = np.zeros((panes, 0, values), np.int32)
        self._power: Floats = np.ones(values)

    @property
    def arrays(self) -> tuple[Labels, NDArray[np.uint32], NDArray[Any], Floats]:
        """What kernels call a RING."""
        return self._newest, self._offset, self._points, self._power

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        if size > len(self._newest):
            self._newest = enlarged(self._newest, size, -1)
            self._offset = _wider(self._offset, size)
            self._points = _wider(self._points, size)

    def fold(self, slot: Labels, time: Instants, points: Floats, length: int) -> None:
        """Take points in, in any order; slot -1 = skip, and so does one whose first value is missing.

        points: float64[n, values]; length: µs of a pane.
        """
        known = (slot >= 0) & ~np.isnan(points[:, 0])
        if not known.all():
            slot, time, points = slot[known], time[known], points[known]
        if len(slot):
            kernels.fold_points(slot, time, self._fitted(points), length, self.arrays)

    def _fitted(self, points: Floats) -> NDArray[Any]:
        """Points as they are kept; what is kept already is rewritten where these need more digits."""
        if self._points.dtype == np.float64:
            return points
        fitted = np.empty(points.shape, np.int32)
        for v in range(points.shape[1]):
            column = np.ascontiguousarray(points[:, v])
            for power in (power for power in POWERS if power >= self._power[v]):
                integers = whole(column, power)
                if integers is not None and self._raise_power(v, power):
                    fitted[:, v] = integers
                    break
            else:
                self._widen()
                return points
        return fitted

    def _widen(self) -> None:
        wide = np.zeros(self._points.shape)
        for pane in self._used():
            wide[pane] = self._points[pane] / self._power
        self._points, self._power = wide, np.ones(len(self._power))

    def _raise_power(self, v: int, power: float) -> bool:
        """Keep one of the values in smaller steps; False if they do not fit."""
        by = int(power / self._power[v])
        if by > 1:
            kept = [self._points[pane, :, v] for pane in self._used()]
            if any(max(int(one.max(initial=0)), -int(one.min(initial=0))) * by > _LARGEST for one in kept):
                return False
            for one in kept:
                one *= by
            self._power[v] = power
        return True

    def _used(self) -> list[int]:
        """Panes with a point; what is written to the others would take memory."""
        return [pane for pane, offsets in enumerate(self._offset) if offsets.any()]


def _wider(array: NDArray[Any], size: int) -> NDArray[Any]:
    """The same along the second axis; rows that were not used take no memory either."""
    larger = np.zeros((len(array), size, *array.shape[2:]), array.dtype)
    for row, known in zip(larger, array, strict=True):
        if known.any():
            row[: len(known)] = known
    return larger
