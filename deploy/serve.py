"""`cityvitals api`: the API under uvicorn."""

import asyncio
import gc
import ipaddress
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.auth import KeyFormatError
from api.config import ApiConfig
from deploy.errors import DeployError
from deploy.settings import DEFAULT_HTTP_PORT, Settings
from devices.city import CityError, load_city
from devices.outbox import PublishError

MAX_MESSAGE = 64 * 1024
STREAMS_END_S = 1  # after that, what still blocks on a client that does not read is cut off


@dataclass(frozen=True)
class Listener:
    """Where the API listens. ``trusted_network`` allows an address that others reach, without keys and TLS."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_HTTP_PORT
    trusted_network: bool = False


class ApiServer(uvicorn.Server):
    """Ends the live streams when it is told to stop; by themselves they never would."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Being told to stop is a good end: the signal is not raised again, the process returns 0."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.services.hub.close()
        await asyncio.sleep(0)
        await super().shutdown(sockets)


def run_api(settings: Settings, listener: Listener) -> int:
    """Serve until a signal ends it; the process's exit code."""
    config = configured(settings)
    refuse_open_door(listener, bool(config.api_keys), settings.tls_certificate is not None)
    with _as_deploy_errors():
        server = build_server(config, listener, settings.tls_certificate, settings.tls_key)
        server.config.load()
    gc.freeze()
    # The first tick, and a document written in another way, are decoded: 60,000 objects of a city of 251 areas, none of
    # which is part of a cycle. Looking for one costs three times what decoding does.
    gc.set_threshold(200_000, 20, 100)
    server.run(sockets=[bind(listener)])
    return 0 if server.started else 1


def configured(settings: Settings) -> ApiConfig:
    """The API's part of the settings. Raises DeployError where they cannot be right."""
    with _as_deploy_errors():
        return ApiConfig(
            database_url=settings.database,
            mqtt_url=settings.broker_login,
            city=load_city(settings.city),
            api_keys=settings.api_keys,
            allowed_hosts=settings.allowed_hosts,
            allowed_origins=settings.allowed_origins,
            retention=settings.retention,
        )


def build_server(
    config: ApiConfig, listener: Listener, certificate: Path | None = None, private_key: Path | None = None
) -> ApiServer:
    """A server that is ready to run."""
    app = create_app(config)
    options = uvicorn.Config(
        app,
        host=listener.host,
        port=listener.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=config.max_streams + 500,
        timeout_graceful_shutdown=STREAMS_END_S,
    )
    return ApiServer(options, app)


def bind(listener: Listener) -> socket.socket:
    """The listening socket. Raises DeployError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        return socket.create_server((listener.host.strip("[]"), listener.port), family=family, backlog=2048)
    except OSError as error:
        raise DeployError(
            f"the API cannot listen on {listener.host} port {listener.port}: {os.strerror(error.errno or 0)}; "
            "choose another with --port or --host"
        ) from error


def refuse_open_door(listener: Listener, keys: bool, tls: bool) -> None:
    """Raise DeployError for an address that others reach, unless callers must show a key over TLS."""
    if is_loopback(listener.host) or (keys and tls) or listener.trusted_network:
        return
    missing = " and ".join(
        name for name, there in (("CITYVITALS_API_KEYS", keys), ("CITYVITALS_TLS_CERTIFICATE", tls)) if not there
    )
    raise DeployError(
        f"the API is to listen on {listener.host}, which others can reach, without {missing}; "
        "set what is missing, or listen on 127.0.0.1 behind a proxy that does both"
    )


def is_loopback(host: str) -> bool:
    """Whether a host can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@contextmanager
def _as_deploy_errors() -> Iterator[None]:
    try:
        yield
    except (KeyFormatError, CityError, PublishError) as error:
        raise DeployError(str(error)) from error
    except ssl.SSLError as error:
        raise DeployError(
            f"the TLS certificate and key cannot be used: {error}; they must be a matching pair"
        ) from error
