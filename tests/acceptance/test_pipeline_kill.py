"""kill -9 in the middle of 20,000 messages: all are stored, none twice, and the city says what it would have said."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg
from acceptance_material import city_folder, environment, ledger, scalar, wait_for_ticks
from live_api import PATIENCE, wait_until
from processing_material import digest

from devices.city import City, load_city
from devices.kinds import kinds, streams
from devices.publisher import Publisher
from devices.topics import Topics
from ingest.database import migrate
from processing.service import ProcessingService

DEVICES, READINGS = 20, 1000
TOTAL = DEVICES * READINGS

Message = tuple[str, str, dict[str, Any]]
"""(stream, device, wire object)"""


def fleet() -> list[tuple[str, str]]:
    """(device, kind): four of each kind."""
    return [(f"{kind}-{n}", kind) for kind in kinds() for n in range(4)]


def messages(now_ms: int) -> list[Message]:
    """A thousand readings of every device over the last quarter of an hour; every tenth of a bus is an arrival."""
    rng = random.Random(5)
    made: list[Message] = []
    for step in range(READINGS):
        for number, (device, kind) in enumerate(fleet()):
            observed = now_ms - (READINGS - step) * 900 - number
            arrives = kind == "bus" and step % 10 == 0
            fields = arrival(observed, rng) if arrives else telemetry(kind, rng)
            stream = "bus_arrival" if arrives else kind
            made.append((stream, device, {"dateObserved": observed, "seq": step, **fields}))
    return made


def arrival(observed: int, rng: random.Random) -> dict[str, Any]:
    times = {"scheduledAt": observed - rng.randrange(-60_000, 500_000), "arrivedAt": observed}
    return {"route": "r", "trip": "t", "stop": f"s{rng.randrange(3)}", **times}


def telemetry(kind: str, rng: random.Random) -> dict[str, Any]:
    match kind:
        case "bus":
            return {"speed": round(rng.uniform(0, 60), 1)}
        case "car_park":
            return {"totalSpotNumber": 200, "occupiedSpotNumber": rng.randrange(200)}
        case "energy_meter":
            load = {"totalActivePower": rng.uniform(-10, 90), "adjustablePower": rng.random()}
            return {**load, "powerFactor": rng.uniform(0.7, 1)}
        case "garbage_hut":
            return {"fillingLevelFood": rng.random(), "nh3": rng.random() * 3, "h2s": rng.random() / 9}
        case _:
            return {"status": rng.choice(["free", "occupied"])}


@contextmanager
def pipeline(variables: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`cityvitals pipeline` as a process of its own."""
    with log.open("ab") as output:
        command = [sys.executable, "-m", "deploy.cli", "pipeline"]
        process = subprocess.Popen(command, env=os.environ | variables, stdout=output, stderr=output)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE)


def publish(broker_url: str, topics: Topics, city: City, sent: list[Message], last: threading.Event) -> None:
    """Births, then everything, the last quarter once ``last`` is set; returns when the broker has it all."""
    places = city.at_level("street")
    with Publisher(broker_url) as publisher:
        for number, (device, kind) in enumerate(fleet()):
            birth = {"area": places[number % len(places)].code, "attributes": {"reportingInterval": 600}}
            publisher.publish(topics.meta(kind, device), orjson.dumps(birth), retain=True)
        for number, (stream, device, body) in enumerate(sent):
            if number == TOTAL * 3 // 4:
                last.wait()
            publisher.publish(topics.stream(streams()[stream], device), orjson.dumps(body))
        assert publisher.flush(PATIENCE)


def settled(connection: psycopg.Connection) -> int:
    """Readings that were stored or refused."""
    state = ledger(connection)
    return state["stored"] + state["rejected"]


def run(
    database_url: str, broker_url: str, folder: Path, tmp_path: Path, sent: list[Message], kills: list[int]
) -> None:
    """Send everything through a pipeline that is killed as soon as so many are stored, each time.

    The last quarter is sent after the last kill: however fast the rest was stored, something was under way.
    """
    city = load_city(folder)
    topics = Topics(city.code, kinds())
    data = tmp_path / f"data-{city.code}"
    variables = environment(database_url, broker_url, folder, data) | {"HOME": os.environ.get("HOME", str(data))}
    log = tmp_path / f"pipeline-{city.code}.log"
    last = threading.Event()
    sending = threading.Thread(target=publish, args=(broker_url, topics, city, sent, last))
    with psycopg.connect(database_url, autocommit=True) as connection, ExitStack() as stack:
        stack.callback(last.set)
        for enough in [*kills, TOTAL]:
            with pipeline(variables, log) as process:
                if sending.ident is None:
                    wait_for_ticks(broker_url, topics)  # its session with the broker begins with its subscription
                    sending.start()
                if enough == TOTAL:
                    last.set()
                wait_until(partial(at_least, connection, enough), f"{enough} readings")
                if enough < TOTAL:
                    process.send_signal(signal.SIGKILL)
                    process.wait(PATIENCE)
        sending.join(PATIENCE)
        state = ledger(connection)
        assert (state["stored"], state["rejected"]) == (TOTAL, 0), log.read_text()[-3000:]


def at_least(connection: psycopg.Connection, enough: int) -> bool:
    return settled(connection) >= enough


def stored_messages(connection: psycopg.Connection) -> dict[str, int]:
    return {name: scalar(connection, f'SELECT count(*) FROM public."{name}"') for name in streams()}


def vital_signs(database_url: str, city: City, at: int) -> dict[str, bytes]:
    """What the city says at an instant, read back from the database as a restart does.

    How late readings arrived is left out, and with it the index of sensing: two runs never arrive alike.
    """
    service = ProcessingService(
        city=city,
        topics=Topics(city.code, kinds()),
        database_url=database_url,
        publish=lambda _messages: None,
        state=dict,
        clock=lambda: at / 1e6,
    )
    service.restore()
    snapshot = service.engine.evaluate(at)
    assert not bool(snapshot.composite.score[0] != snapshot.composite.score[0]), "the city has a composite"
    parts = digest(snapshot)
    return {name: part for name, part in parts.items() if not _tells_of_arrival(name.rsplit(".", 1)[0])}


def _tells_of_arrival(index: str) -> bool:
    return index == "sensing" or index.endswith("_late_share")


def test_a_pipeline_that_is_killed_loses_nothing_and_says_the_same(
    database_url: str, empty_database_url: str, broker_url: str, tmp_path: Path
) -> None:
    migrate(empty_database_url)
    now = time.time_ns() // 1_000_000_000 * 1000
    sent = messages(now)
    expected: dict[str, int] = defaultdict(int)
    for stream, _, _ in sent:
        expected[stream] += 1
    killed, whole = city_folder(tmp_path / "killed", "71"), city_folder(tmp_path / "whole", "72")
    run(database_url, broker_url, killed, tmp_path, sent, kills=[TOTAL // 8, TOTAL // 2])
    run(empty_database_url, broker_url, whole, tmp_path, sent, kills=[])
    for url in (database_url, empty_database_url):
        with psycopg.connect(url, autocommit=True) as connection:
            assert {name: n for name, n in stored_messages(connection).items() if n} == expected
            for name in expected:
                once = f'SELECT count(DISTINCT (device, date_observed, seq)) FROM public."{name}"'
                assert scalar(connection, once) == expected[name], "stored twice"
    at = (now + 1000) * 1000
    assert vital_signs(database_url, load_city(killed), at) == vital_signs(empty_database_url, load_city(whole), at)
