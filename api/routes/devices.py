"""The registry of devices."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from api import cursors, models, parameters, registration
from api.parameters import Cursor, Limit, Text
from api.problems import Problem, invalid, not_found
from api.responses import json_response, problems
from api.services import Provided, Services
from api.store import devices, readings
from api.wire import device_shape, reading_shape

router = APIRouter(tags=["devices"])

_EXAMPLE = {
    "id": "bay-17",
    "kind": "parking_bay",
    "area": "310104003",
    "location": {"type": "Point", "coordinates": [121.4468, 31.2022]},
    "name": "Tianping Road 17",
    "attributes": {"reportingInterval": 60},
}
_DEVICE = {"$ref": "#/components/schemas/Device"}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [_DEVICE, {"type": "array", "items": _DEVICE, "maxItems": registration.MAX_DEVICES}]},
            "examples": {"one": {"value": _EXAMPLE}, "list": {"value": [_EXAMPLE, _EXAMPLE | {"id": "bay-18"}]}},
        }
    },
}


@router.get(
    "/devices",
    summary="Registered devices, in the order of their ids",
    response_class=Response,
    responses={200: {"model": models.Page[models.RegisteredDevice]}, **problems(422, 503)},
)
async def list_devices(
    services: Provided,
    kind: Text = None,
    area: Text = None,
    q: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """``area`` includes all areas below it; ``q`` is looked for in id and name."""
    after = parameters.position(cursor, str)
    codes = parameters.codes(services, area)
    wanted_kind = parameters.kind(services, kind)
    rows = await devices.listed(
        services.database, wanted_kind, codes, q, None if after is None else str(after[0]), limit + 1
    )
    shown, following = cursors.page(rows, limit, lambda row: [row["id"]])
    zone = services.city.timezone
    return json_response({"items": [device_shape(row, zone) for row in shown], "next": following})


@router.get(
    "/devices/{device}",
    summary="One device, with its newest reading of each stream",
    response_class=Response,
    responses={200: {"model": models.DeviceDetail}, **problems(404, 503)},
)
async def one_device(services: Provided, device: str) -> Response:
    row = None if "\x00" in device else await devices.one(services.database, device)
    if row is None:
        raise not_found("device", device, "the id of a registered device")
    kind = services.kinds.get(row["kind"])
    streams = kind.streams if kind else ()
    last = await readings.last(services.database, streams, row["key"])
    zone = services.city.timezone
    shown = {s.name: None if (r := last[s.name]) is None else reading_shape(r, s, zone) for s in streams}
    return json_response({**device_shape(row, zone), "last": shown})


@router.post(
    "/devices",
    status_code=201,
    summary="Register one device or a list of them, or change what is registered",
    openapi_extra={"requestBody": _BODY},
    responses=problems(403, 409, 413, 422, 503),
)
async def register_devices(services: Provided, request: Request) -> models.Page[models.Registration]:
    """All or nothing: if one item is wrong, none is written, and ``errors`` names each wrong value by its index.

    A registration replaces the device's area, location, name and attributes. Its kind cannot change.
    """
    items = await _items(request)
    found, errors = registration.check(items, services.city, services.kinds)
    if errors:
        raise invalid(errors)
    results = await _write(services, found)
    changed = [device.id for device in found if results[device.id] != "unchanged"]
    services.subscriber.announce(changed)
    return models.Page(items=[models.Registration(id=d.id, result=results[d.id]) for d in found])


async def _items(request: Request) -> list[Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise invalid([{"in": "body", "detail": f"the body is not JSON: {error}"}]) from error
    items = body if isinstance(body, list) else [body]
    if not 1 <= len(items) <= registration.MAX_DEVICES:
        detail = f"the list has {len(items)} devices, must have 1–{registration.MAX_DEVICES}"
        raise invalid([{"in": "body", "detail": detail}])
    return items


async def _write(services: Services, found: list[devices.NewDevice]) -> dict[str, Any]:
    results = await devices.register(services.database, found)
    if isinstance(results, dict):
        return results
    place = {device.id: index for index, device in enumerate(found)}
    errors: list[dict[str, Any]] = []
    for conflict in sorted(results, key=lambda conflict: place[conflict.id]):
        index = place[conflict.id]
        kind = found[index].kind
        right = f"must be {conflict.registered}, as device {conflict.id} is registered; another kind needs another id"
        errors.append(
            {"index": index, "field": "kind", "value": kind, "detail": f"item {index}: kind is {kind}, {right}"}
        )
    raise Problem(409, "kind_conflict", errors[0]["detail"], errors=errors)
