"""What every route works with, made once by the application, and the guard that checks a caller's key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.auth import SAFE_METHODS, Keyring, presented_key, same_origin
from api.config import ApiConfig
from api.database import Database
from api.live import Hub
from api.metrics import Metrics
from api.problems import Problem, not_found, unavailable
from api.subscriber import Subscriber
from api.transit import Routes
from api.whatif import Runs
from devices.city import Area, City
from devices.contract import Kind, Stream, shown


@dataclass(frozen=True)
class Services:
    """The parts of a running API."""

    config: ApiConfig
    database: Database
    hub: Hub
    subscriber: Subscriber
    metrics: Metrics
    keyring: Keyring
    whatif: Runs
    routes: Routes
    kinds: Mapping[str, Kind]
    streams: Mapping[str, Stream]

    @property
    def city(self) -> City:
        return self.config.city

    def area(self, code: str) -> Area:
        """The area of a code in a path; a 404 problem if the city has none."""
        area = self.city.get(code)
        if area is None:
            raise not_found("area", code, "a code of GET /v1/areas")
        return area

    def check_room(self) -> None:
        """A 503 problem if no further live stream is taken."""
        most = self.config.max_streams
        if self.hub.listeners >= most:
            raise unavailable("too_many_streams", f"{most} live streams are open, no more are taken")

    def within(self, code: str) -> list[str]:
        """The codes of an area and of all below it."""
        codes = [self.city.area(code).code]
        for known in codes:
            codes += [child.code for child in self.city.children(known)]
        return codes


def of(connection: HTTPConnection) -> Services:
    """The services of the application that a request came to."""
    return cast("Services", connection.app.state.services)


def authorised(connection: HTTPConnection) -> None:
    """A dependency of every route under /v1: a key where keys are configured, and no foreign page behind a change."""
    if connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE_METHODS:
        _check_origin(connection)
    keyring = of(connection).keyring
    if not keyring:
        return
    key = presented_key(connection)
    if key is None or keyring.owner(key) is None:
        wrong = "no API key came with the request" if key is None else "the API key is not valid"
        detail = f"{wrong}, must be sent as Authorization: Bearer id.secret"
        raise Problem(401, "unauthorised", detail, headers={"WWW-Authenticate": 'Bearer realm="cityvitals"'})


def _check_origin(connection: HTTPConnection) -> None:
    """A browser sends along what it may do here with every page's request; its Origin says whose page that is."""
    allowed = of(connection).config.allowed_origins
    if not same_origin(connection, allowed):
        origin = connection.headers.get("origin", "")
        right = ", ".join(("this host's own", *allowed))
        raise Problem(403, "foreign_origin", f"origin is {shown(origin)}, must be {right}")


Provided = Annotated[Services, Depends(of)]
