"""`cityvitals sensitivity`: how stable the ranks of districts are when weights and goalposts are moved."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from rich.console import Console

from deploy.errors import DeployError
from deploy.migration import without_password
from deploy.sensitivity_report import document, markdown, picture, tables
from deploy.settings import Settings
from devices.city import City, load_city
from devices.units import parse_instant
from ingest.database import connect, in_one_line
from processing.documents import iso
from processing.past import Past, full_minutes, newest_final, read_past
from processing.policy import SHIPPED, Policy, PolicyError, parse
from processing.scoring import NO_DEVICES, NOT_APPLICABLE
from processing.sensitivity import Inputs, Observed, Spread, Stability, stability
from processing.windows import MINUTE

MOST_INSTANTS = 240
FEWEST_SAMPLES = 20


@dataclass(frozen=True)
class Wanted:
    """What the command line asked for; instants as RFC 3339."""

    samples: int
    seed: int
    at: str | None
    start: str | None
    end: str | None
    spread: Spread
    policy: Path | None = None
    json: Path | None = None
    picture: Path | None = None
    markdown: bool = False


def run_sensitivity(wanted: Wanted, settings: Settings) -> int:
    """Read, sample, tell; the process's exit code."""
    if wanted.samples < FEWEST_SAMPLES:
        raise DeployError(f"--samples is {wanted.samples}, must be at least {FEWEST_SAMPLES}")
    city = load_city(settings.city)
    past = _read(settings.database, city, *_span(wanted))
    policy = _policy(wanted.policy)
    try:
        inputs = Inputs(policy.indicators, policy.domains, wanted.spread)
        outcome = stability(observed(past, policy), inputs, wanted.samples, np.random.default_rng(wanted.seed))
    except ValueError as error:
        raise DeployError(f"nothing to rank: {error}") from error
    _tell(wanted, city, past, policy, outcome)
    return 0


def observed(past: Past, policy: Policy) -> Observed:
    """Values of the policy's indicators, shape (areas, instants)."""
    shape = len(past.areas), len(past.instants)
    stored = {row.id: past.indices[row.id] for row in policy.indicators if row.id in past.indices}
    return Observed(
        past.areas,
        {name: values.value.reshape(shape) for name, values in stored.items()},
        {name: ~np.isin(values.reason, (NO_DEVICES, NOT_APPLICABLE)).reshape(shape) for name, values in stored.items()},
    )


def _span(wanted: Wanted) -> tuple[int | None, int | None]:
    """First and last instant (µs); both None: the newest final minute."""
    if wanted.at is not None and (wanted.start or wanted.end):
        raise DeployError("--at names one minute, --from and --to a span: give one or the other")
    if bool(wanted.start) != bool(wanted.end):
        raise DeployError("--from and --to belong together")
    first, last = _instant("--at", wanted.at), _instant("--at", wanted.at)
    if wanted.start:
        first, last = _instant("--from", wanted.start), _instant("--to", wanted.end)
        if first is not None and last is not None and first > last:
            raise DeployError(f"--from is {wanted.start}, must not lie after --to, {wanted.end}")
    return first, last


def _instant(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise DeployError(f"{option} is {text!r}, {error}") from error


def _read(url: str, city: City, first: int | None, last: int | None) -> Past:
    try:
        with connect(url, application="cityvitals sensitivity") as connection:
            newest = newest_final(connection, last)
            if newest is None or (first is not None and newest < first - MINUTE):
                raise DeployError("no final vital signs are stored in that time; a minute is final a minute later")
            if first is None or last is None or first == last:
                instants = [newest]
            else:
                span = full_minutes(first, newest, MINUTE)
                step = -(-len(span) // MOST_INSTANTS) * MINUTE
                instants = full_minutes(first, newest, step)
            districts = [area.code for area in city.areas if area.level == "district"]
            return read_past(connection, city, districts, instants)
    except psycopg.Error as error:
        raise DeployError(f"cannot read {without_password(url)}: {in_one_line(error)}") from error


def _policy(file: Path | None) -> Policy:
    if file is None:
        return SHIPPED
    try:
        return parse(file.read_text())
    except (OSError, UnicodeDecodeError, PolicyError) as error:
        raise DeployError(f"--policy {file}: {error}") from error


def _tell(wanted: Wanted, city: City, past: Past, policy: Policy, outcome: Stability) -> None:
    names = {area.code: area.name["en"] or area.name["zh"] for area in city.areas}
    zone = city.timezone
    frame: dict[str, Any] = {
        "methodVersion": policy.version,
        "from": iso(past.instants[0], zone),
        "to": iso(past.instants[-1], zone),
        "instants": len(past.instants),
        "samples": wanted.samples,
        "seed": wanted.seed,
        "spread": {
            "weights": wanted.spread.weights,
            "goalposts": wanted.spread.goalposts,
            "aggregation": wanted.spread.aggregation,
        },
    }
    title = (
        f"{len(outcome.areas)} districts, {wanted.samples} samples, weights ±{wanted.spread.weights:.0%}, "
        f"goalposts ±{wanted.spread.goalposts:.0%}"
    )
    try:
        if wanted.json:
            wanted.json.write_text(json.dumps(document(outcome, frame), ensure_ascii=False, indent=1) + "\n")
        if wanted.picture:
            wanted.picture.write_text(picture(outcome, names, title))
    except OSError as error:
        raise DeployError(f"cannot write {error.filename}: {error.strerror}") from error
    if wanted.markdown:
        print(markdown(outcome, names))
        return
    console = Console(soft_wrap=True)
    console.print(f"policy {policy.version}, {frame['from']} to {frame['to']}: {title}", highlight=False)
    for table in tables(outcome, names):
        console.print()
        console.print(table)
