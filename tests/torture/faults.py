"""What the nemesis can do to a world, and how each is healed."""

import contextlib
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from tests.torture import packets, shifted_clock
from tests.torture.proxy import Proxy
from tests.torture.world import World

Heal = Callable[[], None]


def nothing() -> None:
    """Healing of a fault that is over at once."""


@dataclass(frozen=True)
class Fault:
    """One way to do harm. ``strike`` returns how to heal; it raises ``MissedError`` when there was nothing to harm."""

    name: str
    on: frozenset[str]
    """the parts it concerns; two faults of one step concern different ones"""
    strike: Callable[[World, random.Random], Heal]


class MissedError(Exception):
    """The fault could not be done now, or never here (``for_good``); the message says why."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


def _kill_pipeline(world: World, rng: random.Random) -> Heal:
    world.pipeline.kill()
    return world.pipeline.start


def _stop_pipeline(world: World, rng: random.Random) -> Heal:
    world.pipeline.stop()
    return world.pipeline.proceed


def _kill_database(world: World, rng: random.Random) -> Heal:
    world.database.kill()
    return world.database.start


def _kill_backend(world: World, rng: random.Random) -> Heal:
    """PostgreSQL itself then restarts all of its sessions from the write-ahead log."""
    with world.connect() as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'cityvitals ingest' LIMIT 1"
        ).fetchone()
    if row is None:
        raise MissedError("the pipeline has no session")
    with contextlib.suppress(psycopg.Error), world.connect() as connection:
        os.kill(row[0], signal.SIGKILL)
        while connection.execute("SELECT 1"):  # until PostgreSQL ends this session as well
            time.sleep(0.02)
    return world.database.wait_ready


def _stop_database(world: World, rng: random.Random) -> Heal:
    world.database.stop()
    return world.database.proceed


def _restart_database(world: World, rng: random.Random) -> Heal:
    world.database.end()
    return world.database.start


def _kill_broker(world: World, rng: random.Random) -> Heal:
    world.note_broker_loss()
    world.broker.kill()
    return world.broker.start


def _restart_broker(world: World, rng: random.Random) -> Heal:
    world.broker.end()
    return world.broker.start


def _stop_broker(world: World, rng: random.Random) -> Heal:
    world.broker.stop()
    return world.broker.proceed


def _wipe_session(world: World, rng: random.Random) -> Heal:
    """Somebody connects with the pipeline's client id and a clean start: the broker forgets what it kept for it."""
    world.note_broker_loss()
    with socket.create_connection(("127.0.0.1", world.broker_port), timeout=60) as line:
        line.sendall(packets.connect(f"cityvitals-pipeline-{world.city_code}", clean=True))
        line.recv(100)
        line.sendall(packets.DISCONNECT_PACKET)
    return nothing


def _wipe_persistence(world: World, rng: random.Random) -> Heal:
    """The broker comes back without the file in which it kept sessions."""
    world.note_broker_loss()
    world.broker.kill()
    (world.broker_folder / "mosquitto.db").unlink(missing_ok=True)
    return world.broker.start


def _fill_disk(world: World, rng: random.Random) -> Heal:
    """The pipeline's disk is full while the database is away, so that not even the spool takes anything."""
    if not world.has_own_disk:
        raise MissedError("a small disk can be mounted by root alone", for_good=True)
    filler = world.data / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while shutil.disk_usage(world.data).free > 0:
            file.write(b"\0" * 65_536)
    world.database.stop()

    def heal() -> None:
        world.database.proceed()
        time.sleep(0.5)
        filler.unlink()

    return heal


def _jump(world: World, rng: random.Random) -> Heal:
    """By minutes within what every reading survives, or by days: then the clock decides what is refused."""
    seconds = rng.choice([-170.0, 170.0, -86_400.0, 2 * 86_400.0])
    shifted_clock.set_shift(world.clock, seconds)
    world.clock_jumps.append(seconds)
    return lambda: shifted_clock.set_shift(world.clock, 0.0)


def _on_link(which: str, act: Callable[[Proxy], None]) -> Callable[[World, random.Random], Heal]:
    def strike(world: World, rng: random.Random) -> Heal:
        link = world.mqtt_link if which == "mqtt" else world.database_link
        assert link is not None
        if not link.live:
            raise MissedError(f"no connection goes over the {which} link")
        act(link)
        return link.heal

    return strike


def _slow(link: Proxy) -> None:
    link.slow(40_000)


def _reset(link: Proxy) -> None:
    if not link.reset():
        raise MissedError("no connection was up")


def _forget(link: Proxy) -> None:
    link.forget()
    link.stall()


FAULTS: tuple[Fault, ...] = (
    Fault("pipeline killed", frozenset({"pipeline"}), _kill_pipeline),
    Fault("pipeline stopped", frozenset({"pipeline"}), _stop_pipeline),
    Fault("database killed", frozenset({"database"}), _kill_database),
    Fault("database session killed", frozenset({"database"}), _kill_backend),
    Fault("database stopped", frozenset({"database"}), _stop_database),
    Fault("database restarted", frozenset({"database"}), _restart_database),
    Fault("broker killed", frozenset({"broker"}), _kill_broker),
    Fault("broker restarted", frozenset({"broker"}), _restart_broker),
    Fault("broker stopped", frozenset({"broker"}), _stop_broker),
    Fault("session wiped", frozenset({"broker"}), _wipe_session),
    Fault("persistence wiped", frozenset({"broker"}), _wipe_persistence),
    Fault("disk full", frozenset({"disk", "database"}), _fill_disk),
    Fault("clock jumped", frozenset({"clock"}), _jump),
    *(
        Fault(f"{which} link {word}", frozenset({part}), _on_link(which, act))
        for which, part in (("mqtt", "broker"), ("database", "database"))
        for word, act in (
            ("stalled", Proxy.stall),
            ("slowed", _slow),
            ("reset", _reset),
            ("refused", Proxy.refuse),
            ("forgotten", _forget),
        )
    ),
)
