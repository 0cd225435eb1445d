"""Watermarks by stream: what comes within its stream's lateness changes no final value, in whatever order it comes."""

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_material import FIRST, MINUTE, NOW, SECOND, SECOND_STREET, batch, device, digest, engine, observed

from devices.contract import ContractError, Kind, Stream, Telemetry
from devices.kinds import kinds, streams
from ingest.batch import Batch
from processing.indicators import DOMAINS, INDICATORS
from processing.lateness import late, lateness_of
from processing.method import method_version
from processing.settling import LATENESS, Settler

LATE = {"bus": 5.0, "parking_bay": 60.0, "energy_meter": 300.0}
"""seconds: a bus on the air, a bay, a meter that sends in packs"""
SLOWEST = 300 * SECOND
DEVICES = [device(1 + n, kind, (FIRST, SECOND_STREET)[n % 2]) for n, kind in enumerate([*LATE] * 4)]
LAST = 8
"""minutes that are settled"""


def stream(name: str) -> Stream:
    return replace(streams()[name], lateness=LATE[name])


def arrived(name: str, key: int, second: float, delay: float, **fields: Any) -> Batch:
    """One reading, observed some seconds from NOW and received ``delay`` seconds later."""
    made = batch(name, [(key, observed(second, **fields))])
    return replace(made, stream=stream(name), received=made.time + round(delay * 1e6))


def said(rng: random.Random, name: str) -> dict[str, Any]:
    match name:
        case "bus":
            where = {"type": "Point", "coordinates": [121 + rng.random() / 10, 31.0]}
            return {"position": where, "route": "71", "trip": "t", "seq": rng.randrange(10**6)}
        case "parking_bay":
            return {"status": rng.choice(["free", "occupied"])}
        case _:
            return {"totalActivePower": rng.random() * 10, "powerFactor": rng.random()}


def readings(seed: int, until: float = 60.0 * LAST) -> list[Batch]:
    """Each with a delay of its own, at most the lateness of its stream."""
    rng = random.Random(seed)
    made = []
    for one in DEVICES:
        second = rng.random() * 30
        while second <= until:
            delay = rng.choice([0.0, LATE[one.kind], rng.random() * LATE[one.kind]])
            made.append(arrived(one.kind, one.key, round(second, 3), delay, **said(rng, one.kind)))
            second += rng.choice([1.0, 20.0, 45.0])
    return made


def settled(arrivals: Iterable[Batch], step: int = SECOND) -> tuple[list[dict[str, bytes]], Settler]:
    """What becomes final when readings come in the order and at the time of their receipt, and the clock goes on."""
    made = Settler(engine(DEVICES), NOW, SLOWEST)
    waiting = sorted(arrivals, key=lambda one: int(one.received[0]))
    finals = []
    for now in range(NOW, NOW + LAST * MINUTE + SLOWEST + 1, step):
        while waiting and int(waiting[0].received[0]) <= now:
            made.admit(waiting.pop(0))
        while (minute := made.due(now)) is not None:
            finals.append(digest(made.settle(minute)))
    return finals, made


@pytest.mark.parametrize("seed", range(3))
def test_any_disorder_within_the_lateness_of_each_stream_gives_the_same_final_values(seed: int) -> None:
    some = readings(seed)
    reference = engine(DEVICES)
    finals, made = settled(some)
    for number in range(LAST):
        end = NOW + (number + 1) * MINUTE
        for one in some:
            if end - MINUTE < int(one.time[0]) <= end or (number == 0 and int(one.time[0]) <= NOW):
                reference.fold(one)
        assert digest(reference.evaluate(end)) == finals[number]
    assert len(finals) == LAST
    assert (made.late, made.late_by_stream, made.reopened()) == (0, {}, None)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_readings_that_are_handed_on_in_any_order_before_their_minute_is_due(dice: random.Random) -> None:
    some = readings(7, 170)
    expected, punctual = Settler(engine(DEVICES), NOW, SLOWEST), Settler(engine(DEVICES), NOW, SLOWEST)
    shuffled = dice.sample(some, len(some))
    for one, other in zip(some, shuffled, strict=True):
        expected.admit(one)
        punctual.admit(other)
    for minute in range(NOW + MINUTE, NOW + 4 * MINUTE, MINUTE):
        assert digest(expected.settle(minute)) == digest(punctual.settle(minute))


def test_silence_advances_the_watermark_with_the_clock() -> None:
    finals, made = settled([], step=10 * SECOND)
    assert len(finals) == LAST
    assert made.settled == NOW + LAST * MINUTE


def test_a_minute_waits_for_the_slowest_stream() -> None:
    #            NOW    +60 s                      +360 s
    #   bus ──────┼──5 s──▶│                          │
    #   meter ────┼───────────── 300 s ──────────────▶│       minute +60 s is due
    made = Settler(engine(DEVICES), NOW, SLOWEST)
    assert made.due(NOW + MINUTE + SLOWEST - 1) is None
    assert made.due(NOW + MINUTE + SLOWEST) == NOW + MINUTE


def test_a_bus_is_late_by_its_own_watermark_and_reopens_only_what_is_settled() -> None:
    made = Settler(engine(DEVICES), NOW, SLOWEST)
    bus = next(one.key for one in DEVICES if one.kind == "bus")
    meter = next(one.key for one in DEVICES if one.kind == "energy_meter")
    where = {"position": {"type": "Point", "coordinates": [121.0, 31.0]}}
    made.admit(arrived("bus", bus, 30, 5, **where))
    made.admit(arrived("energy_meter", meter, 30, 299, totalActivePower=1.0))
    assert made.late_by_stream == {}
    made.admit(arrived("bus", bus, 31, 5.001, **where))
    assert (made.late_by_stream, made.late, made.reopened()) == ({"bus": 1}, 0, None)
    made.settle(NOW + MINUTE)
    made.admit(arrived("bus", bus, 32, 400, **where))
    made.admit(arrived("bus", bus, 70, 2, **where))
    assert (made.late_by_stream, made.late, made.reopened()) == ({"bus": 2}, 1, NOW + 32 * SECOND)


def test_the_share_of_late_readings_goes_by_the_lateness_of_their_stream() -> None:
    made = engine(DEVICES)
    bus = next(one.key for one in DEVICES if one.kind == "bus")
    declared = streams()["bus"].lateness
    for second, delay in ((-30, declared), (-20, declared + 0.001), (-10, 0), (-5, 1)):
        where = {"position": {"type": "Point", "coordinates": [121.0, 31.0]}, "seq": 100 + second}
        one = arrived("bus", bus, second, delay, **where)
        made.fold(replace(one, stream=streams()["bus"]))
    assert made.evaluate(NOW).indicators["sensing.transit_late_share"].value[0] == 0.25


def test_late_is_longer_than_the_lateness() -> None:
    assert late(arrived("bus", 1, 0, 5, speed=1.0)).tolist() == [False]
    assert late(arrived("bus", 1, 0, 5.000001, speed=1.0)).tolist() == [True]


def test_every_kind_declares_how_late_its_streams_may_be() -> None:
    assert {name: made.lateness for name, made in streams().items()} == {
        made.name: kind.lateness for kind in kinds().values() for made in kind.streams
    }
    assert max(map(lateness_of, streams().values())) == LATENESS
    for wrong in (0.0, -1.0, 3601.0):
        with pytest.raises(ContractError, match="lateness of odd is"):
            Kind("odd", "Odd", "怪", Telemetry, lateness=wrong)


def test_the_page_names_the_lateness_of_every_stream() -> None:
    text = (Path(__file__).parents[2] / "docs" / "methodology.md").read_text(encoding="utf-8")
    table = text.split("| streams | lateness |\n", 1)[1].split("\n\n", 1)[0]
    told = {names: float(seconds) for names, seconds in re.findall(r"^ *\| (.*?) \| (\d+) s \|$", table, re.MULTILINE)}
    usual = told.pop("all others")
    own = {name: seconds for names, seconds in told.items() for name in re.findall(r"`(\w+)`", names)}
    assert {name: own.get(name, usual) for name in streams()} == {n: s.lateness for n, s in streams().items()}
    assert "one minute later (the largest lateness declared)" in text
    assert LATENESS == MINUTE


def test_the_lateness_is_part_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    before = method_version(INDICATORS, DOMAINS)
    changed = kinds() | {"bus": replace(kinds()["bus"], lateness=31.0)}
    monkeypatch.setattr("processing.method.kinds", lambda: changed)
    assert method_version(INDICATORS, DOMAINS) != before
