"""Stored readings of a stream."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response

from api import cursors, models, parameters
from api.parameters import Cursor, From, Limit, Text, To
from api.problems import invalid_parameter
from api.responses import json_response, problems
from api.services import Provided, Services
from api.store import devices, readings
from api.times import from_micros, micros
from api.wire import reading_shape

router = APIRouter(tags=["readings"])

_NO_KEY = -1


@router.get(
    "/readings/{stream}",
    summary="Readings of a stream, newest observation first",
    response_class=Response,
    responses={200: {"model": models.Page[models.Reading]}, **problems(404, 422, 503)},
)
async def list_readings(
    services: Provided,
    stream: str,
    device: Text = None,
    area: Text = None,
    start: From = None,
    end: To = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """``from`` and ``to`` bound ``dateObserved``; ``area`` includes all areas below it.

    A device that is not registered (yet) has no readings: that is an empty list, not an error.
    """
    parameters.stream_named(services, stream)
    parameters.ordered(start, end)
    wanted = readings.Wanted(
        device=await _key(services, device) if device is not None else None,
        areas=parameters.codes(services, area),
        start=start,
        end=end,
        after=_position(cursor),
        limit=limit + 1,
    )
    found = await readings.newest(services.database, services.streams[stream], wanted, datetime.now(UTC))
    shown, following = cursors.page(found, limit, lambda row: [micros(row["date_observed"]), row["key"], row["seq"]])
    shape, zone = services.streams[stream], services.city.timezone
    return json_response({"items": [reading_shape(row, shape, zone) for row in shown], "next": following})


async def _key(services: Services, device: str) -> int:
    row = await devices.one(services.database, device)
    return _NO_KEY if row is None else int(row["key"])


def _position(cursor: str | None) -> readings.Position | None:
    parts = parameters.position(cursor, int, int, int)
    if parts is None:
        return None
    observed, device, seq = (int(part) for part in parts)
    try:
        if not -(2**31) <= device < 2**31:
            raise ValueError(f"{device} is no key of a device")
        return readings.Position(from_micros(observed), device, seq)
    except ValueError as error:
        raise invalid_parameter("cursor", cursor, str(error)) from error
