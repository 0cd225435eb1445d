"""The values that travel through ingest: a delivery from the broker, a columnar batch of one stream, a rejection, and
what a take of deliveries held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.contract import Stream
from ingest.labels import Texts, join_labels, say_labels

Column = NDArray[Any]
"""Values of one SQL column, by field type (missing value in brackets):

number, point   float64 (NaN)
integer         int64 (MISSING)
instant         int64 microseconds since 1970 (MISSING)
boolean         int8: 0, 1 (-1)
choice          int16 index into the field's choices (-1)
label           int32 place among the batch's texts of this column (-1)
"""

MISSING = np.iinfo(np.int64).min
NO_SEQ = -1


class Delivery(NamedTuple):
    """One message as it came, with what is needed to acknowledge or to answer it."""

    topic: str
    payload: bytes
    received: int
    """microseconds since 1970"""
    mid: int = 0
    qos: int = 0
    epoch: int = 0
    """number of the connection it came on; an ack must not cross connections"""
    retain: bool = False
    redelivered: bool = False
    """the broker sends it a second time: it may have been taken in before"""
    response_topic: str | None = None
    correlation: bytes | None = None
    reject_id: int | None = None
    """set when this is a reject put through again"""


class Rejection(NamedTuple):
    """One reading (or one message that cannot be taken apart) that was refused."""

    delivery: Delivery
    stream: str
    device: str | None
    reason: str
    detail: str
    payload: bytes
    item: int | None = None
    """position in the pack, when it came in one"""


@dataclass(frozen=True)
class Batch:
    """Valid readings of one stream as columns of equal length."""

    stream: Stream
    device: NDArray[np.int32]
    """registry keys"""
    time: NDArray[np.int64]
    """dateObserved, microseconds since 1970"""
    seq: NDArray[np.int64]
    """-1 = none"""
    received: NDArray[np.int64]
    """microseconds since 1970"""
    columns: dict[str, Column]
    source: NDArray[np.int32]
    """index of the delivery each reading came in"""
    item: NDArray[np.int32]
    """position in its pack, -1 when it came alone"""
    texts: Mapping[str, Texts] = field(default_factory=dict)
    """of each column of labels"""

    def __len__(self) -> int:
        return len(self.time)

    def labels(self, name: str) -> list[str | None]:
        """What a column of labels says."""
        return say_labels(self.columns[name], self.texts[name])

    def take(self, index: NDArray[Any]) -> "Batch":
        """The readings selected by a boolean mask or by positions."""
        positions = np.flatnonzero(index) if index.dtype == np.bool_ else index
        return replace(
            self,
            device=self.device[positions],
            time=self.time[positions],
            seq=self.seq[positions],
            received=self.received[positions],
            columns={name: column[positions] for name, column in self.columns.items()},
            source=self.source[positions],
            item=self.item[positions],
        )


def join(batches: Sequence[Batch]) -> Batch:
    """The readings of one batch of a stream after those of the other; there must be one at least."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0]
    columns, texts = {}, {}
    for name in first.columns:
        if name in first.texts:
            columns[name], texts[name] = join_labels([(one.columns[name], one.texts[name]) for one in batches])
        else:
            columns[name] = np.concatenate([one.columns[name] for one in batches])
    return Batch(
        stream=first.stream,
        device=np.concatenate([one.device for one in batches]),
        time=np.concatenate([one.time for one in batches]),
        seq=np.concatenate([one.seq for one in batches]),
        received=np.concatenate([one.received for one in batches]),
        columns=columns,
        source=np.concatenate([one.source for one in batches]),
        item=np.concatenate([one.item for one in batches]),
        texts=texts,
    )


@dataclass
class Decoded:
    """What a take of deliveries held."""

    batches: list[Batch] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    unknown_devices: set[str] = field(default_factory=set)
    """ids that were not in the registry: the database may know them by now"""
    unknown_fields: dict[str, int] = field(default_factory=dict)
    """by stream, how many fields the contract does not know"""

    def count_unknown_fields(self, stream: str, count: int) -> None:
        if count:
            self.unknown_fields[stream] = self.unknown_fields.get(stream, 0) + count
