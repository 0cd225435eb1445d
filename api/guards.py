"""What is checked before any route, the Host and the size of the body, and the headers on every answer."""

import asyncio
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem
from devices.contract import shown

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


class HostGuard:
    """Answers only for known host names: a foreign name pointed at this address (DNS rebinding) gets nothing."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        if host_name(host) in self._hosts:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        detail = f"host is {shown(host)}, must be one of {', '.join(sorted(self._hosts))}"
        await Problem(421, "unknown_host", detail).response(scope["path"])(scope, receive, send)


class HeadAnswered:
    """Answers HEAD as GET; the server leaves the body out. What would stream ends with its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun, ended = asyncio.Event(), False

        async def gone_once_begun() -> Message:
            await begun.wait()
            return {"type": "http.disconnect"}

        async def sent(message: Message) -> None:
            nonlocal ended
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)
            begun.set()

        await self._app({**scope, "method": "GET"}, gone_once_begun, sent)
        if begun.is_set() and not ended:
            await send({"type": "http.response.body", "body": b""})


class BodyLimit:
    """Refuses a body above ``limit`` bytes, whether its length was announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self._limit:
            await self._too_large(int(announced)).response(scope["path"])(scope, receive, send)
            return
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise self._too_large(taken)
            return message

        await self._app(scope, bounded, send)

    def _too_large(self, size: int) -> Problem:
        detail = f"the body has {size} bytes or more, must be at most {self._limit}"
        return Problem(413, "too_large", detail, headers={"Connection": "close"})


class SecurityHeaders:
    """Sets the headers that keep a browser from loading, framing or guessing what it should not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def host_name(host: str) -> str:
    """The name in a Host header, without port and without the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
