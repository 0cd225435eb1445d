"""What is usual in every area at an instant: baselines of local days, as they were fixed for the day. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from devices.units import EPOCH
from processing.baselines import HOURS_OF_DAY
from processing.standing import Measured

Floats = NDArray[np.float64]


class Usual:
    """Baselines of some indices, day by day. Days are only ever added, by whichever thread has read them."""

    def __init__(self, areas: Sequence[str], zone: tzinfo = UTC) -> None:
        """``areas``: codes in label order; ``zone``: the city's, in which days and hours are counted."""
        self.areas = tuple(areas)
        self.zone = zone
        self._nothing = np.full(len(areas), np.nan)
        self._days: Mapping[tuple[str, date], Floats] = {}

    def add(self, index: str, day: date, median: Floats) -> None:
        """Take in a day's baseline, [24, areas]; NaN = none."""
        if median.shape != (HOURS_OF_DAY, len(self.areas)):
            raise ValueError(f"median has shape {median.shape}, must be ({HOURS_OF_DAY}, {len(self.areas)})")
        self._days = {**self._days, (index, day): median}  # whoever reads meanwhile sees the one or the other

    def knows(self, index: str, day: date) -> bool:
        """Whether the day's baseline was taken in."""
        return (index, day) in self._days

    def at(self, index: str, micros: int) -> Floats:
        """The baseline of every area at an instant (µs since 1970); NaN = none."""
        local = self.local(micros)
        known = self._days.get((index, local.date()))
        return self._nothing if known is None else known[local.hour]

    def local(self, micros: int) -> datetime:
        """The instant in the city's time."""
        return (EPOCH + timedelta(microseconds=micros)).astimezone(self.zone)

    def days(self, first: int, last: int) -> list[date]:
        """The local days that hold an instant from ``first`` to ``last`` (µs)."""
        start, end = self.local(first).date(), self.local(last).date()
        return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def deviation(measured: Measured, usual: Floats) -> Measured:
    """What was measured as a share above (or below) what is usual: (value − usual) / usual.

    NaN, and lacking, where nothing is known to be usual or that is not above 0.
    """
    lacking = ~(usual > 0)
    share = np.divide(measured.value - usual, usual, out=np.full(len(usual), np.nan), where=~lacking)
    return replace(measured, value=share, base=np.full(len(usual), np.nan), lacking=lacking)
