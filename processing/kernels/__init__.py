"""Compiled loops over readings and devices; numpy arrays in, numpy arrays out.

Rules for all of them: 1-D contiguous arrays of equal length, a label < 0 skips its row, the array written to comes
last. Times are int64 microseconds since 1970. ``exact`` says how sums are kept.
"""

import hashlib
import os
from pathlib import Path

from numba import config


def _name_cache() -> None:
    """Keep compiled code in a folder named after ``exact``.

    numba compiles a function anew when its own file changes, not when one that it calls from another file does.
    """
    here = Path(__file__).parent
    digest = hashlib.blake2b((here / "exact.py").read_bytes(), digest_size=6).hexdigest()
    base = Path(getattr(config, "CACHE_DIR", "") or here / "__pycache__")
    if os.access(base if base.exists() else base.parent, os.W_OK) and not base.name.startswith("exact-"):
        config.CACHE_DIR = str(base / f"exact-{digest}")  # type: ignore[attr-defined]


_name_cache()

from processing.kernels.exact import (  # noqa: E402 - the cache has its name before the first function is made
    LARGEST,
    NEVER,
    NOT_APPLICABLE,
    ONE,
    PARTIAL,
    empty_partials,
    total,
)
from processing.kernels.headways import (  # noqa: E402
    BUNCHED,
    HAPPENED,
    PLANNED,
    RELATIVE,
    headways,
    keep_since,
    mark_frequent,
    mean_headways,
    merge_in,
    relative_headways,
    sort_by_time,
    sum_headways,
)
from processing.kernels.latest import (  # noqa: E402
    LATEST,
    fold_latest,
    fold_seen,
    lowest_ranks,
    reduce_latest,
    reduce_seen,
    roll_up_lowest,
)
from processing.kernels.newest import (  # noqa: E402
    BLOCK,
    COUNT,
    FOREVER,
    MOVE,
    PLACE,
    UNKNOWN,
    empty_counts,
    fold_heard,
    fold_newest,
    fresh_areas,
    move_codes,
    move_values,
    newest_of_areas,
    number_slots,
    place_moves,
    shift_codes,
    shift_counts,
    shift_values,
    sweep,
)
from processing.kernels.panes import (  # noqa: E402
    CODES,
    FEW,
    SUMS,
    areas_of,
    fold_codes,
    fold_panes,
    reduce_codes,
    reduce_panes,
)
from processing.kernels.points import fill_slopes, fold_points, register_rates, risen, ways  # noqa: E402
from processing.kernels.rollups import ratios, roll_up, roll_up_counts  # noqa: E402
from processing.kernels.states import HIGH, LOW, SPELLS, STATES_PER_BYTE, fold_states, spells  # noqa: E402
from processing.kernels.texts import number_labels  # noqa: E402

__all__ = [
    "BLOCK",
    "BUNCHED",
    "CODES",
    "COUNT",
    "FEW",
    "FOREVER",
    "HAPPENED",
    "HIGH",
    "LARGEST",
    "LATEST",
    "LOW",
    "MOVE",
    "NEVER",
    "NOT_APPLICABLE",
    "ONE",
    "PARTIAL",
    "PLACE",
    "PLANNED",
    "RELATIVE",
    "SPELLS",
    "STATES_PER_BYTE",
    "SUMS",
    "UNKNOWN",
    "areas_of",
    "empty_counts",
    "empty_partials",
    "fill_slopes",
    "fold_codes",
    "fold_heard",
    "fold_latest",
    "fold_newest",
    "fold_panes",
    "fold_points",
    "fold_seen",
    "fold_states",
    "fresh_areas",
    "headways",
    "keep_since",
    "lowest_ranks",
    "mark_frequent",
    "mean_headways",
    "merge_in",
    "move_codes",
    "move_values",
    "newest_of_areas",
    "number_labels",
    "number_slots",
    "place_moves",
    "ratios",
    "reduce_codes",
    "reduce_latest",
    "reduce_panes",
    "reduce_seen",
    "register_rates",
    "relative_headways",
    "risen",
    "roll_up",
    "roll_up_counts",
    "roll_up_lowest",
    "shift_codes",
    "shift_counts",
    "shift_values",
    "sort_by_time",
    "spells",
    "sum_headways",
    "sweep",
    "total",
    "ways",
]
