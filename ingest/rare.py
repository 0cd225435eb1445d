"""Numbers by place, of which those at the end mostly say nothing and then take no room. Pure."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any


class Rare:
    """A column of numbers that is without end: beyond the last number that says something all say nothing."""

    def __init__(self, typecode: str, nothing: float) -> None:
        """``typecode``: as of ``array``; ``nothing``: the number that says nothing, which may be NaN."""
        self.said: array[Any] = array(typecode)
        """the numbers up to the last that ever said something"""
        self._nothing = nothing

    def __getitem__(self, place: int) -> Any:
        return self.said[place] if place < len(self.said) else self._nothing

    def __iter__(self) -> Iterator[Any]:
        return chain(self.said, repeat(self._nothing))

    def put(self, first: int, values: Sequence[float | None]) -> None:
        """Set the numbers from a place on; None says nothing."""
        end = next((end for end in range(len(values), 0, -1) if values[end - 1] is not None), 0)
        room = len(self.said)
        if first < room or end:
            values = values[: max(end, room - first)]
            self.said.extend(repeat(self._nothing, first - room))
            more: array[Any] = array(
                self.said.typecode, [self._nothing if value is None else value for value in values]
            )
            self.said[first : first + len(more)] = more
