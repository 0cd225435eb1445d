"""Many short texts, up to 4 GB of them, in little memory: 4 bytes each beside their own, 15 to 25 where they are found
again; a str in a dict takes 150. Pure."""

from abc import abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

_EMPTY = -1
_SMALLEST = 1024
_GROUP = 8
_LONG = 255


class _Placed(Sequence[str]):
    """Texts by place, however they are kept."""

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(f"place is {place}, must be 0 to {len(self) - 1}")
        return self._bytes(place).decode("utf-8", "surrogatepass")

    @abstractmethod
    def _bytes(self, place: int) -> bytes:
        """The text at a place that there is."""


class Texts(_Placed):
    """Texts by place; they are only ever added."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends = array("I")

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        ends = self._ends[:]
        text = bytes(self._text[: ends[-1]]) if ends else b""
        return (text[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise((0, *ends)))

    def append(self, text: str) -> int:
        """Add a text; returns its place."""
        encoded = text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._text) + len(encoded))  # raises OverflowError beyond 4 GB
        self._text += encoded
        return len(self._ends) - 1

    def _bytes(self, place: int) -> bytes:
        return bytes(self._text[self._ends[place - 1] if place else 0 : self._ends[place]])


class Kindred(_Placed):
    """Texts by place, of which neighbours mostly begin alike, as the ids of devices do; they are only ever added.

    They stand in groups, of which the first text is whole; of each other one what it has in common with the one before
    is left out. An id takes some six bytes instead of twenty, and two microseconds to be read.
    """

    def __init__(self) -> None:
        self._parts = bytearray()
        """of each text how much it has in common, how long the rest is, and the rest"""
        self._starts = array("I")
        """of groups"""
        self._count = 0
        self._last = b""

    def __len__(self) -> int:
        return self._count

    def append(self, text: str) -> int:
        """Add a text; returns its place."""
        encoded, common = text.encode("utf-8", "surrogatepass"), 0
        if self._count % _GROUP == 0:
            self._starts.append(len(self._parts))  # raises OverflowError beyond 4 GB
        else:
            common = _in_common(self._last, encoded)
        rest = encoded[common:]
        length = len(rest)
        self._parts += bytes((common, length)) if length < _LONG else bytes((common, _LONG)) + length.to_bytes(4)
        self._parts += rest
        self._last = encoded
        self._count += 1
        return self._count - 1

    def _bytes(self, place: int) -> bytes:
        group, others = divmod(place, _GROUP)
        at, text = self._starts[group], b""
        for _ in range(others + 1):
            at, text = self._read(at, text)
        return text

    def _read(self, at: int, before: bytes) -> tuple[int, bytes]:
        """The text that stands at a place, and where the next one does."""
        common, length = self._parts[at], self._parts[at + 1]
        at += 2
        if length == _LONG:
            length = int.from_bytes(self._parts[at : at + 4])
            at += 4
        return at + length, before[:common] + self._parts[at : at + length]


def _in_common(one: bytes, other: bytes) -> int:
    """How many bytes two texts begin with are the same, as far as a byte can say."""
    most = min(len(one), len(other), _LONG)
    if most == 0:
        return 0
    if one[: most - 1] == other[: most - 1]:  # as it mostly is of numbers that follow one another
        return most if one[:most] == other[:most] else most - 1
    return next(place for place in range(most) if one[place] != other[place])


class Names(Texts):
    """Distinct texts that are found again: open addressing with linear probing, two thirds full at most.

    One thread may add while others look up: a text is in place before the table leads to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._hashes = array("I")
        self._table = array("i", [_EMPTY]) * _SMALLEST

    def find(self, text: str) -> int | None:
        """Place of a text, None if it is not there."""
        hashed, sought, table = _hash(text), None, self._table
        at = hashed & (len(table) - 1)
        while (place := table[at]) != _EMPTY:
            if self._hashes[place] == hashed:
                sought = sought or text.encode("utf-8", "surrogatepass")
                if self._bytes(place) == sought:
                    return place
            at = (at + 1) & (len(table) - 1)
        return None

    def add(self, text: str) -> int:
        """Place of a text, which is added if it is new."""
        known = self.find(text)
        return self.add_new(text) if known is None else known

    def add_new(self, text: str) -> int:
        """Add a text that is known not to be there; returns its place."""
        if 3 * len(self) >= 2 * len(self._table):
            self._widen()
        self._hashes.append(_hash(text))
        place = self.append(text)
        self._enter(self._table, place)
        return place

    def _widen(self) -> None:
        wider = array("i", [_EMPTY]) * (2 * len(self._table))
        for place in range(len(self)):
            self._enter(wider, place)
        self._table = wider

    def _enter(self, table: "array[int]", place: int) -> None:
        at = self._hashes[place] & (len(table) - 1)
        while table[at] != _EMPTY:
            at = (at + 1) & (len(table) - 1)
        table[at] = place


def _hash(text: str) -> int:
    return hash(text) & 0xFFFFFFFF
