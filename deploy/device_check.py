"""`cityvitals check-device`: is this payload right, and why is what a device sends refused. Publishes nothing."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.errors import DeployError
from deploy.settings import Settings
from deploy.stopping import StopRequest
from devices.city import CityError, load_city
from devices.contract import Flaw, Stream
from devices.explaining import explain
from devices.kinds import kinds, streams
from devices.outbox import PublishError
from devices.publisher import Server
from devices.topics import Topics, device_flaw
from ingest.payload import read_value


def run_check(stream_name: str, target: str, settings: Settings, *, mqtt_url: str | None, seconds: float | None) -> int:
    """Check a payload file if `target` is one (`-`: standard input), else listen to a device's errors.

    The exit code is 0 if everything was right, 1 if a flaw or an error was found.
    """
    stream = _stream(stream_name)
    if target == "-" or Path(target).is_file():
        content = sys.stdin.buffer.read() if target == "-" else Path(target).read_bytes()
        return _print_verdicts(verdicts(stream, content))
    if flaw := device_flaw(target):
        raise DeployError(f"{target!r} is neither a file nor a device id: {flaw.detail}")
    return _listen(stream.kind, target, settings, mqtt_url or settings.broker, seconds)


def _stream(name: str) -> Stream:
    known = streams()
    if name not in known:
        raise DeployError(f"there is no stream {name!r}; it must be one of {', '.join(sorted(known))}")
    return known[name]


def verdicts(stream: Stream, content: bytes) -> Iterator[tuple[str, str | None]]:
    """Every reading in a file with what is wrong with it, None where nothing is.

    It holds a payload (an object, or an array of them) or several payloads, one on a line. They are read as ingest
    reads them, and items of a pack are counted from 0 as in its answers; what only shows on arrival (the clock, who is
    registered, what is stored) is not judged.
    """
    for place, payload in _payloads(content):
        if isinstance(payload, Flaw):
            yield f"{place}payload", f"{payload.reason}: {payload.detail}"
            continue
        readings = payload if isinstance(payload, list) else [payload]
        for item, reading in enumerate(readings):
            flaw = explain(stream, reading)
            where = f"{place}item {item}" if isinstance(payload, list) else f"{place}reading"
            yield where, f"{flaw.reason}: {flaw.detail}" if flaw else None


def _payloads(content: bytes) -> Iterator[tuple[str, Any]]:
    """JSON values, or a Flaw where there is none, each with its place."""
    value = read_value(content)
    lines = [line for line in content.splitlines() if line.strip()]
    if not (isinstance(value, Flaw) and value.reason == "syntax") or len(lines) < 2:
        yield "", value
        return
    for number, line in enumerate(lines, 1):
        yield f"line {number}, ", read_value(line)


def _print_verdicts(found: Iterable[tuple[str, str | None]]) -> int:
    right, wrong = 0, 0
    for where, flaw in found:
        if flaw is None:
            right += 1
        else:
            wrong += 1
            print(f"{where}: {flaw}")
    print(f"{right} right, {wrong} wrong")
    return 1 if wrong or not right else 0


def _listen(kind: str, device: str, settings: Settings, url: str, seconds: float | None) -> int:
    try:
        server, city = Server.parse(url), load_city(settings.city)
    except (PublishError, CityError) as error:
        raise DeployError(str(error)) from error
    topic = Topics(city.code, kinds()).error(kind, device)
    stop = StopRequest().install()
    errors: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(server.user, server.password)
    if server.tls:
        client.tls_set()
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)

    def tell(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        errors.append(_line(bytes(message.payload)))
        print(errors[-1], flush=True)

    client.on_message = tell
    try:
        client.connect(server.host, server.port)
    except OSError as error:
        raise DeployError(
            f"no broker answers at {server} ({error}); start it or give its address with --mqtt"
        ) from error
    print(f"listening on {topic}", file=sys.stderr, flush=True)
    client.loop_start()
    stop.sleep(seconds if seconds is not None else float("inf"))
    client.disconnect()
    client.loop_stop()
    print(f"{len(errors)} messages of {device} were rejected meanwhile", file=sys.stderr)
    return 1 if errors else 0


def _line(payload: bytes) -> str:
    try:
        body = json.loads(payload)
        return f"{body['receivedAt']}  {body['reason']}: {body['detail']}"
    except (ValueError, KeyError, TypeError):
        return payload.decode("utf-8", "replace")
