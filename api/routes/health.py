"""Health for supervisors and load balancers, and metrics for Prometheus; open to all who reach the server."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api import models
from api.responses import json_response
from api.services import Provided, Services

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Whether this process answers")
async def livez() -> models.Health:
    return models.Health(status="ok", checks={"process": "ok"})


@router.get(
    "/readyz",
    summary="Whether the city is being watched: database, broker, pipeline",
    response_class=Response,
    responses={
        200: {"model": models.Health},
        503: {"model": models.Health, "description": "checks say what is missing"},
    },
)
async def readyz(services: Provided) -> Response:
    checks = {
        "database": "ok" if await services.database.alive() else "does not answer",
        "broker": "ok" if services.subscriber.connected else "not connected",
        "pipeline": _pipeline(services),
        "spool": _spool(services),
    }
    ready = all(state == "ok" for state in checks.values())
    alarms = list(services.hub.snapshot.tick.alarms)
    body = {"status": "ok" if ready else "failing", "checks": checks, "alarms": alarms}
    return json_response(body, 200 if ready else 503)


@router.get(
    "/metrics",
    summary="Metrics of the API and of the pipeline, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": "cityvitals_tick_age_seconds 0.4\n"}}}},
)
async def metrics(services: Provided) -> Response:
    return Response(services.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _spool(services: Services) -> str:
    if services.hub.snapshot.tick.pipeline.get("spoolFull"):
        return "full: nothing more is acknowledged until the database is back"
    return "ok"


def _pipeline(services: Services) -> str:
    age = services.hub.age
    if age == float("inf"):
        return "no tick was seen yet"
    if age > services.config.ready_within:
        return f"the newest tick is {age:.0f} s old, must be at most {services.config.ready_within:g} s"
    return "ok"
