"""Readings declared bad: mark a range of a device's readings, see the marks, lift one."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api import cursors, models, parameters
from api.parameters import Cursor, Limit, Text
from api.problems import invalid, not_found
from api.responses import json_response, problems
from api.services import Provided, Services
from api.store import devices, marks
from api.times import parse_time
from api.wire import mark_shape
from devices.contract import shown

router = APIRouter(tags=["marks"])

MarkId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get(
    "/marks",
    summary="Ranges of readings marked bad, newest first",
    response_class=Response,
    responses={200: {"model": models.Page[models.Mark]}, **problems(422, 503)},
)
async def list_marks(
    services: Provided,
    device: Text = None,
    in_force: Annotated[bool | None, Query(alias="inForce", description="not lifted, or lifted")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    before = parameters.position(cursor, int)
    newest = None if before is None else int(before[0])
    rows = await marks.listed(services.database, device, in_force=in_force, before=newest, limit=limit + 1)
    items, following = cursors.page(rows, limit, lambda row: [row["id"]])
    zone = services.city.timezone
    return json_response({"items": [mark_shape(row, zone) for row in items], "next": following})


@router.post(
    "/devices/{device}/marks",
    status_code=201,
    summary="Mark a range of a device's readings bad",
    responses=problems(403, 404, 422, 503),
)
async def mark_readings(services: Provided, device: str, body: models.NewMark) -> models.Page[models.Mark]:
    """The readings stay; the vital signs of the windows they are in are computed again without them, as a new revision.

    Without ``stream`` all streams of the device's kind are marked.
    """
    row = None if "\x00" in device else await devices.one(services.database, device)
    if row is None:
        raise not_found("device", device, "the id of a registered device")
    kind = services.kinds.get(row["kind"])
    streams = [stream.name for stream in kind.streams] if kind else []
    if body.stream is not None and body.stream not in streams:
        raise _wrong("stream", body.stream, f"must be one of {', '.join(streams)}")
    first, last = _time("from", body.from_), _time("to", body.to)
    if first > last:
        raise _wrong("from", body.from_, f"must not lie after to, {body.to}")
    wanted = [body.stream] if body.stream else streams
    ids = await marks.put(services.database, row["key"], wanted, first, last, body.reason, body.by)
    services.subscriber.marked(ids)
    return models.Page(items=[await _shown(services, mark) for mark in ids])


@router.post(
    "/marks/{mark}/lift", summary="Lift a mark: the readings count again", responses=problems(403, 404, 422, 503)
)
async def lift_mark(services: Provided, mark: MarkId, body: models.Lift) -> models.Mark:
    """Lifting a mark that is lifted already changes nothing."""
    await _shown(services, mark)
    if await marks.lift(services.database, mark, body.by):
        services.subscriber.marked([mark])
    return await _shown(services, mark)


async def _shown(services: Services, mark: int) -> models.Mark:
    row = await marks.one(services.database, mark)
    if row is None:
        raise not_found("mark", str(mark), "an id of GET /v1/marks")
    return models.Mark.model_validate(mark_shape(row, services.city.timezone))


def _time(field: str, text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise _wrong(field, text, str(error)) from error


def _wrong(field: str, value: str, right: str) -> Exception:
    return invalid([{"in": "body", "field": field, "value": value, "detail": f"{field} is {shown(value)}, {right}"}])
