"""When the newest reading of every device was, kept once for all who find the same readings to say something.

Most devices send all their fields in every reading: what looks at one field of a stream then sees the same newest
readings as what looks at another, and they share the times.

    all ── batch says the same to all ──▶ all
     └──── it says something else to one ──▶ that one goes on by itself, from the times before the batch
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.standing import Instants, Labels, enlarged

_NARROW = np.iinfo(np.int32)


class Holder(Protocol):
    """Whoever looks at the times."""

    times: "Times"


@dataclass
class _Taken:
    """A batch that some holders have taken already."""

    time: Instants
    """of its readings; says which batch it is"""
    slot: Labels
    moves: NDArray[np.void]
    order: NDArray[np.integer]
    """seq of the slot's newest reading before the batch, by row"""
    waiting: list[Holder]
    parted: list[tuple[Labels, "Times", NDArray[np.void]]] = field(default_factory=list)
    """for those to whom it says something else"""


class Times:
    """Newest time (µs, kernels.NEVER before the first) and seq by slot.

    All holders must be given the readings of the same batches.
    """

    def __init__(self, holder: Holder) -> None:
        self.newest: Instants = np.empty(0, np.int64)
        self._order: NDArray[np.int32] | NDArray[np.int64] = np.empty(0, np.int32)
        self._holders = [holder]
        self._taken: _Taken | None = None

    def join(self, holder: Holder) -> None:
        """Share the times with another holder, who may not have been given any reading yet, nor those here."""
        if holder not in self._holders:
            self._holders.append(holder)
        holder.times = self

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self.newest = enlarged(self.newest, size, kernels.NEVER)
        self._order = enlarged(self._order, size, 0)

    def take(self, holder: Holder, slot: Labels, time: Instants, seq: Instants) -> NDArray[np.void]:
        """Take readings in for a holder, in any order; returns what moved, kernels.MOVE[n], for it alone.

        It may have times of its own afterwards.
        """
        if len(self._holders) == 1:
            return self._fold(slot, time, seq)
        taken = self._taken
        if taken is None or taken.time is not time or holder not in taken.waiting:
            return self._begin(holder, slot, time, seq)
        taken.waiting.remove(holder)
        if not taken.waiting:
            self._taken = None
        if np.array_equal(slot, taken.slot):
            return _copy(taken.moves)
        self._holders.remove(holder)
        for other_slot, other, moves in taken.parted:
            if np.array_equal(slot, other_slot):
                other.join(holder)
                return _copy(moves)
        holder.times = self._before(taken, holder)
        moves = holder.times._fold(slot, time, seq)
        taken.parted.append((slot, holder.times, moves))
        return _copy(moves)

    def again(self, slots: Labels) -> NDArray[np.void]:
        """The newest readings of some slots once more, kernels.MOVE[n]."""
        moves = np.empty(len(slots), kernels.MOVE)
        seq = self._order[slots].astype(np.int64)
        return moves[: kernels.fold_newest(slots, self.newest[slots], seq, self.newest, self._order, moves)]

    def _begin(self, holder: Holder, slot: Labels, time: Instants, seq: Instants) -> NDArray[np.void]:
        """The first holder takes a batch."""
        if self._taken is not None:  # who has not taken the batch before never will
            for left in self._taken.waiting:
                self._holders.remove(left)
                left.times = self._before(self._taken, left)
            self._taken = None
            if holder.times is not self:
                return holder.times.take(holder, slot, time, seq)
        order = self._order[slot]
        moves = self._fold(slot, time, seq)
        self._taken = _Taken(time, slot, moves, order, [other for other in self._holders if other is not holder])
        return _copy(moves)

    def _before(self, taken: _Taken, holder: Holder) -> "Times":
        """The times before a batch that was folded last."""
        times = Times(holder)
        times.newest, times._order = self.newest.copy(), self._order.copy()
        last_first = taken.moves[::-1]  # of several moves of a slot the first one's word is the last
        times.newest[last_first["slot"]] = last_first["before"]
        times._order[last_first["slot"]] = taken.order[last_first["row"]]
        return times

    def _fold(self, slot: Labels, time: Instants, seq: Instants) -> NDArray[np.void]:
        if self._order.dtype == np.int32 and len(seq) and not _NARROW.min <= seq.min() <= seq.max() <= _NARROW.max:
            self._order = self._order.astype(np.int64)  # most count from 0: half the memory will do
        moves = np.empty(len(slot), kernels.MOVE)
        return moves[: kernels.fold_newest(slot, time, seq, self.newest, self._order, moves)]


def _copy(moves: NDArray[np.void]) -> NDArray[np.void]:
    """Copied as bytes: numpy copies records with gaps field by field, which takes twenty times as long."""
    return moves.view(np.uint8).copy().view(kernels.MOVE)
