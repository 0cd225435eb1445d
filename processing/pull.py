"""Which devices pull an indicator down: the points its score would gain without each of them. Pure.

    pull_i = score((Σv − v_i) / (Σp − p_i)) − score(Σv / Σp)

over the newest readings, or those of the window; of a rate, the events of the device are taken out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch
from processing.method import Goalposts, Indicator
from processing.scoring import score

PULLED = ("latest_mean", "window_mean", "window_rate")
"""aggregations whose devices can be told apart"""


@dataclass(frozen=True)
class Pull:
    """What one device does to a score; ``pull`` in points, positive where the score would rise without it."""

    device: int
    """registry key"""
    value: float
    observed: int
    """µs since 1970, of its newest reading"""
    pull: float


def pulls(
    indicator: Indicator, batches: Sequence[Batch], oldest: Mapping[int, int], goalposts: Goalposts, value: float
) -> list[Pull]:
    """The devices whose readings are in ``batches``, strongest pull first.

    ``oldest``: instant (µs) before which a device's newest reading is stale; ``value``: that of the indicator.
    """
    if indicator.aggregation not in PULLED or not goalposts or not batches:
        return []
    device, time, seq, values, pers = _evaluated(indicator, batches)
    if indicator.aggregation == "latest_mean":
        order = np.lexsort((seq, time, device))
        last = order[np.append(device[order][1:] != device[order][:-1], True)] if len(order) else order
        last = last[time[last] >= np.array([oldest.get(int(key), 0) for key in device[last]], np.int64)]
        keys, newest, sums, bases = device[last], time[last], values[last], pers[last]
        known = np.isfinite(sums) & np.isfinite(bases)
        keys, newest, sums, bases = keys[known], newest[known], sums[known], bases[known]
    else:
        known = np.isfinite(values) & np.isfinite(pers)
        keys, place = np.unique(device[known], return_inverse=True)
        sums = np.bincount(place, values[known], len(keys)).astype(np.float64)
        bases = np.bincount(place, pers[known], len(keys)).astype(np.float64)
        newest = np.full(len(keys), np.iinfo(np.int64).min)
        np.maximum.at(newest, place, time[known])
    without = _without(indicator, sums, bases, value)
    gained = score(without, goalposts) - score(np.array([value]), goalposts)
    order = np.argsort(-np.nan_to_num(gained), kind="stable")
    with np.errstate(divide="ignore", invalid="ignore"):
        own = sums if indicator.aggregation == "window_rate" else sums / bases
    return [
        Pull(int(keys[i]), float(own[i]), int(newest[i]), float(gained[i]))
        for i in order
        if gained[i] == gained[i] and own[i] == own[i]
    ]


def _without(
    indicator: Indicator, sums: NDArray[np.float64], bases: NDArray[np.float64], value: float
) -> NDArray[np.float64]:
    total, base = sums.sum(), bases.sum()
    if indicator.aggregation == "window_rate":
        left: NDArray[np.float64] = value * (total - sums) / total if total else np.full(len(sums), value)
        return left
    rest = base - bases
    mean: NDArray[np.float64] = np.divide(total - sums, rest, out=np.full(len(sums), np.nan), where=rest > 1e-12)
    # a device that stands alone: without it there is no value, so its pull is not told
    return mean


def _evaluated(
    indicator: Indicator, batches: Sequence[Batch]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    parts = []
    for batch in batches:
        values, present = indicator.value.evaluate(batch)
        pers = np.ones(len(batch))
        if indicator.per is not None:
            pers, there = indicator.per.evaluate(batch)
            present = present & there
        parts.append(
            (
                batch.device[present].astype(np.int64),
                batch.time[present],
                batch.seq[present],
                values[present],
                pers[present],
            )
        )
    device, time, seq, value, per = (np.concatenate(column) for column in zip(*parts, strict=True))
    return device, time, seq, value, per
