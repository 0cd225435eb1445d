"""What the city's devices can measure: kinds, streams, fields, units."""

from fastapi import APIRouter

from api import models
from api.problems import not_found
from api.responses import problems
from api.services import Provided, Services
from devices.contract import FieldSpec, Kind, Stream
from devices.topics import Topics

router = APIRouter(tags=["kinds"])


@router.get("/kinds", summary="All kinds of devices")
async def list_kinds(services: Provided) -> models.Page[models.KindShape]:
    return models.Page(items=[_shape(services, kind) for kind in services.kinds.values()])


@router.get("/kinds/{kind}", summary="One kind of device", responses=problems(404))
async def one_kind(services: Provided, kind: str) -> models.KindShape:
    found = services.kinds.get(kind)
    if found is None:
        raise not_found("kind", kind, f"one of {', '.join(services.kinds)}")
    return _shape(services, found)


def _shape(services: Services, kind: Kind) -> models.KindShape:
    topics = Topics(services.city.code, dict(services.kinds))
    return models.KindShape(
        id=kind.id,
        name=models.Name(zh=kind.name_zh, en=kind.name_en),
        reporting_interval=kind.reporting_interval,
        streams=[_stream(topics, stream) for stream in kind.streams],
    )


def _stream(topics: Topics, stream: Stream) -> models.StreamShape:
    return models.StreamShape(
        name=stream.name,
        event=stream.name.removeprefix(f"{stream.kind}_") if stream.is_event else None,
        topic=topics.stream(stream, "{device}"),
        description=" ".join((stream.model.__doc__ or "").split()),
        lateness=stream.lateness,
        fields=[_field(spec) for spec in stream.fields],
        json_schema=stream.json_schema(),
    )


def _field(spec: FieldSpec) -> models.StreamField:
    return models.StreamField(
        name=spec.name,
        type=spec.type,
        unit=None if spec.unit is None else models.UnitShape(symbol=spec.unit.symbol, name=spec.unit.name),
        minimum=spec.lower,
        maximum=spec.upper,
        choices=list(spec.choices),
        required=spec.required,
        bound=spec.bound,
        description=spec.description,
    )
