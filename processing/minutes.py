"""What was said of the vital signs of a minute, as it is stored: arrays over all areas, version by version. Pure.

version 0   provisional, all areas      at the minute
version 1   final, the areas that changed till then; it settles the others as well
version 2…  final, the areas that late readings changed
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import tzinfo
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from processing.scoring import NO_DEVICES, Values

State = Literal["provisional", "final"]


@dataclass(frozen=True)
class Said:
    """An index in a row of areas; NaN = none. Coverage and freshness as they are stored, in single precision."""

    value: NDArray[np.float64]
    score: NDArray[np.float64]
    base: NDArray[np.float64]
    """denominator of a ratio of sums, see ``Values``"""
    coverage: NDArray[np.float32]
    freshness: NDArray[np.float32]
    reason: NDArray[np.int16]
    """code, see ``scoring.REASONS``"""

    @classmethod
    def of(cls, values: Values, *, has_value: bool) -> Self:
        """From values as they were computed; of a domain and the composite only the score is kept."""
        none = np.full(len(values.score), np.nan)
        return cls(
            value=values.value if has_value else none,
            score=values.score,
            base=values.base if has_value else none,
            coverage=np.round(values.coverage, 6).astype(np.float32),
            freshness=np.round(np.maximum(values.freshness, 0), 3).astype(np.float32),
            reason=values.reason.astype(np.int16),
        )

    @property
    def applies(self) -> NDArray[np.bool_]:
        """Where there are devices, that is where something is said at all."""
        return np.not_equal(self.reason, NO_DEVICES)

    def take(self, labels: NDArray[np.integer]) -> Self:
        """The areas at the given places."""
        return replace(self, **{f.name: getattr(self, f.name)[labels] for f in fields(self)})

    def same(self, other: "Said") -> NDArray[np.bool_]:
        """Where both say the same; an age makes no difference."""
        alike: NDArray[np.bool_] = (self.coverage == other.coverage) & (self.reason == other.reason)
        for mine, theirs in ((self.value, other.value), (self.score, other.score), (self.base, other.base)):
            alike &= (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        return alike


@dataclass(frozen=True)
class Minute:
    """All that is said of a minute."""

    at: int
    """µs since 1970"""
    state: State
    method_version: str
    areas: tuple[str, ...]
    """codes, in the order of the arrays"""
    zone: tzinfo
    """of the city: where its days begin"""
    indices: Mapping[str, Said]
    """composite, domains, indicators; those that no area has devices for are left out"""

    def __len__(self) -> int:
        """Values said, over all indices and areas."""
        return sum(int(said.applies.sum()) for said in self.indices.values())


@dataclass(frozen=True)
class Version:
    """A stored version of an index at a minute."""

    number: int
    state: State
    method_version: str
    said: Said
    labels: NDArray[np.int16] | None = None
    """places of the areas it is about; None = all"""
    revision: NDArray[np.int16] | None = None
    """how often the value was changed before; None = never"""

    def moved(self, places: NDArray[np.int16]) -> "Version":
        """The same for areas in another order: ``places`` holds the new place of each old one, -1 = it is no more."""
        labels = places if self.labels is None else places[self.labels]
        there = np.flatnonzero(labels >= 0)
        revision = None if self.revision is None else self.revision[there]
        return replace(self, said=self.said.take(there), labels=labels[there], revision=revision)


@dataclass
class Known:
    """What all versions of an index at a minute say together; the newest word on an area counts."""

    version: int
    state: State
    said: Said
    revision: NDArray[np.int16]
    method: NDArray[np.object_]
    """method version of each area's value"""

    @classmethod
    def of(cls, first: Version, size: int) -> "Known":
        """From the first version; ``size``: areas of the legend."""
        nothing = Said(
            value=np.full(size, np.nan),
            score=np.full(size, np.nan),
            base=np.full(size, np.nan),
            coverage=np.zeros(size, np.float32),
            freshness=np.full(size, np.nan, np.float32),
            reason=np.full(size, NO_DEVICES, np.int16),
        )
        known = cls(-1, "provisional", nothing, np.zeros(size, np.int16), np.full(size, "", object))
        known.learn(first)
        return known

    def learn(self, version: Version) -> None:
        """Take the next version in."""
        where = slice(None) if version.labels is None else version.labels
        for f in fields(Said):
            getattr(self.said, f.name)[where] = getattr(version.said, f.name)
        self.revision[where] = 0 if version.revision is None else version.revision
        self.method[where] = version.method_version
        self.version = max(self.version, version.number)
        self.state = "final" if "final" in (self.state, version.state) else "provisional"


def next_version(known: Known | None, said: Said, state: State, method_version: str) -> Version | None:
    """What is to be stored when ``said`` is the newest word on an index; None where nothing is new.

    A provisional word is the first on its minute and leaves alone what is there. A final one settles the minute and
    revises the areas on which it says something else.
    """
    if known is None:
        return Version(0, state, method_version, said)
    if state == "provisional":
        return None
    changed = np.flatnonzero(~(said.same(known.said) & (known.method == method_version)))
    changed = changed[said.applies[changed] | known.said.applies[changed]]
    if known.state == "final" and not len(changed):
        return None
    labels = changed.astype(np.int16)
    revision = np.where(known.said.applies[changed], known.revision[changed] + 1, 0).astype(np.int16)
    return Version(known.version + 1, "final", method_version, said.take(changed), labels, revision)
