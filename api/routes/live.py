"""``/v1/live``: vital signs as server-sent events."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from starlette.types import Receive, Scope, Send

from api.live import Selection
from api.responses import problems
from api.selection import select, words
from api.services import Provided, Services

router = APIRouter(tags=["live"])

KEEP_ALIVE_S = 15.0
RETRY_MS = 2000

Words = Annotated[list[str], Query(max_length=300)]


class EventStream(Response):
    """Sends frames of the hub until the client leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, services: Services, selection: Selection, position: int | None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._services, self._selection, self._position = services, selection, position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gauge = self._services.metrics.streams.labels("sse")
        gauge.inc()
        left = asyncio.ensure_future(_disconnected(receive))
        sending = asyncio.ensure_future(self._send_events(send))
        try:
            await asyncio.wait({left, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gauge.dec()
            for task in (left, sending):
                task.cancel()
            await asyncio.gather(left, sending, return_exceptions=True)

    async def _send_events(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

        async def write(chunk: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

        await write(b"retry: %d\n\n" % RETRY_MS)
        hub, events = self._services.hub, self._services.metrics.events
        position = self._position
        with hub.listen() as wake:
            while not hub.closed:
                wake.clear()
                if position is None or position < hub.version:
                    frame = hub.frame(position, self._selection)
                    position = hub.version
                    await write(frame.sse)
                    events.labels("sse", frame.event).inc()
                    continue
                try:
                    await asyncio.wait_for(wake.wait(), KEEP_ALIVE_S)
                except TimeoutError:
                    await write(b": keep-alive\n\n")
        await write(b"", more=False)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_EXAMPLE = (
    'event: snapshot\nid: 4711\ndata: {"tick":4711,"at":"2026-11-20T08:00:00+08:00","areas":{"310104":{…}}}\n\n'
    'event: vitals\nid: 4712\ndata: {"tick":4712,"at":"2026-11-20T08:00:01+08:00","areas":{"310104":{…}}}\n\n'
)


@router.get(
    "/live",
    summary="Vital signs as they change (server-sent events)",
    response_class=Response,
    responses={
        200: {"description": "never ends", "content": {"text/event-stream": {"example": _EXAMPLE}}},
        **problems(422, 503),
    },
)
async def live(
    services: Provided,
    areas: Words = [],  # noqa: B006 - FastAPI copies defaults
    level: Words = [],  # noqa: B006 - FastAPI copies defaults
    parent: Words = [],  # noqa: B006 - FastAPI copies defaults
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """First a ``snapshot``, then ``vitals`` each tick with what changed; with Last-Event-ID on from there.

    ``areas`` (codes), ``level`` and ``parent`` (children of a code) may be repeated or hold lists with commas; what
    is sent is the union, everything by default.
    """
    selection = select(services.city, words(areas), words(level), words(parent))
    services.check_room()
    known = last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit()
    position = services.hub.position_of(int(last_event_id)) if known and last_event_id else None
    return EventStream(services, selection, position)
