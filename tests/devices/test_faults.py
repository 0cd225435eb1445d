"""Faults over a clean stream: each at its rate, seeded, and nothing happens when all rates are 0."""

import dataclasses
import re
import tomllib
from collections import Counter
from pathlib import Path

import orjson
import pytest

from devices.simulation.behaviour import Mood
from devices.simulation.faults import FaultRates, Faults, Outgoing
from devices.simulation.fleet import Emission
from devices.simulation.scenario import SCENARIOS, ScenarioError, load_scenario, parse_scenario
from devices.units import format_instant, parse_instant

START = 1_800_000_000_000_000
N = 4000


def clean(n: int = N) -> list[Emission]:
    return [
        Emission("parking_bay", f"bay-{i % 200}", {"dateObserved": format_instant(START + i * 1000), "status": "free"})
        for i in range(n)
    ]


def through(rates: FaultRates, seed: int = 1, drain_s: float = 1000.0) -> list[Outgoing]:
    faults = Faults(rates, seed)
    found: list[Outgoing] = []
    for i, emission in enumerate(clean()):
        found += faults.passed(START + i * 1000, [emission])
    return found + list(faults.passed(START + int(drain_s * 1e6), []))


def test_without_faults_every_reading_goes_out_at_once_and_unchanged() -> None:
    assert [orjson.loads(o.payload) for o in through(FaultRates())] == [e.reading for e in clean()]


def test_the_same_seed_strikes_the_same_readings() -> None:
    rates = FaultRates(drop=0.1, duplicate=0.1, delay=0.1, reorder=0.1, garbage=0.05, skewed=0.1)
    assert through(rates, 4) == through(rates, 4)
    assert through(rates, 4) != through(rates, 5)


def test_dropped_readings_are_gone() -> None:
    assert len(through(FaultRates(drop=0.25))) == pytest.approx(0.75 * N, rel=0.05)


def test_duplicates_are_byte_for_byte_the_same() -> None:
    twice = Counter(through(FaultRates(duplicate=0.2)))
    assert sum(count == 2 for count in twice.values()) == pytest.approx(0.2 * N, rel=0.15)
    assert max(twice.values()) == 2


def test_delayed_readings_are_late_but_not_lost() -> None:
    found = through(FaultRates(delay=0.3, delay_s=2.0))
    assert Counter(found) == Counter(through(FaultRates()))
    assert found != through(FaultRates())


def test_reordered_readings_keep_their_content() -> None:
    found = through(FaultRates(reorder=0.3, reorder_s=0.05))
    observed = [parse_instant(orjson.loads(o.payload)["dateObserved"]) for o in found]
    assert observed != sorted(observed)
    assert sorted(observed) == [parse_instant(e.reading["dateObserved"]) for e in clean()]


def test_garbage_is_not_the_reading_it_was() -> None:
    good = set(through(FaultRates()))
    damaged = [o for o in through(FaultRates(garbage=0.2)) if o not in good]
    assert len(damaged) == pytest.approx(0.2 * N, rel=0.15)


def test_a_skewed_clock_belongs_to_a_device() -> None:
    skews: dict[str, set[int]] = {}
    for emission, outgoing in zip(clean(), through(FaultRates(skewed=0.3, skew_s=100)), strict=True):
        off = parse_instant(orjson.loads(outgoing.payload)["dateObserved"])
        skews.setdefault(emission.device, set()).add(off - parse_instant(emission.reading["dateObserved"]))
    assert all(len(own) == 1 for own in skews.values())
    wrong = [own for own in skews.values() if own != {0}]
    assert 0.15 * 200 < len(wrong) < 0.45 * 200
    assert all(abs(next(iter(own))) <= 100_000_000 for own in wrong)


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIOS.glob("*.toml")))
def test_every_scenario_that_comes_along_can_be_read(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.title
    assert scenario.mood
    assert scenario.faults


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="'nosuch' is neither a file nor one of: calm, flaky_network"):
        load_scenario("nosuch")


def test_a_wrong_scenario_names_file_key_and_value() -> None:
    with pytest.raises(ScenarioError, match=r"x\.toml: faults\.drop is 1\.5"):
        parse_scenario('title = "t"\n[faults]\ndrop = 1.5', "x.toml")
    with pytest.raises(ScenarioError, match=r"x\.toml: mood\.wate is 2"):
        parse_scenario('title = "t"\n[mood]\nwate = 2', "x.toml")
    with pytest.raises(ScenarioError, match="not TOML"):
        parse_scenario("title = ", "x.toml")


def test_the_documented_scenario_is_valid_and_names_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert parse_scenario(example, "docs").hour == 18.0
    documented = tomllib.loads(example)
    assert set(documented["mood"]) == {field.name for field in dataclasses.fields(Mood)}
    assert set(documented["faults"]) == {field.name for field in dataclasses.fields(FaultRates)}
