"""Tell repeats inside one batch apart: the same reading twice, or the same identity with other content. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch

_MIX = np.array([0x1E3779B97F4A7C15, 0x2545F4914F6CDD1D, 0x27D4EB2F165667C5], np.int64)
"""odd factors; products wrap around"""


@dataclass(frozen=True)
class Repeats:
    """Masks over a batch's rows; what neither marks is new."""

    duplicate: NDArray[np.bool_]
    conflict: NDArray[np.bool_]
    first: Mapping[int, int] = field(default_factory=dict)
    """of readings in conflict with one of the same batch: the position of that one"""

    @property
    def new(self) -> NDArray[np.bool_]:
        return ~(self.duplicate | self.conflict)


def find_repeats(batch: Batch) -> Repeats:
    """Compare every row with the first row of the batch that has its identity (device, dateObserved, seq)."""
    duplicate, conflict = np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
    suspects = _perhaps_repeated(batch)
    if not len(suspects):
        return Repeats(duplicate, conflict)
    first = suspects[first_of_identity(batch.take(suspects))]
    repeated = first != suspects
    later, first = suspects[repeated], first[repeated]
    same = _same_content(batch, later, first)
    duplicate[later[same]] = True
    conflict[later[~same]] = True
    return Repeats(duplicate, conflict, dict(zip(later[~same].tolist(), first[~same].tolist(), strict=True)))


def _perhaps_repeated(batch: Batch) -> NDArray[np.intp]:
    """Positions of the rows that share a digest of their identity with another row, in order; few but repeats do.

    Equal identities have equal digests, and one sort of integers is several times as fast as one by three columns.
    """
    digest = batch.time * _MIX[0] + batch.seq * _MIX[1] + batch.device.astype(np.int64) * _MIX[2]
    inorder = np.sort(digest)
    shared = inorder[1:][inorder[1:] == inorder[:-1]]
    return np.flatnonzero(np.isin(digest, shared)) if len(shared) else np.empty(0, np.intp)


def first_of_identity(batch: Batch) -> NDArray[np.intp]:
    """For every row the position of the first row that has its identity; its own where it is the first."""
    count = len(batch)
    order = np.lexsort((batch.seq, batch.time, batch.device))  # stable: equal rows stay in order of arrival
    device, time, seq = batch.device[order], batch.time[order], batch.seq[order]
    repeats = np.zeros(count, np.bool_)
    repeats[1:] = (device[1:] == device[:-1]) & (time[1:] == time[:-1]) & (seq[1:] == seq[:-1])
    leaders = np.maximum.accumulate(np.where(repeats, 0, np.arange(count)))
    first = np.empty(count, np.intp)
    first[order] = order[leaders]
    return first


def _same_content(batch: Batch, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
    same = np.ones(len(one), np.bool_)
    for column in batch.columns.values():
        a, b = column[one], column[other]
        equal = a == b
        if column.dtype.kind == "f":
            equal |= np.isnan(a) & np.isnan(b)
        same &= equal.astype(np.bool_)
    return same
