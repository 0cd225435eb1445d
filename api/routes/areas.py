"""The areas of the city: city > district > street."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Response

from api import models
from api.problems import invalid_parameter
from api.responses import problems
from api.services import Provided
from devices.city import Area, Level

router = APIRouter(tags=["areas"])

MAX_AGE_S = 3600


@router.get("/areas", summary="Areas, by level and by what they lie in", responses=problems(422))
async def list_areas(
    services: Provided,
    level: Level | None = None,
    parent: Annotated[str | None, Query(description="code of the area right above", examples=["310104"])] = None,
) -> models.Page[models.Area]:
    if parent is not None and parent not in services.city:
        raise invalid_parameter("parent", parent, "must be a code of GET /v1/areas")
    chosen = services.city.areas if parent is None else services.city.children(parent)
    return models.Page(items=[_shape(area) for area in chosen if level in (None, area.level)])


@router.get(
    "/areas.geojson",
    summary="Outlines of the districts, as GeoJSON",
    response_class=Response,
    responses={200: {"model": models.FeatureCollection}},
)
async def district_outlines(services: Provided) -> Response:
    return Response(
        orjson.dumps(services.city.geojson()),
        headers={"Cache-Control": f"max-age={MAX_AGE_S}"},
        media_type="application/geo+json",
    )


@router.get("/areas/{code}", summary="One area, with those above and right below it", responses=problems(404))
async def one_area(services: Provided, code: str) -> models.AreaDetail:
    area = services.area(code)
    return models.AreaDetail(
        **_shape(area).model_dump(),
        ancestors=[_shape(above) for above in services.city.ancestors(code)],
        children=[_shape(below) for below in services.city.children(code)],
    )


def _shape(area: Area) -> models.Area:
    return models.Area(code=area.code, level=area.level, parent=area.parent, name=models.Name(**area.name))
