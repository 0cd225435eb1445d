import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest
from live_api import PATIENCE, Pipeline, RunningApi, own_api, own_city, running_api, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.auth import new_key
from api.config import ApiConfig

city, api = own_city, own_api


@contextmanager
def connected(api: RunningApi, query: str = "", **options: Any) -> Iterator[ClientConnection]:
    with connect(
        f"ws://127.0.0.1:{api.port}/v1/ws{query}", proxy=None, open_timeout=PATIENCE, close_timeout=PATIENCE, **options
    ) as socket:
        yield socket


def say(socket: ClientConnection, **message: Any) -> None:
    socket.send(orjson.dumps(message).decode())


def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a type."""
    while True:
        message: dict[str, Any] = orjson.loads(socket.recv(timeout=PATIENCE))
        if message["type"] == kind:
            return message


def answer(socket: ClientConnection, message: str | bytes) -> str | bytes:
    """What comes back; the server may end the connection while the message is still being sent."""
    socket.send(message)
    return socket.recv(timeout=PATIENCE)


def test_a_client_follows_the_areas_it_subscribes_to(
    api: RunningApi, pipeline: Pipeline, codes: dict[str, str]
) -> None:
    pipeline.tick(1)
    wait_until(lambda: api.hub.snapshot.tick.number == 1, "tick 1")
    with connected(api) as socket:
        say(socket, type="subscribe", areas=[codes["east"]])
        assert hear(socket, "subscribed")["areas"] == [codes["east"]]
        assert hear(socket, "snapshot")["areas"].keys() == {codes["east"]}
        pipeline.tick(2, {codes["east"]: 60.0, codes["west"]: 50.0})
        change = hear(socket, "vitals")
        assert change["tick"] == 2
        assert change["areas"].keys() == {codes["east"]}
        assert change["areas"][codes["east"]]["composite"]["score"] == 60.0


def test_a_client_changes_what_it_follows(api: RunningApi, pipeline: Pipeline, codes: dict[str, str]) -> None:
    with connected(api, f"?areas={codes['east']}") as socket:
        assert hear(socket, "snapshot")["areas"].keys() == {codes["east"]}
        say(socket, type="subscribe", level="city", parent=codes["west"])
        assert hear(socket, "snapshot")["areas"].keys() == {codes["city"], codes["third"]}
        say(socket, type="unsubscribe", areas=[codes["east"], codes["city"]])
        assert hear(socket, "unsubscribed")["areas"] == [codes["third"]]
        pipeline.tick(1)
        assert hear(socket, "vitals")["areas"].keys() == {codes["third"]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "1",
        "{}",
        '{"type":"shout"}',
        '{"type":"subscribe","areas":["1"]}',
        '{"type":"subscribe","level":[3]}',
        '{"type":"subscribe","area":["310000"]}',
    ],
)
def test_a_message_that_means_nothing_is_answered_with_what_would(api: RunningApi, text: str) -> None:
    with connected(api) as socket:
        socket.send(text)
        error = hear(socket, "error")
        assert error["status"] == 422
        assert "must" in error["detail"]


def test_a_message_beyond_the_limit_ends_the_connection(api: RunningApi) -> None:
    with connected(api) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            answer(socket, " " * 70_000)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_binary_messages_end_the_connection(api: RunningApi) -> None:
    with connected(api) as socket, pytest.raises(ConnectionClosed):
        answer(socket, b"{}")


def test_a_foreign_origin_is_refused_before_it_is_accepted(api: RunningApi) -> None:
    with pytest.raises(InvalidStatus) as refused, connected(api, origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    assert b"foreign_origin" in (refused.value.response.body or b"")


def test_the_servers_own_origin_is_accepted(api: RunningApi) -> None:
    with connected(api, "?level=city", origin=f"http://127.0.0.1:{api.port}") as socket:
        hear(socket, "snapshot")


def test_an_unknown_host_is_refused(api: RunningApi) -> None:
    handshake = {
        "Host": "evil.example",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    assert httpx.get(f"{api.url}/v1/ws", timeout=30, headers=handshake).status_code == 403


def test_a_wrong_subscription_in_the_address_is_refused(api: RunningApi) -> None:
    with pytest.raises(InvalidStatus) as refused, connected(api, "?areas=1"):
        pass
    assert refused.value.response.status_code == 422


def test_where_keys_are_configured_one_is_needed(config: ApiConfig) -> None:
    key = new_key("ops")
    with running_api(dataclasses.replace(config, api_keys=(key,))) as api:
        with pytest.raises(InvalidStatus) as refused, connected(api):
            pass
        assert refused.value.response.status_code == 401
        for headers in ({"Authorization": f"Bearer {key}"}, {"Cookie": f"cityvitals_key={key}"}):
            with connected(api, "?level=city", additional_headers=headers) as socket:
                hear(socket, "snapshot")


def test_the_server_ends_with_sockets_open(config: ApiConfig) -> None:
    with running_api(config) as api, connected(api, "?level=city") as socket:
        hear(socket, "snapshot")
        assert api.stop(), "the server waits for sockets that never end"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=PATIENCE)
