"""Word the rejection of a reading whose identity is stored with other values; pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from devices.contract import FieldSpec, shown
from devices.units import EPOCH, MICROSECOND, format_instant
from ingest.batch import MISSING, Batch, Delivery, Rejection
from ingest.payload import ALONE, item_text

_MOST_SHOWN = 3


def refuse_conflict(batch: Batch, row: int, stored: Sequence[object], deliveries: Sequence[Delivery]) -> Rejection:
    """The rejection of one reading; ``stored`` are the values of its stream's columns in the table."""
    delivery, item = deliveries[batch.source[row]], int(batch.item[row])
    value = batch.values[row]
    differing = list(_differences(batch, row, stored))
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


def _differences(batch: Batch, row: int, stored: Sequence[object]) -> Iterator[str]:
    columns = [(spec, name) for spec in batch.stream.fields for name in spec.columns]
    for (spec, name), old in zip(columns, stored, strict=True):
        new = _value(spec, batch.columns[name][row])
        if isinstance(old, datetime):
            old = format_instant((old - EPOCH) // MICROSECOND)
        if new != old:
            place = f".coordinates[{spec.columns.index(name)}]" if spec.type == "point" else ""
            yield f"{spec.name}{place} is {shown(new)}, must be {shown(old)}"


def _value(spec: FieldSpec, cell: object) -> object:
    """The cell of a column as the database would return it; an instant as text."""
    match cell:
        case float():  # numpy's float64 is one
            return None if np.isnan(cell) else float(cell)
        case np.integer() if spec.type == "boolean":
            return None if cell < 0 else bool(cell)
        case np.integer() if spec.type == "choice":
            return None if cell < 0 else spec.choices[int(cell)]
        case np.integer() if cell == MISSING:
            return None
        case np.integer():
            return format_instant(int(cell)) if spec.type == "instant" else int(cell)
    return cell
