"""`cityvitals recompute`: rebuild vital signs of the past from stored readings, beside live traffic."""

import math
import os
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from deploy.checkpoint import Checkpoint
from deploy.errors import DeployError
from deploy.migration import without_password
from deploy.settings import Settings
from devices.city import City, load_city
from devices.units import format_instant, parse_instant
from ingest.database import connect, in_one_line
from processing.documents import iso
from processing.policy import SHIPPED, Policy, PolicyError, parse
from processing.policy_store import keep_policy, load_changes
from processing.rebuilding import Spans, new_engine, rebuild
from processing.recompute import longest_window
from processing.settling import LATENESS, full_minute
from processing.timeline import Timeline
from processing.windows import MINUTE

INTERRUPTED = 130
_NICE = 5
"""the ticks of the live pipeline come first"""
_LINE_EVERY_S = 10.0


@dataclass(frozen=True)
class Wanted:
    """What the command line asked for; instants as RFC 3339, ``end`` exclusive and by default now."""

    start: str
    end: str | None
    policy: Path | None = None
    dry_run: bool = False
    anew: bool = False


def run_recompute(wanted: Wanted, settings: Settings, stop: threading.Event) -> int:
    """Rebuild until done or ``stop``; the process's exit code."""
    city = load_city(settings.city)
    policy = _policy(wanted.policy)
    first, last = _span(wanted)
    key = (wanted.start, wanted.end or "", policy.version if policy else "", str(wanted.dry_run), settings.database)
    checkpoint = Checkpoint(settings.data_dir, "recompute", *key)
    if wanted.anew:
        checkpoint.done()
    try:
        with closing(connect(settings.database, application="cityvitals recompute")) as connection:
            connection.autocommit = True
            spans = _spans(connection, policy, first, last)
            _check_kept(settings, city, spans, first)
            if policy is not None and not wanted.dry_run:
                keep_policy(connection, policy, first)
        return _rebuild(settings.database, city, spans, checkpoint, stop, dry_run=wanted.dry_run)
    except psycopg.Error as error:
        raise DeployError(
            f"the database at {without_password(settings.database)} failed: {in_one_line(error)}; "
            "run the same command again, it goes on where it was"
        ) from error


def _rebuild(
    url: str, city: City, spans: Spans, checkpoint: Checkpoint, stop: threading.Event, *, dry_run: bool
) -> int:
    os.nice(_NICE)
    first, last = spans[0][0], spans[-1][1]
    state = checkpoint.read() or {"next": first, "values": 0, "changed": 0}
    done_before = min(max(state["next"], first), last + MINUTE)
    console = Console(stderr=True)
    if done_before > first:
        console.print(f"going on at {iso(done_before, city.timezone)}")
    left = [(max(start, done_before), end, policy) for start, end, policy in spans if end >= done_before]
    began = time.monotonic()
    with connect(url, application="cityvitals recompute") as readings, connect(url) as stored, _bar(console) as bar:
        for connection in (readings, stored):
            connection.autocommit = True
        task = bar.add_task("recompute", total=(last - first) // MINUTE + 1, completed=(done_before - first) // MINUTE)
        spoken = began
        if left:
            with closing(rebuild(readings, None if dry_run else stored, stored, city, left)) as progress:
                for done in progress:
                    state = {
                        "next": done.minute + MINUTE,
                        "values": state["values"] + done.values,
                        "changed": state["changed"] + done.changed,
                    }
                    checkpoint.write(state)
                    bar.update(task, completed=(done.minute - first) // MINUTE + 1)
                    if bar.disable and time.monotonic() - spoken > _LINE_EVERY_S:
                        spoken = time.monotonic()
                        console.print(f"done up to {iso(done.minute, city.timezone)}")
                    if stop.is_set():
                        break
    if state["next"] <= last:
        print(f"stopped at {iso(state['next'], city.timezone)}; the same command goes on there")
        return INTERRUPTED
    checkpoint.done()
    _tell(first, last, done_before, state, time.monotonic() - began, dry_run=dry_run)
    return 0


def _tell(first: int, last: int, done_before: int, state: dict[str, int], seconds: float, *, dry_run: bool) -> None:
    minutes = (last - first) // MINUTE + 1
    worked = (last - done_before) // MINUTE + 1
    verdict = "differ from what is stored" if dry_run else "were new or changed and are written as revisions"
    print(f"{minutes} minutes, {state['values']} values: {state['changed']} {verdict}")
    if worked > 0 and seconds > 0:
        print(f"{worked} minutes in {seconds:.1f} s: {worked * 60 / seconds:.0f} times as fast as they passed")


def _span(wanted: Wanted) -> tuple[int, int]:
    """First and last minute (µs); what is not settled yet is left to the pipeline."""
    newest = full_minute(time.time_ns() // 1000 - LATENESS)
    first = -(-_instant("--from", wanted.start) // MINUTE) * MINUTE
    last = newest
    if wanted.end is not None:
        last = min(-(-_instant("--to", wanted.end) // MINUTE) * MINUTE - MINUTE, newest)
    if first > last:
        raise DeployError(
            f"--from is {wanted.start}, must be before --to and before {format_instant(newest)}, the newest minute"
        )
    return first, last


def _instant(option: str, text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise DeployError(f"{option} is {text!r}; it {error}") from error


def _policy(file: Path | None) -> Policy | None:
    if file is None:
        return None
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"--policy {file} cannot be read: {error}") from error
    except PolicyError as error:
        raise DeployError(f"--policy {file}: {error}") from error


def _spans(connection: psycopg.Connection, policy: Policy | None, first: int, last: int) -> Spans:
    """The minutes by policy: the one given, else that which was in force."""
    if policy is not None:
        return [(first, last, policy)]
    known = [(at, recorded) for at, _, recorded in load_changes(connection) if recorded is not None]
    return Timeline(known or [(first, SHIPPED)]).spans(first, last)


def _check_kept(settings: Settings, city: City, spans: Spans, first: int) -> None:
    """The readings that the first minute looks back on must still be there."""
    reach = max(longest_window(new_engine(city, policy)) for _, _, policy in spans)
    kept = replace(settings.retention, vitals=math.inf).whole_from(time.time_ns() // 1000, reach)
    if kept is not None and first < kept:
        raise DeployError(
            f"--from is too early: readings are kept for a limited time, minutes before {iso(kept, city.timezone)} "
            "can no longer be made from them"
        )


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
