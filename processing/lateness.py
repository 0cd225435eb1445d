"""How late readings may come: the watermark of each stream, and that of the city. Pure; the clock is an argument.

    watermark of a stream = now − its lateness          of the city = the lowest of its streams

A watermark goes by the clock of the pipeline, so it advances also when a source, or every source, is silent. The
lateness of a stream is a fact about the hardware and its network, declared in ``devices/kinds``.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from devices.contract import Stream
from ingest.batch import Batch


def lateness_of(stream: Stream) -> int:
    """µs that a reading of the stream may take from observation to receipt."""
    return round(stream.lateness * 1e6)


def largest_lateness(streams: Iterable[Stream]) -> int:
    """µs between the present and the watermark of all streams together; at least one must be given."""
    return max(map(lateness_of, streams))


def late(batch: Batch) -> NDArray[np.bool_]:
    """Which readings came after the watermark of their stream had passed them."""
    found: NDArray[np.bool_] = batch.received - batch.time > lateness_of(batch.stream)
    return found
