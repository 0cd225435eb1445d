"""The system's own health by area: who is heard, how fresh, how much is refused, how much comes late."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.refusals import is_refusal
from processing import kernels
from processing.kernels.ages import sum_ages
from processing.lateness import late
from processing.method import Indicator, pane_of
from processing.standing import Labels, Measured, Rows, Standing, quotient, ratio


class SensingTracker:
    """Measures all devices of some kinds together, whatever they are equipped with."""

    def __init__(self, indicator: Indicator, parents: Labels) -> None:
        self._aggregation = indicator.aggregation
        self._parents = parents
        self._pane = pane_of(indicator) * 1_000_000
        panes = indicator.window * 1_000_000 // self._pane
        self._pane_of = np.full(panes, -1, np.int64)
        self._panes = np.zeros((panes, len(parents)), kernels.CODES)

    def grow(self, size: int) -> None:
        """Nothing is kept by device."""

    def fold(self, rows: Rows) -> None:
        """Take readings, or refusals, in, in any order."""
        batch, refusal = rows.batch, is_refusal(rows.batch.stream)
        if self._aggregation == "reject_share":
            counted = np.full(len(batch), float(refusal))
        elif self._aggregation == "late_share" and not refusal:
            counted = late(batch).astype(np.float64)
        else:
            return
        kernels.fold_codes(rows.area, batch.time, self._pane, counted, self._pane_of, self._panes)

    def measure_kinds(self, at: int, standings: Sequence[Standing]) -> Measured:
        """Measure at ``at``; ``standings``: of each kind."""
        partials = kernels.empty_partials(len(self._parents))
        last = at // self._pane
        if self._aggregation in ("reject_share", "late_share"):
            kernels.reduce_codes(last - len(self._pane_of) + 1, last, self._pane_of, self._panes, partials)
        if self._aggregation == "mean_age":
            for standing in standings:
                sum_ages(standing.counts(), at, partials)
        kernels.roll_up(self._parents, partials)
        for name, counts in self._alive(standings).items():
            partials[name] = counts
        if self._aggregation == "devices_heard":
            base = self._expected(standings)
            value = quotient(partials["fresh"].astype(np.float64), base)
        else:
            value, base = ratio(partials)
        return Measured(value, partials, np.zeros(len(value), np.bool_), base)

    def _alive(self, standings: Sequence[Standing]) -> dict[str, NDArray[np.int64]]:
        """Devices heard lately and newest time of every area, over all kinds."""
        heard = kernels.empty_partials(len(self._parents))
        for standing in standings:
            one = kernels.empty_partials(len(self._parents))
            standing.alive(one)
            kernels.roll_up(self._parents, one)
            heard["fresh"] += one["fresh"]
            heard["newest"] = np.maximum(heard["newest"], one["newest"])
        return {"fresh": heard["fresh"], "reporting": heard["fresh"], "newest": heard["newest"]}

    def _expected(self, standings: Sequence[Standing]) -> NDArray[np.float64]:
        counts = sum(standing.roster.expected((), self._parents) for standing in standings)
        return np.asarray(counts, np.float64)
