"""How the registry differed in the past from what it is now. Pure; ``device_store`` reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Former:
    """What a device was till before an instant."""

    key: int
    until: int
    """µs since 1970"""
    area: str
    attributes: Mapping[str, Any]
    """those that vital signs depend on"""


class Instants:
    """Instants (µs since 1970) by key, in 12 bytes each: a whole city may have been registered lately."""

    def __init__(self, keys: NDArray[np.int32], instants: NDArray[np.int64]) -> None:
        """``keys``: each once, in order; ``instants``: of the same length."""
        self._keys, self._instants = keys, instants

    @classmethod
    def of(cls, known: Mapping[int, int]) -> "Instants":
        """The instants of a few keys."""
        keys = sorted(known)
        return cls(np.array(keys, np.int32), np.array([known[key] for key in keys], np.int64))

    def __len__(self) -> int:
        return len(self._keys)

    def at(self, keys: NDArray[np.int32]) -> NDArray[np.int64]:
        """The instant of each key, 0 where it has none."""
        if not len(self):
            return np.zeros(len(keys), np.int64)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self) - 1)
        return np.where(self._keys[place] == keys, self._instants[place], 0)

    def get(self, key: int) -> int:
        """The instant of a key, 0 where it has none."""
        return int(self.at(np.array([key], np.int32))[0])


@dataclass(frozen=True)
class RegistryPast:
    """How the registry differed after an instant from what it is now."""

    registered: Instants
    """the devices, by key, that were registered after the instant, and when (µs since 1970)"""
    former: Sequence[Former]
    """in the order of time"""
