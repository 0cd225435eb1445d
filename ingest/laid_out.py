"""Batches laid out for their tables ahead of time, so that the database need not wait for it. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch
from ingest.identity import Repeats, find_repeats
from ingest.packing import HEADER, TRAILER, pack, pack_rows


@dataclass(frozen=True)
class LaidOut:
    """A batch, and what goes to its table if that holds none of it yet."""

    batch: Batch
    repeats: Repeats
    """within the batch"""
    blocks: list[tuple[NDArray[np.intp], bytes]]
    """rows of a binary COPY of what is new, those of a block of one width: positions in the batch, and the bytes"""

    def stream(self, new: NDArray[np.bool_]) -> Iterator[bytes]:
        """A binary COPY stream of ``new``, a part of what is new within the batch."""
        yield HEADER
        for rows, block in self.blocks:
            wanted = new[rows]
            if wanted.all():
                yield block
            else:
                yield np.frombuffer(block, np.uint8).reshape(len(rows), -1)[wanted].tobytes()
        yield TRAILER


Ready = dict[int, LaidOut]
"""what is laid out, by the id() of its batch"""


def lay_out(batches: Iterable[Batch]) -> Ready:
    """Do for each batch what needs no database."""
    ready: Ready = {}
    for batch in batches:
        repeats = find_repeats(batch)
        order = _by_device(batch, repeats)
        blocks = [(order[rows], block) for rows, block in pack_rows(batch.take(order))]
        ready[id(batch)] = LaidOut(batch, repeats, blocks)
    return ready


def copy_stream(batch: Batch, repeats: Repeats) -> Iterator[bytes]:
    """Blocks of a binary COPY of what is new."""
    yield from pack(batch.take(_by_device(batch, repeats)))


def _by_device(batch: Batch, repeats: Repeats) -> NDArray[np.intp]:
    """Positions of what is new, device by device: neighbours go into the same page of the index, which begins with the
    device. Readings of one device mostly come in order of time."""
    new = np.flatnonzero(repeats.new)
    return new[np.argsort(batch.device[new], kind="stable")]
