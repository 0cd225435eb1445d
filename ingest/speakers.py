"""Who speaks on a topic, and for which devices; what was found out is remembered while the registry stays as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from devices.contract import Flaw, shown
from devices.topics import Address, Topics, device_flaw
from ingest import kernels
from ingest.registry import Device, Registry

_CACHED_TOPICS = 200_000
_LONGEST_CACHED_TOPIC = 256
_MOST_NAMED = 10_000
_MOST_SPOKEN = 1_000_000
"""names that are remembered for the scanner; some 25 bytes each, and the name"""
_FEW_SPOKEN = 1024
_USUAL_NAME = 32


@dataclass(slots=True)
class Speaker:
    """A topic, and the devices that were found to be spoken for on it."""

    number: int
    """no other topic has it"""
    address: Address | Flaw | None
    counts: bool
    """whether a message here ends in the ledger, well or badly addressed; births, statuses and commands do not"""
    own: int = -1
    """key of the topic's own device, -1 until it was found"""
    named: dict[str | None, int] | None = None
    """keys by what a reading gives as its device, for payloads that are not scanned; None = nothing"""

    def remember(self, *, alone: bool, named: str | None, key: int) -> None:
        """A device that may be spoken for here; ``alone``: by a message that is no pack."""
        if alone:
            if named is None:
                self.own = key
            return
        if self.named is None or len(self.named) >= _MOST_NAMED:
            self.named = {}
        self.named[named] = key


class Speakers:
    """The topics that were met, in bounded memory."""

    def __init__(self, topics: Topics) -> None:
        self.spoken = SpokenNames()
        self._topics = topics
        self._known: dict[str, Speaker] = {}
        self._numbers: Iterator[int] = count()
        self._registered = (0, -1)

    def of(self, topic: str) -> Speaker:
        """Another thread may ask meanwhile."""
        return self._known.get(topic) or self._meet(topic)

    def _meet(self, topic: str) -> Speaker:
        address = self._topics.read(topic)
        counts = isinstance(address, Flaw) or (address is not None and address.stream is not None)
        speaker = Speaker(next(self._numbers), address, counts)
        if len(self._known) >= _CACHED_TOPICS:
            self._known.clear()
        if len(topic) <= _LONGEST_CACHED_TOPIC:
            self._known[topic] = speaker
        return speaker

    def follow(self, registry: Registry) -> None:
        """Forget whom topics speak for, if that may have changed."""
        registered = id(registry), registry.changes
        if registered != self._registered:
            self._registered = registered
            self.spoken.clear()
            for speaker in list(self._known.values()):
                speaker.own, speaker.named = -1, None


class SpokenNames:
    """Which device each speaker means by a name, as the scanner looks it up."""

    def __init__(self) -> None:
        self._count, self._used, self.table = 0, 0, _nobody()

    def clear(self) -> None:
        if self._count:
            self._count, self._used, self.table = 0, 0, _nobody()

    def add(self, found: list[tuple[int, bytes, int]]) -> None:
        """Add (number of the speaker, name, key), none of which is there."""
        if not found:
            return
        if self._count + len(found) > _MOST_SPOKEN:
            self.clear()
        numbers, names, keys = zip(*found, strict=True)
        speaker, text = np.array(numbers, np.int64), np.frombuffer(b"".join(names), np.uint8)
        self._make_room(len(found), len(text))
        table, first, last = self.table, self._count, self._count + len(found)
        table.names[self._used : self._used + len(text)] = text
        table.entries[first:last, kernels.OWNER_LOW] = speaker & ((1 << kernels.LOW_BITS) - 1)
        table.entries[first:last, kernels.OWNER_HIGH] = speaker >> kernels.LOW_BITS
        table.entries[first:last, kernels.DEVICE_KEY] = keys
        table.entries[first + 1 : last + 1, kernels.NAME_START] = self._used + np.cumsum([*map(len, names)])
        self._count, self._used = last, self._used + len(text)
        kernels.enter(first, last, table)

    def _make_room(self, entries: int, size: int) -> None:
        """By an eighth at least, so that growth stays cheap, and little is held in vain."""
        table, count, used = self.table, self._count, self._used
        room = len(table.entries) - 1
        if used + size > len(table.names):
            names = np.empty(max(used + size, len(table.names) * 9 // 8), np.uint8)
            names[:used] = table.names[:used]
            table = table._replace(names=names)
        if count + entries > room:
            wider = _entries(max(count + entries, room * 9 // 8))
            wider[: count + 1] = table.entries[: count + 1]
            table = table._replace(entries=wider)
            slots = _slots_for(len(wider) - 1)
            if slots > len(table.slots):
                table = table._replace(slots=np.full(slots, kernels.EMPTY_SLOT, np.int32))
                kernels.enter(0, count, table)
        self.table = table


_SEED = int.from_bytes(np.random.default_rng().bytes(6), "big")


def _nobody() -> kernels.Spoken:
    """An empty table with room for a few."""
    return kernels.Spoken(
        slots=np.full(_slots_for(_FEW_SPOKEN), kernels.EMPTY_SLOT, np.int32),
        entries=_entries(_FEW_SPOKEN),
        names=np.empty(_FEW_SPOKEN * _USUAL_NAME, np.uint8),
        seed=_SEED,
    )


def _slots_for(entries: int) -> int:
    return 1 << (entries * 3 // 2).bit_length()


def _entries(count: int) -> NDArray[np.int32]:
    return np.zeros((count + 1, kernels.ENTRY), np.int32)


def spoken_for(named: object, address: Address, registry: Registry) -> Device | Flaw:
    """The registered device a reading is of; ``named``: what the object gives as its device, None = nothing."""
    if named is None:
        named = address.device
    elif not isinstance(named, str):
        return Flaw("schema", f"device is {shown(named)}, must be the id of a device")
    device = registry.get(named)
    if device is None:
        flaw = device_flaw(named)
        if flaw is not None:
            return Flaw("schema", flaw.detail)
        detail = f"device is {shown(named)}, must be registered: publish its meta or POST /v1/devices"
    elif device.kind != address.kind:
        detail = f"device {shown(named)} is registered as {device.kind}, topic says {address.kind}"
    elif named != address.device and device.gateway != address.device:
        detail = f"device {shown(named)} must have attributes.gateway {shown(address.device)} to be spoken for by it"
    else:
        return device
    return Flaw("unknown_device", detail)
