"""Sums over fresh devices that are kept up to date are those of counting all devices anew, bit for bit."""

import math
import random
from collections import defaultdict
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_material import MINUTE, NOW, SECOND, batch, device, digest, engine, observed

from ingest.registry import Devices
from processing import kernels
from processing.engine import Engine
from processing.heard import Heard, Newest
from processing.roster import Roster
from tests.processing import naive

AREAS, SLOTS = 4, 5
areas = st.integers(-1, AREAS - 1)
times = st.integers(0, 40)
values = st.sampled_from([0.0, 1.0, -3.25, 0.125, 2.0**-60, 2.0**39, 2.0**41, math.inf, math.nan])
readings = st.tuples(st.just("reading"), st.integers(-1, SLOTS - 1), times, st.integers(0, 2), values, values)
steps = st.lists(readings | st.tuples(st.just("tick"), st.integers(0, 60)), max_size=30)


def exact(hi: Any, lo: Any) -> Fraction:
    return Fraction(int(hi), 2**10) + Fraction(int(lo), 2**60)


class Sums:
    """What a tracker keeps, with kernels alone."""

    def __init__(self, area: list[int], group: list[int], reach: list[int], kept: str) -> None:
        self.places = np.array(list(zip(area, group, strict=True)), kernels.PLACE)
        self.reach = np.array(reach, np.int64)
        self.kept = kept
        self.newest, self.order = np.full(SLOTS, kernels.NEVER), np.zeros(SLOTS, np.int32)
        self.values, self.codes = np.full(SLOTS, math.nan), np.full(SLOTS, kernels.UNKNOWN, np.int8)
        self.pers = np.full(SLOTS if kept == "ratios" else 0, math.nan)
        self.counts, self.partials = kernels.empty_counts(AREAS), kernels.empty_partials(AREAS)
        self.bound, self.at = np.full(1, kernels.FOREVER), int(kernels.FOREVER)

    def fold(self, slot: int, time: int, seq: int, value: float, per: float) -> None:
        moves = np.empty(1, kernels.MOVE)
        row = np.array([slot], np.int32), np.array([time]), np.array([seq])
        moves = moves[: kernels.fold_newest(*row, self.newest, self.order, moves)]
        kernels.place_moves(moves, self.places, self.reach, self.at, self.counts, self.bound)
        if self.kept == "codes":
            kernels.move_codes(moves, np.array([value]), self.codes, self.partials)
        else:
            kernels.move_values(moves, np.array([value]), np.array([per]), self.values, self.pers, self.partials)

    def tick(self, at: int) -> None:
        slots = np.empty(SLOTS, np.int32)
        count = kernels.sweep(self.newest, self.places, self.reach, self.at, at, self.bound, slots)
        sign = 1 if at < self.at else -1
        kernels.shift_counts(slots[:count], sign, self.newest, self.places, self.counts)
        if self.kept == "codes":
            kernels.shift_codes(slots[:count], sign, self.places, self.codes, self.partials)
        else:
            kernels.shift_values(slots[:count], sign, self.places, self.values, self.pers, self.partials)
        self.at = at


@pytest.mark.parametrize("kept", ["codes", "values", "ratios"])
@given(
    area=st.lists(areas, min_size=SLOTS, max_size=SLOTS),
    group=st.lists(st.integers(0, 2), min_size=SLOTS, max_size=SLOTS),
    reach=st.lists(st.sampled_from([-1, 3, 10, 25]), min_size=3, max_size=3),
    steps=steps,
)
@settings(max_examples=60, deadline=None)
def test_kept_sums_are_those_of_the_naive_twin(
    kept: str, area: list[int], group: list[int], reach: list[int], steps: list[Any]
) -> None:
    sums, latest = Sums(area, group, reach, kept), [naive.Latest() for _ in range(SLOTS)]
    expected_in = [a if reach[g] >= 0 else -1 for a, g in zip(area, group, strict=True)]
    for step in [*steps, ("tick", 30), ("tick", 5)]:
        if step[0] == "reading":
            slot, time, seq, value, per = step[1:]
            if kept == "codes" and value not in (0.0, 1.0, math.inf):
                value = math.nan
            per = per if kept == "ratios" else 1.0
            sums.fold(slot, time, seq, value, per)
            naive.fold_latest([slot], [time], [seq], [value], [per], latest)
            continue
        sums.tick(step[1])
        expected = [naive.Partial() for _ in range(AREAS)]
        naive.reduce_latest(expected_in, [step[1] - reach[g] for g in group], latest, expected)
        for label, (partial, count, twin) in enumerate(zip(sums.partials, sums.counts, expected, strict=True)):
            assert (count["fresh"], count["newest"]) == (twin.fresh, twin.newest)
            fresh = [d.time for d, a, g in zip(latest, expected_in, group, strict=True)
                     if a == label and d.time + reach[g] >= step[1]]  # fmt: skip
            assert count["times"] == sum(fresh)
            assert (partial["count"], partial["excused"]) == (twin.reporting, twin.excused)
            assert exact(partial["hi"], partial["lo"]) == twin.total
            assert exact(partial["per_hi"], partial["per_lo"]) == twin.per_total
            assert 0 <= partial["lo"] < 2**50
            assert 0 <= partial["per_lo"] < 2**50


KINDS = {"garbage_hut": 0, "parking_bay": 100, "car_park": 200, "energy_meter": 400}


def some_reading(rng: random.Random, kind: str, at: float) -> dict[str, Any]:
    seconds = at - rng.choice([0, 1, 30, 170, 181, 400])
    fields: dict[str, Any] = {
        "garbage_hut": {"fillingLevelFood": rng.random(), "nh3": rng.random() * 3},
        "parking_bay": {"status": rng.choice(["free", "occupied", "unknown", "closed"])},
        "car_park": {"totalSpotNumber": 100, "occupiedSpotNumber": rng.randrange(110)},
        "energy_meter": {"powerFactor": rng.random(), "adjustablePower": 0.1, "totalActivePower": rng.uniform(-5, 50)},
    }[kind]
    kept = {name: value for name, value in fields.items() if name == "status" or rng.random() < 0.7} or fields
    return observed(seconds, seq=rng.choice([1, 2, 2**40]), **kept)


def some_device(rng: random.Random, kind: str) -> Any:
    more: dict[str, Any] = {}
    if rng.random() < 0.3:
        more["measures"] = rng.choice([["nh3"], ["totalActivePower"], ["status", "fillingLevelFood"]])
    if rng.random() < 0.3:
        more["reportingInterval"] = rng.choice([1, 10, 100])
    if rng.random() < 0.1:
        more["retired"] = True
    return device(KINDS[kind] + rng.randrange(1, 10), kind, rng.randrange(6), **more)


@pytest.mark.parametrize("seed", range(12))
def test_an_engine_that_was_asked_in_between_says_what_one_says_that_was_not(seed: int) -> None:
    """Reading, registering, moving, retiring and looking at earlier and later instants, in any order."""
    rng = random.Random(seed)
    asked, at = engine(), 0.0
    told: list[Any] = []

    def tell(made: Engine, what: Any) -> None:
        made.register(what) if isinstance(what, list) else made.fold(what)

    for _ in range(40):
        kind = rng.choice(list(KINDS))
        if rng.random() < 0.3:
            told.append([some_device(rng, kind) for _ in range(rng.randrange(1, 4))])
        else:
            rows = [(KINDS[kind] + rng.randrange(1, 10), some_reading(rng, kind, at)) for _ in range(rng.randrange(8))]
            told.append(batch(kind, rows))
        tell(asked, told[-1])
        if rng.random() < 0.4:
            at = max(at, at + rng.choice([0, 1, 20, 60]))
            look = at - rng.choice([0, 0, 0, 100])
            fresh = engine()
            for what in told:
                tell(fresh, what)
            instant = NOW + int(look) * SECOND
            assert digest(asked.evaluate(instant)) == digest(fresh.evaluate(instant))
            assert asked.worst(instant) == fresh.worst(instant)


def test_blocks_in_which_nobody_expires_are_not_looked_at_and_none_is_missed() -> None:
    count = 3 * int(kernels.BLOCK)
    roster = Roster(engine().rosters["parking_bay"].kind, {"990101001": 0})
    bays = (device(1 + n, "parking_bay", 3, reportingInterval=10 + n % 7) for n in range(count))
    roster.update(roster.place(Devices.of(bays)))
    heard, rng = Heard(1), random.Random(1)
    heard.grow(roster.capacity)
    watch, newest = heard.watch(roster, ()), defaultdict(lambda: int(kernels.NEVER))
    for second in range(0, 200, 3):
        at = NOW + second * SECOND
        for slot in rng.sample(range(count), 150):
            newest[slot] = max(newest[slot], at)
            heard.fold(np.array([slot], np.int32), np.array([at]))
        watch.advance(heard.newest, at)
        fresh = sum(newest[slot] + (10 + slot % 7) * 3 * SECOND >= at for slot in range(count))
        assert watch.counts["fresh"].tolist() == [fresh]


def test_a_seq_beyond_32_bits_is_compared_in_full() -> None:
    newest = Newest(1)
    newest.grow(1)
    slot, time = np.zeros(1, np.int32), np.array([MINUTE])
    for seq, taken in ((5, 1), (2**40, 1), (2**40 - 1, 0), (2**33, 0), (2**40, 1)):
        assert len(newest.take(slot, time, np.array([seq]))) == taken
