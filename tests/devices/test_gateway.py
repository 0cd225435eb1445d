"""A gateway keeps what is not confirmed and sends it again; checked against a lossy line and the real watermark."""

import random
from typing import Any

from devices.simulation.fleet import Birth, Emission
from devices.simulation.gateway import LONGEST_SILENCE, MOST_AT_ONCE, PATIENCE, Gateway
from devices.units import format_instant
from ingest.watermark import Asked, Watermark

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def reading(device: str, at: int) -> Emission:
    return Emission("parking_bay", device, {"dateObserved": format_instant(at), "status": "free"})


def answer(watermark: Watermark) -> dict[str, Any]:
    return watermark.describe("parking_bay", START)


def told(*numbers: int) -> dict[str, Any]:
    return answer(Watermark.start(Asked(since=START)).joined([(n, n) for n in numbers]))


def sent(gateway: Gateway, now: int, count: int, device: str = "bay-1") -> list[int]:
    taken = [gateway.take(reading(device, now), now) for _ in range(count)]
    return [emission.reading["seq"] for emission in taken if emission is not None]


def test_a_device_is_introduced_as_standing_behind_the_gateway() -> None:
    meta = {"area": "310104003", "attributes": {"reportingInterval": 10}}
    born = Gateway("gw-1", START).introduced(Birth("bus", "bus-1", meta))
    assert born.meta["attributes"] == {
        "reportingInterval": 10,
        "gateway": "gw-1",
        "watermark": {"from": 0, "since": format_instant(START)},
    }
    assert meta["attributes"] == {"reportingInterval": 10}


def test_readings_are_numbered_by_device_and_sent_in_the_gateways_name() -> None:
    gateway = Gateway("gw-1", START)
    assert sent(gateway, START, 2) == [0, 1]
    assert sent(gateway, START, 1, "bay-2") == [0]
    (emission,) = [gateway.take(reading("bay-1", START), START)]
    assert emission is not None
    assert (emission.device, emission.reading["device"], emission.reading["seq"]) == ("gw-1", "bay-1", 2)


def test_what_is_confirmed_is_forgotten_and_what_is_missing_goes_out_again() -> None:
    gateway = Gateway("gw-1", START)
    sent(gateway, START, 6)
    later = START + PATIENCE
    gateway.hear("bay-1", told(0, 1, 3), later)
    assert (gateway.confirmed, gateway.kept) == (3, 3)
    assert [emission.reading["seq"] for emission in gateway.again(later)] == [2]
    assert list(gateway.again(later)) == []
    gateway.hear("bay-1", told(0, 1, 2, 3, 4, 5), later + 1)
    assert gateway.kept == 0
    assert list(gateway.again(later + PATIENCE)) == []


def test_a_gap_is_given_time_to_close_by_itself() -> None:
    gateway = Gateway("gw-1", START)
    sent(gateway, START, 3)
    gateway.hear("bay-1", told(0, 2), START + 1)
    assert list(gateway.again(START + 1)) == []
    assert len(list(gateway.again(START + PATIENCE))) == 1


def test_the_last_readings_are_sent_again_though_no_gap_can_tell_of_them() -> None:
    gateway = Gateway("gw-1", START)
    sent(gateway, START, 3)
    later = START + LONGEST_SILENCE + SECOND
    sent(gateway, later, 1, "bay-2")
    gateway.hear("bay-2", told(0), later)
    assert [emission.reading["seq"] for emission in gateway.again(later)] == [0, 1, 2]


def test_while_nobody_answers_a_single_reading_asks_whether_somebody_is_there() -> None:
    gateway = Gateway("gw-1", START)
    sent(gateway, START, 3)
    later = START + LONGEST_SILENCE + SECOND
    assert [len(list(gateway.again(later + n * SECOND))) for n in range(40)] == [1, *[0] * 29, 1, *[0] * 9]


def test_answers_to_others_or_to_an_earlier_life_are_not_believed() -> None:
    gateway = Gateway("gw-1", START)
    sent(gateway, START, 3)
    gateway.hear("bay-1", answer(Watermark(99, 99)), START)
    gateway.hear("bay-1", answer(Watermark(99, 99, since=START - 1)), START)
    gateway.hear("bay-7", told(0, 1), START)
    assert (gateway.confirmed, gateway.kept) == (0, 3)


def test_a_full_buffer_refuses_what_is_new_and_forgets_nothing() -> None:
    gateway = Gateway("gw-1", START, capacity=2)
    assert sent(gateway, START, 5) == [0, 1]
    assert (gateway.refused, gateway.kept) == (3, 2)
    gateway.hear("bay-1", told(0), START)
    assert sent(gateway, START, 1) == [2]


def test_what_was_observed_before_the_count_began_gets_no_number() -> None:
    emission = Gateway("gw-1", START).take(reading("bay-1", START - 1), START)
    assert emission is not None
    assert "seq" not in emission.reading


def test_over_a_line_that_loses_a_third_everything_arrives() -> None:
    rng = random.Random(7)
    gateway, stored = Gateway("gw-1", START), dict[str, Watermark]()
    for second in range(200):
        now = START + second * SECOND
        fresh = [gateway.take(reading(f"bay-{n}", now), now) for n in range(3)] if second < 100 else []
        for emission in [*filter(None, fresh), *gateway.again(now)]:
            if rng.random() < 0.33:
                continue
            device, number = emission.reading["device"], emission.reading["seq"]
            before = stored.get(device, Watermark.start(Asked(since=START)))
            stored[device] = before.joined([(number, number)])
            gateway.hear(device, answer(stored[device]), now)
    assert {device: mark.committed for device, mark in stored.items()} == dict.fromkeys(("bay-0", "bay-1", "bay-2"), 99)
    assert (gateway.kept, gateway.confirmed) == (0, 300)
    assert gateway.sent_again < 300 + MOST_AT_ONCE
