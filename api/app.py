"""Puts the API together: services, routes, guards, and their life from start to stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from api import description, problems
from api.auth import Keyring
from api.config import ApiConfig
from api.database import Database
from api.guards import BodyLimit, HeadAnswered, HostGuard, SecurityHeaders
from api.live import Hub
from api.metrics import Measured, Metrics
from api.parameters import none_misspelt
from api.routes import ROUTERS, health, page
from api.services import Services, authorised
from api.subscriber import Subscriber
from api.transit import Routes
from api.whatif import Runs
from devices.kinds import kinds, streams
from devices.topics import Topics

__all__ = ["ApiConfig", "create_app"]

VERSION = "0.1.0"
DESCRIPTION = (
    "Vital signs of a city, live and explained. Times are RFC 3339, lists are {items, next}, errors are "
    "application/problem+json."
)


def create_app(config: ApiConfig) -> FastAPI:
    """The application; it connects to database and broker when it is started, and works on while either is away."""
    services = _services(config)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with running(services):
            yield

    app = FastAPI(
        title="cityvitals",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1", dependencies=[Depends(authorised), Depends(none_misspelt)])
    app.include_router(health.router)
    app.include_router(page.router)
    app.router.routes.append(page.Files(config.dashboard))
    document = None

    def openapi() -> dict[str, object]:
        nonlocal document
        document = document or description.describe(app)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to change the description
    _guard(app, config, services.metrics)
    return app


def _services(config: ApiConfig) -> Services:
    hub = Hub(config.city, silent_after=config.silent_after)
    return Services(
        config=config,
        database=Database(config.database_url, config.database_connections),
        hub=hub,
        subscriber=Subscriber(config.mqtt_url, Topics(config.city.code, kinds()), hub.accept),
        metrics=Metrics(hub),
        keyring=Keyring(config.api_keys),
        whatif=Runs(config.database_url, config.city, config.retention, config.max_whatifs, config.whatif_deadline),
        routes=Routes(config.database_url, config.city),
        kinds=kinds(),
        streams=streams(),
    )


@contextlib.asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Database pool, broker connection and the watch for silence, from here to the end of the block."""
    await services.database.open()
    services.subscriber.open(asyncio.get_running_loop())
    watch = asyncio.create_task(services.hub.watch())
    try:
        yield
    finally:
        services.hub.close()
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        await asyncio.to_thread(services.subscriber.close)
        await services.database.close()


def _guard(app: FastAPI, config: ApiConfig, metrics: Metrics) -> None:
    """Middleware; the last one added sees a request first."""
    app.add_middleware(BodyLimit, limit=config.max_body)
    if config.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.allowed_origins),
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag"],
        )
    app.add_middleware(HostGuard, hosts=config.hosts)
    app.add_middleware(Measured, metrics=metrics)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(HeadAnswered)
