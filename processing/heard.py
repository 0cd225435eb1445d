"""When each device was last heard saying something, and how many of those that should are fresh, by area.

Kept up to date reading by reading: a tick costs what has changed, not what there is. Anew from the devices only when
one of them moved, retired or changed its equipment or interval.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.expressions import Needs
from processing.roster import Roster
from processing.standing import Instants, Labels, enlarged
from processing.times import Times

Slots = NDArray[np.int32]
_NO_SLOTS = np.empty(0, np.int32)


@dataclass(frozen=True)
class Shift:
    """What the passing of time changed: the slots that became fresh (sign 1) or stale (-1)."""

    slots: Slots
    sign: int
    anew: bool
    """nothing was counted before"""


class Watch:
    """Counts the fresh ones among the devices of a roster that are equipped for something."""

    def __init__(self, roster: Roster, needs: Needs, areas: int) -> None:
        self._roster, self._needs, self._areas = roster, needs, areas
        self._moves = -1
        self._at = int(kernels.FOREVER)
        self._bound: Instants = np.empty(0, np.int64)
        self.counts = kernels.empty_counts(areas)
        """kernels.COUNT[areas], not rolled up; as of the instant advanced to, and everything placed since"""

    def place(self, moves: NDArray[np.void]) -> None:
        """Count readings in: kernels.MOVE[n], given their area here."""
        self._bound = enlarged(self._bound, self._blocks, kernels.FOREVER)
        reach = self._roster.reach(self._needs)
        kernels.place_moves(moves, self._roster.places, reach, self._at, self.counts, self._bound)

    def advance(self, newest: Instants, at: int) -> Shift:
        """Count for another instant (µs), later or earlier; ``newest``: time by slot."""
        roster, reach = self._roster, self._roster.reach(self._needs)
        anew = self._moves != roster.moves
        if anew:
            self._moves, self._at = roster.moves, int(kernels.FOREVER)
            self.counts = kernels.empty_counts(self._areas)
            self._bound = np.full(self._blocks, kernels.FOREVER)
            kernels.newest_of_areas(newest, roster.places, reach, self.counts)
        elif at == self._at:
            return Shift(_NO_SLOTS, 1, anew)
        self._bound = enlarged(self._bound, self._blocks, kernels.FOREVER)
        slots = np.empty(len(newest), np.int32)
        count = kernels.sweep(newest, roster.places, reach, self._at, at, self._bound, slots)
        shift = Shift(slots[:count], 1 if at < self._at else -1, anew)
        kernels.shift_counts(shift.slots, shift.sign, newest, roster.places, self.counts)
        self._at = at
        return shift

    def areas_of_fresh(self, newest: Instants, at: int) -> Labels:
        """Area label of each device that is fresh at ``at`` and expected, -1 for the others."""
        area = np.empty(len(self._roster), np.int32)
        kernels.fresh_areas(newest, self._roster.places, self._roster.reach(self._needs), at, area)
        return area

    @property
    def _blocks(self) -> int:
        return -(-self._roster.capacity // kernels.BLOCK)


class Watched:
    """Whose newest times are looked at; who looks for the same ``needs`` shares the counting."""

    def __init__(self, areas: int) -> None:
        self._areas = areas
        self._watches: dict[Needs, Watch] = {}

    def watch(self, roster: Roster, needs: Needs) -> Watch:
        """Those of the roster's devices that are equipped for something."""
        if needs not in self._watches:
            self._watches[needs] = Watch(roster, needs, self._areas)
        return self._watches[needs]

    def _place(self, moves: NDArray[np.void]) -> NDArray[np.void]:
        for watch in self._watches.values():
            watch.place(moves)
        return moves


class Heard(Watched):
    """Newest time by slot."""

    def __init__(self, areas: int) -> None:
        super().__init__(areas)
        self.newest: Instants = np.empty(0, np.int64)
        """µs since 1970, kernels.NEVER before the first"""

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self.newest = enlarged(self.newest, size, kernels.NEVER)

    def fold(self, slot: Labels, time: Instants) -> None:
        """Take readings in, in any order; slot -1 = skip."""
        moves = np.empty(len(slot), kernels.MOVE)
        self._place(moves[: kernels.fold_heard(slot, time, self.newest, moves)])


class Newest(Watched):
    """Newest reading by slot: of two of one time the one with the higher seq, of equal ones that which came last."""

    def __init__(self, areas: int) -> None:
        super().__init__(areas)
        self.times = Times(self)
        """shared with others that were given the same readings so far"""

    @property
    def newest(self) -> Instants:
        """µs since 1970 by slot, kernels.NEVER before the first."""
        return self.times.newest

    def grow(self, size: int) -> None:
        """Make room for ``size`` slots."""
        self.times.grow(size)

    def take(self, slot: Labels, time: Instants, seq: Instants) -> NDArray[np.void]:
        """Take readings in, in any order; returns what moved, kernels.MOVE[n]."""
        return self._place(self.times.take(self, slot, time, seq))

    def again(self, slots: Slots) -> NDArray[np.void]:
        """Let what comes of the newest readings of some slots take its own place, kernels.MOVE[n]."""
        return self._place(self.times.again(slots))
