"""Batches laid out for their tables ahead of time, so that the database need not wait for it. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ingest.batch import Batch
from ingest.identity import Repeats, find_repeats
from ingest.packing import pack


@dataclass(frozen=True)
class LaidOut:
    """A batch, and what goes to its table if that holds none of it yet."""

    batch: Batch
    repeats: Repeats
    """within the batch"""
    blocks: list[bytes]
    """a binary COPY stream of what is new"""


Ready = dict[int, LaidOut]
"""what is laid out, by the id() of its batch"""


def lay_out(batches: Iterable[Batch]) -> Ready:
    """Do for each batch what needs no database."""
    ready: Ready = {}
    for batch in batches:
        repeats = find_repeats(batch)
        ready[id(batch)] = LaidOut(batch, repeats, list(copy_stream(batch, repeats)))
    return ready


def copy_stream(batch: Batch, repeats: Repeats) -> Iterator[bytes]:
    """Blocks of a binary COPY of what is new, device by device: neighbours go into the same page of the index, which
    begins with the device. Readings of one device mostly come in order of time."""
    new = np.flatnonzero(repeats.new)
    yield from pack(batch.take(new[np.argsort(batch.device[new], kind="stable")]))
