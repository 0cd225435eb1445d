"""Runs the sending side as a process: a simulated city or a recorded trace, published over MQTT until told to stop.

``run_simulation`` and ``run_replay`` take everything as arguments (no environment, no signal handling of their
own) and return an exit code: 0 after a clean end or stop, 1 with one line on standard error when it cannot be done.
The caller sets ``stop`` on SIGINT or SIGTERM; ``stop_on_signals`` makes such an event.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deploy.courier import Courier
from devices.area import CityError
from devices.city import load_city
from devices.kinds import kinds, streams
from devices.publisher import Publisher, PublishError
from devices.replay import Recording, Speed, TraceError, births, in_words, messages, open_trace, start
from devices.simulation.faults import Faults
from devices.simulation.fleet import INTERVAL_S, Birth, Fleet
from devices.simulation.scenario import ScenarioError, load_scenario
from devices.topics import Topics
from devices.units import EPOCH, MICROSECOND

TICK_S = 0.1
REPORT_EVERY_S = 60.0
LINE_EVERY_S = 10.0
LAST_ACK_S = 120.0
INTERRUPTED = 130


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set. Call it from the main thread."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def say(line: str) -> None:
    """One line for the operator, on standard error."""
    print(line, file=sys.stderr, flush=True)


def run_simulation(
    mqtt_url: str,
    city: str | Path,
    devices: int,
    seed: int,
    stop: threading.Event,
    *,
    speed: float = 1.0,
    scenario: str | Path = "calm",
    interval: float = INTERVAL_S,
    online: bool = False,
    through_gateway: bool = False,
) -> int:
    """Publish a simulated city until ``stop``.

    ``speed``: how much faster the simulated time of day runs; timestamps are always the real now. ``interval``:
    seconds between two reports of a device. ``online``: also keep a retained ``status`` per device.
    ``through_gateway``: one gateway speaks for all devices, and sends again what the watermarks say is missing.
    """
    try:
        the_city, the_scenario = load_city(city), load_scenario(scenario)
        topics = Topics(the_city.code, kinds())
        listen = topics.watermarks if through_gateway else None
        with Publisher(mqtt_url, name="simulator", listen=listen) as publisher:
            start = datetime.now(UTC)
            fleet = Fleet(
                the_city,
                kinds(),
                devices,
                seed,
                start,
                speed=speed,
                interval=interval,
                mood=the_scenario.mood,
                hour=the_scenario.hour,
            )
            courier = Courier(publisher, start, f"gateway-{seed}") if through_gateway else None
            born = [courier.gateway.introduced(birth) if courier else birth for birth in fleet.births()]
            announce(publisher, topics, born, stop, status="online" if online else None)
            say(f"simulating {len(fleet)} devices in {the_city.name['en']}: {the_scenario.title}")
            rates = replace(the_scenario.faults, skewed=0.0) if courier else the_scenario.faults
            _simulate(publisher, topics, fleet, Faults(rates, seed), stop, courier)
            if online:
                _say_status(publisher, topics, born, "offline")
            if courier:
                say(courier.report())
            say(f"simulation stopped after {publisher.progress.published} messages")
    except (CityError, ScenarioError, PublishError, ValueError) as error:
        say(f"simulate: {error}")
        return 1
    return 0


def announce(
    publisher: Publisher, topics: Topics, born: Iterable[Birth], stop: threading.Event, *, status: str | None = None
) -> bool:
    """Publish births, retained, and wait until the broker has them all; False if ``stop`` came first."""
    born = list(born)
    for birth in born:
        topic = topics.meta(birth.kind, birth.device)
        if not publisher.publish(topic, orjson.dumps(birth.meta), retain=True, stop=stop.is_set):
            return False
    if status is not None:
        _say_status(publisher, topics, born, status)
    return publisher.flush(stop=stop.is_set)


def _say_status(publisher: Publisher, topics: Topics, born: Iterable[Birth], status: str) -> None:
    for birth in born:
        publisher.publish(topics.status(birth.kind, birth.device), status.encode(), retain=True)


def _simulate(
    publisher: Publisher,
    topics: Topics,
    fleet: Fleet,
    faults: Faults,
    stop: threading.Event,
    courier: Courier | None = None,
) -> None:
    by_name = streams()
    reported = time.monotonic()
    while not stop.is_set():
        now = datetime.now(UTC)
        micros = (now - EPOCH) // MICROSECOND
        emissions = fleet.readings(now)
        for outgoing in faults.passed(micros, courier.passed(micros, emissions) if courier else emissions):
            topic = topics.stream(by_name[outgoing.stream], outgoing.device)
            if not publisher.publish(topic, outgoing.payload, stop=stop.is_set):
                return
        if time.monotonic() - reported >= REPORT_EVERY_S:
            reported = time.monotonic()
            progress = publisher.progress
            away = "" if progress.connected else f"; the broker is away: {progress.trouble}"
            say(f"published {progress.published}, acknowledged {progress.acknowledged}{away}")
            if courier:
                say(courier.report())
        stop.wait(TICK_S)


def run_replay(
    trace: str | Path,
    mqtt_url: str,
    city: str | Path,
    stop: threading.Event,
    *,
    speed: Speed = 1.0,
    map_file: str | Path | None = None,
) -> int:
    """Publish a recorded trace, its clock moved to now, and print a summary.

    ``trace`` is a folder or the name of a bundled one; ``speed`` how much faster than recorded, or ``"max"``
    (``devices.replay.parse_speed`` reads it from text). 0 only if the whole trace was acknowledged by the broker;
    130 when ``stop`` came first.
    """
    try:
        the_city = load_city(city)
        topics = Topics(the_city.code, kinds())
        recording, located = open_trace(trace, the_city, map_file)
        if located.remark:
            say(located.remark)
        pace = start(recording, 0, speed).speed
        with Publisher(mqtt_url, name="replay") as publisher:
            say(f"replaying {len(recording.rows)} rows of {len(recording.devices)} devices from {located.folder}")
            began = time.monotonic()
            announce(publisher, topics, births(recording, pace), stop)
            published = _replay(publisher, topics, recording, speed, stop)
            acknowledged = publisher.flush(LAST_ACK_S)
            return _summary(publisher, recording, published, acknowledged, time.monotonic() - began)
    except (CityError, TraceError, PublishError) as error:
        say(f"replay: {error}")
        return 1


def _replay(publisher: Publisher, topics: Topics, recording: Recording, speed: Speed, stop: threading.Event) -> int:
    """Publish every row when it is due; returns how many were handed over before ``stop``."""
    clock = start(recording, _now(), speed)
    published, now, spoken = 0, 0, time.monotonic()
    with _progress() as progress:
        task = progress.add_task(recording.name, total=len(recording.rows))
        for due, topic, payload in messages(recording, clock, topics):
            while due > now and due > (now := _now()):
                if stop.wait(min((due - now) / 1e6, 0.2)):
                    return published
            if not publisher.publish(topic, payload, stop=stop.is_set):
                return published
            published += 1
            if published % 256 == 0 or due > now - 100_000:
                progress.update(task, completed=published)
                if progress.disable and time.monotonic() - spoken > LINE_EVERY_S:
                    spoken = time.monotonic()
                    pending = publisher.progress.pending
                    say(f"{published} of {len(recording.rows)} rows published, {pending} not yet acknowledged")
        progress.update(task, completed=published)
    return published


def _now() -> int:
    return time.time_ns() // 1000


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _summary(publisher: Publisher, recording: Recording, published: int, acknowledged: bool, seconds: float) -> int:
    state, total = publisher.progress, len(recording.rows)
    print(
        f"{recording.name}: {recording.tally.read} rows read, {published} of {total} readings published, "
        f"{len(recording.devices)} devices, {seconds:.1f} s"
    )
    if recording.tally.skipped:
        print(in_words(recording.tally))
    if published < total:
        print("stopped before the end")
        return INTERRUPTED
    if not acknowledged or state.refused:
        trouble = state.trouble or "no answer"
        print(f"{state.pending} not acknowledged, {state.refused} refused by the broker: {trouble}")
        return 1
    print("all acknowledged by the broker")
    return 0
