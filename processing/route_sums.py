"""What the transit indicators of a route are put together from: sums of its stops, and what is left without one. Pure.

Labels make a tree like that of the areas: 0 is everything, then come the routes, then the stops of each route. The
formulas are those of the areas' indicators (``waits``, ``panes``, ``sequences``), so the same arrivals give the same
bits.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from processing import kernels
from processing.method import HEADWAYS, Indicator
from processing.scoring import score
from processing.standing import Floats, Labels, few, quotient

WHOLE = 0
"""label of all routes together"""


@dataclass(frozen=True)
class Tree:
    """The labels."""

    routes: tuple[str, ...]
    """route_id by label − 1"""
    stops: tuple[tuple[int, str], ...]
    """label of the route and stop_id, by label − 1 − len(routes)"""

    @cached_property
    def parents(self) -> Labels:
        """Label of each label's parent, lower than its own; -1 at the top."""
        return np.array([-1, *[WHOLE] * len(self.routes), *(route for route, _ in self.stops)], np.int32)

    def __len__(self) -> int:
        return 1 + len(self.routes) + len(self.stops)

    @property
    def first_stop(self) -> int:
        """The lowest label of a stop."""
        return 1 + len(self.routes)


@dataclass(frozen=True)
class Sums:
    """Sums by label, as kernels give them: what is measured, and what it is related to."""

    count: NDArray[np.int64]
    value: Floats
    per: Floats
    planned_value: Floats
    """of the scheduled headways; 0 for all but the excess wait"""
    planned_per: Floats

    @classmethod
    def of(cls, partials: NDArray[np.void], planned: NDArray[np.void] | None = None) -> "Sums":
        """From PARTIAL[labels], rolled up."""
        nothing = np.zeros(len(partials))
        return cls(
            partials["count"].copy(),
            kernels.total(partials["hi"], partials["lo"]),
            kernels.total(partials["per_hi"], partials["per_lo"]),
            nothing if planned is None else kernels.total(planned["hi"], planned["lo"]),
            nothing if planned is None else kernels.total(planned["per_hi"], planned["per_lo"]),
        )

    def take(self, index: Labels) -> "Sums":
        """Those of some labels."""
        return replace(self, **{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def without(self, other: "Sums") -> "Sums":
        """What is left when a part is taken out."""
        return Sums(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))


def value_of(indicator: Indicator, sums: Sums) -> Floats:
    """The indicator by label; NaN where nothing, or fewer than ``fewest``, was measured."""
    match indicator.aggregation:
        case "excess_wait":
            value = quotient(sums.value, 2 * sums.per) - quotient(sums.planned_value, 2 * sums.planned_per)
        case "headway_variation":
            spread = np.sqrt(np.maximum(sums.count * sums.value - sums.per * sums.per, 0.0))
            value = quotient(spread, sums.per)
        case _:
            value = quotient(sums.value, sums.per)
    return np.where(too_few(indicator, sums), np.nan, value)


def too_few(indicator: Indicator, sums: Sums) -> NDArray[np.bool_]:
    """Where too little was measured; of headways also where none was."""
    if indicator.aggregation in HEADWAYS:
        return np.less(sums.count, indicator.fewest)
    return few(sums.count, indicator.fewest)


def pulls(indicator: Indicator, tree: Tree, sums: Sums) -> Floats:
    """Points that the score of each label's parent would gain without it; NaN where one of the two has no score."""
    parents = tree.parents
    whole = sums.take(np.maximum(parents, WHOLE))
    rest = whole.without(sums)
    rest = replace(rest, per=np.where(rest.count > 0, rest.per, 0.0))  # what rounding leaves is nothing
    posts = indicator.goalposts
    gained: Floats = score(value_of(indicator, rest), posts) - score(value_of(indicator, whole), posts)
    gained[WHOLE] = np.nan
    return gained
