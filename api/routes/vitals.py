"""Vital signs as they are now: bytes made once a tick, with a strong ETag."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import models, parameters
from api.parameters import Text
from api.responses import live_model, live_response, not_modified, problems
from api.services import Provided
from devices.city import Level

router = APIRouter(tags=["vitals"])


@router.get(
    "/areas/{code}/vitals",
    summary="Vital signs of an area, now",
    response_class=Response,
    responses={**live_model(models.Vitals), **problems(404)},
)
async def area_vitals(request: Request, services: Provided, code: str) -> Response:
    snapshot = services.hub.snapshot
    area = services.area(code)
    body = None if not_modified(request, snapshot.etag) else snapshot.document(area.code)
    return live_response(snapshot, body)


@router.get(
    "/vitals",
    summary="Vital signs of every area of a level, now, without contributions",
    response_class=Response,
    responses={**live_model(models.LevelVitals), **problems(422)},
)
async def level_vitals(
    request: Request,
    services: Provided,
    level: Annotated[Level, Query(description="which areas")] = "district",
    index: Annotated[Text, Query(description="only this one: `composite`, a domain or an indicator")] = None,
) -> Response:
    snapshot = services.hub.snapshot
    if index is not None:
        parameters.index(snapshot, "index", index)
    body = None if not_modified(request, snapshot.etag) else snapshot.level(level, index)
    return live_response(snapshot, body)
