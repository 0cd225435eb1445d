"""``/v1/ws``: vital signs over a WebSocket whose client chooses and changes the areas it follows."""

import asyncio
import contextlib
from collections import deque
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from api import services as provided
from api.live import Hub, Selection
from api.parameters import misspelt
from api.problems import Problem, invalid
from api.selection import select, words
from api.services import Services
from devices.contract import shown

router = APIRouter(tags=["live"])

MAX_MESSAGE = 64 * 1024  # characters
MAX_REPLIES = 64
GOING_AWAY, POLICY, TOO_BIG = 1001, 1008, 1009

_FIELDS = ("areas", "level", "parent")
_RIGHT = 'must be {"type": "subscribe" or "unsubscribe", "areas": [codes], "level": a level, "parent": a code}'

Words = Annotated[list[str], Query(max_length=300)]


class Session:
    """One client: what it follows and what it still has to be told."""

    def __init__(self, services: Services, selection: Selection) -> None:
        self._services = services
        self.selection = selection
        self.joined = selection
        self.replies: deque[str] = deque(maxlen=MAX_REPLIES)

    def take(self, text: str) -> None:
        """Act on a message of the client; what is wrong with it becomes a reply."""
        try:
            subscribe, chosen = self._read(text)
        except Problem as problem:
            body = {"type": "error", "status": problem.status, "detail": problem.detail}
            self.replies.append(orjson.dumps(body).decode())
            return
        if subscribe:
            self.joined |= chosen
            self.selection |= chosen
        else:
            self.joined -= chosen
            self.selection -= chosen
        answer = {"type": "subscribed" if subscribe else "unsubscribed", "areas": sorted(self.selection)}
        self.replies.append(orjson.dumps(answer).decode())

    def _read(self, text: str) -> tuple[bool, Selection]:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise invalid([{"detail": f"the message is not JSON ({error}), {_RIGHT}"}]) from error
        kind = message.get("type") if isinstance(message, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            raise invalid([{"detail": f"the message is {shown(message)}, {_RIGHT}"}])
        for name in message:
            if (meant := misspelt(name, _FIELDS)) is not None:  # it would mean the whole city
                raise invalid([{"detail": f"{shown(name)} is no field here, must be {meant}"}])
        lists = [_words(name, message.get(name)) for name in _FIELDS]
        return kind == "subscribe", select(self._services.city, *lists)


def _words(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, str) for item in values):
        raise invalid([{"detail": f"{name} is {shown(value)}, must be a text or a list of texts"}])
    return words(values)


@router.websocket("/ws")
async def websocket(
    socket: WebSocket,
    areas: Words = [],  # noqa: B006 - FastAPI copies defaults
    level: Words = [],  # noqa: B006 - FastAPI copies defaults
    parent: Words = [],  # noqa: B006 - FastAPI copies defaults
) -> None:
    """Nothing is followed at first unless the address says so; see docs/api.md for the messages."""
    services = provided.of(socket)
    try:
        provided.authorised(socket)
        services.check_room()
        none = not (areas or level or parent)
        selection = frozenset[str]() if none else select(services.city, words(areas), words(level), words(parent))
    except Problem as problem:
        await socket.send_denial_response(problem.response(socket.url.path))
        return
    await socket.accept()
    gauge = services.metrics.streams.labels("websocket")
    gauge.inc()
    try:
        await _serve(services, socket, Session(services, selection))
    finally:
        gauge.dec()


async def _serve(services: Services, socket: WebSocket, session: Session) -> None:
    with services.hub.listen() as wake:
        receiving = asyncio.ensure_future(_receive(socket, session, wake))
        sending = asyncio.ensure_future(_send(services, socket, session, wake))
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (receiving, sending):
                task.cancel()
            results = await asyncio.gather(receiving, sending, return_exceptions=True)
    code = next((result for result in results if isinstance(result, int)), GOING_AWAY)
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it left by itself
        await socket.close(code)


async def _receive(socket: WebSocket, session: Session, wake: asyncio.Event) -> int:
    """Take messages until the client leaves; the code to close with."""
    while True:
        try:
            text = await socket.receive_text()
        except WebSocketDisconnect:
            return GOING_AWAY
        except KeyError:  # a binary message
            return POLICY
        if len(text) > MAX_MESSAGE:
            return TOO_BIG
        if len(session.replies) == MAX_REPLIES:
            return POLICY
        session.take(text)
        wake.set()


async def _send(services: Services, socket: WebSocket, session: Session, wake: asyncio.Event) -> int:
    """Send replies, snapshots of areas just joined, and what changed; the code to close with."""
    hub: Hub = services.hub
    position = hub.version
    while not hub.closed:
        wake.clear()
        if session.replies:
            await socket.send_text(session.replies.popleft())
        elif position < hub.version:
            followed = session.selection - session.joined
            frame = hub.frame(position, followed)
            position = hub.version
            if followed:
                await socket.send_text(frame.text)
                services.metrics.events.labels("websocket", frame.event).inc()
        elif session.joined:
            frame = hub.frame(None, session.joined)
            session.joined = frozenset()
            await socket.send_text(frame.text)
            services.metrics.events.labels("websocket", frame.event).inc()
        else:
            await wake.wait()
    return GOING_AWAY
