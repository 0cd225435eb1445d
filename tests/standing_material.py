"""Devices as trackers are told about them: where each slot stands, how long its readings count, when it was heard."""

from collections.abc import Sequence

import numpy as np
from processing_material import AREAS, NOW, PARENTS, device

from devices.kinds import kinds
from ingest.registry import Devices
from processing.heard import Heard
from processing.roster import Roster
from processing.standing import Standing


def standing(
    area: Sequence[int], at: int = NOW, stale: float = 180, seen: int | Sequence[int] | None = None
) -> Standing:
    """``area``: label of each slot; ``stale``: seconds; ``seen``: µs, of all slots or of each, ``at`` unless given."""
    roster = Roster(kinds()["garbage_hut"], {code: label for label, code in enumerate(AREAS)})
    huts = (device(1 + n, "garbage_hut", label, reportingInterval=stale / 3) for n, label in enumerate(area))
    roster.update(roster.place(Devices.of(huts)))
    heard = Heard(len(PARENTS))
    heard.grow(roster.capacity)
    slots = np.arange(len(area), dtype=np.int32)
    heard.fold(slots, np.broadcast_to(np.array(at if seen is None else seen, np.int64), len(area)).copy())
    return Standing(roster, (), heard, at)
