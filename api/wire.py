"""Rows of the database as the JSON of the wire. Pure."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from api.times import rfc3339
from devices.contract import FieldSpec, Stream
from devices.units import format_point

Row = Mapping[str, Any]


def device_shape(row: Row, zone: tzinfo) -> dict[str, Any]:
    """A row of ``devices``."""
    located = row["lon"] is not None and row["lat"] is not None
    return {
        "id": row["id"],
        "kind": row["kind"],
        "area": row["area"],
        "location": format_point((row["lon"], row["lat"])) if located else None,
        "name": row["name"],
        "attributes": row["attributes"],
        "status": row["status"],
        "registeredAt": rfc3339(row["registered_at"], zone),
        "updatedAt": rfc3339(row["updated_at"], zone),
    }


def reading_shape(row: Row, stream: Stream, zone: tzinfo) -> dict[str, Any]:
    """A row of a stream (field columns prefixed ``f_``) as the device sent it; what it did not send is left out."""
    shape: dict[str, Any] = {
        "device": row["device"],
        "dateObserved": rfc3339(row["date_observed"], zone),
        "receivedAt": rfc3339(row["received_at"], zone),
    }
    if row["seq"] is not None and row["seq"] >= 0:
        shape["seq"] = row["seq"]
    for spec in stream.fields:
        value = _field(row, spec, zone)
        if value is not None:
            shape[spec.name] = value
    return shape


def mark_shape(row: Row, zone: tzinfo) -> dict[str, Any]:
    """A row of ``marks`` with the device's id."""
    lifted = row["unmarked_at"]
    return {
        "id": row["id"],
        "device": row["device"],
        "stream": row["stream"],
        "from": rfc3339(row["from"], zone),
        "to": rfc3339(row["to"], zone),
        "reason": row["reason"],
        "markedBy": row["marked_by"],
        "markedAt": rfc3339(row["marked_at"], zone),
        "unmarkedBy": row["unmarked_by"],
        "unmarkedAt": None if lifted is None else rfc3339(lifted, zone),
    }


def reject_shape(row: Row, zone: tzinfo) -> dict[str, Any]:
    """A row of ``rejects``."""
    resolved = row["resolved_at"]
    return {
        "id": row["id"],
        "receivedAt": rfc3339(row["received_at"], zone),
        "topic": row["topic"],
        "stream": row["stream"],
        "device": row["device"],
        "reason": row["reason"],
        "detail": row["detail"],
        "payload": bytes(row["payload"]).decode("utf-8", "replace"),
        "truncated": row["truncated"],
        "resolvedAt": None if resolved is None else rfc3339(resolved, zone),
        "resolution": row["resolution"],
    }


def _field(row: Row, spec: FieldSpec, zone: tzinfo) -> Any:
    values = [row[f"f_{column}"] for column in spec.columns]
    if any(value is None for value in values):
        return None
    if spec.type == "point":
        return format_point((values[0], values[1]))
    if spec.type == "instant":
        return rfc3339(values[0], zone)
    return values[0]
