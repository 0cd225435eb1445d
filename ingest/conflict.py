"""Tell whether a reading says what is stored under its identity, and word the rejection where it does not; pure."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from devices.contract import FieldSpec, Stream, shown
from devices.units import EPOCH, MICROSECOND, format_instant
from ingest.batch import MISSING, Batch, Delivery, Rejection
from ingest.payload import ALONE, item_text, item_value

_MOST_SHOWN = 3
Values = tuple[object, ...]
"""of a stream's declared columns, as the database returns them"""


def refuse_conflicts(batch: Batch, stored: Sequence[Values], deliveries: Sequence[Delivery]) -> list[Rejection]:
    """The rejections of all readings of a batch; ``stored``: what is there under the identity of each."""
    mine = as_stored(batch)
    return [_refuse(batch, row, mine[row], stored[row], deliveries) for row in range(len(batch))]


def _refuse(batch: Batch, row: int, mine: Values, stored: Values, deliveries: Sequence[Delivery]) -> Rejection:
    delivery, item = deliveries[batch.source[row]], int(batch.item[row])
    value = item_value(delivery.payload, item)
    differing = list(_differences(batch.stream, mine, stored))
    named = "; ".join(differing[:_MOST_SHOWN]) + ("; …" if len(differing) > _MOST_SHOWN else "")
    numbered = f" and seq {batch.seq[row]}" if batch.seq[row] >= 0 else ""
    return Rejection(
        delivery=delivery,
        stream=batch.stream.name,
        device=value.get("device") or delivery.topic.split("/")[3],
        reason="conflict",
        detail=f"{named} as stored for dateObserved {format_instant(int(batch.time[row]))}{numbered}: "
        "to send several readings of one instant, count seq up",
        payload=item_text(delivery.payload, item, value),
        item=item if item != ALONE else None,
    )


def as_stored(batch: Batch) -> list[Values]:
    """The declared columns of each reading as the database returns them."""
    columns = [_values(batch, spec, name) for spec in batch.stream.fields for name in spec.columns]
    return list(zip(*columns, strict=True))


def _differences(stream: Stream, mine: Values, stored: Values) -> Iterator[str]:
    specs = [spec for spec in stream.fields for _ in spec.columns]
    names = [name for spec in stream.fields for name in spec.columns]
    for spec, name, new, old in zip(specs, names, mine, stored, strict=True):
        if new != old:
            place = f".coordinates[{spec.columns.index(name)}]" if spec.type == "point" else ""
            yield f"{spec.name}{place} is {shown(_said(new))}, must be {shown(_said(old))}"


def _said(value: object) -> object:
    return format_instant((value - EPOCH) // MICROSECOND) if isinstance(value, datetime) else value


def _values(batch: Batch, spec: FieldSpec, name: str) -> Sequence[object]:
    cells: list[Any] = batch.columns[name].tolist()
    match spec.type:
        case "number" | "point":
            return [None if math.isnan(cell) else cell for cell in cells]
        case "boolean":
            return [None if cell < 0 else bool(cell) for cell in cells]
        case "choice":
            return [None if cell < 0 else spec.choices[cell] for cell in cells]
        case "integer":
            return [None if cell == MISSING else cell for cell in cells]
        case "instant":
            return [None if cell == MISSING else EPOCH + timedelta(microseconds=cell) for cell in cells]
        case "label":
            return batch.labels(name)
