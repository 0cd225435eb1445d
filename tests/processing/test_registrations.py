"""Minutes know the registry as it was: one recomputed counts the devices that were there, where they stood then."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_material import (
    AREAS,
    EAST,
    FIRST,
    MINUTE,
    NOW,
    SECOND,
    SECOND_STREET,
    THIRD,
    batch,
    device,
    digest,
    engine,
    observed,
    store,
)

from ingest.batch import Batch
from ingest.registry import Device, Devices
from ingest.registry_past import Former, Instants, RegistryPast
from processing.engine import Engine, Snapshot
from processing.moved import Moved
from processing.recompute import recompute
from processing.registrations import Registrations, rewind
from processing.roster import NOT_REGISTERED, stale_after
from processing.settling import Settler

OLD = [device(key, "parking_bay", (FIRST, SECOND_STREET, THIRD)[key % 3]) for key in range(1, 7)]
LAST = 12


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def seconds(minutes: float) -> int:
    return NOW + round(minutes * MINUTE)


#              NOW   1    2    3    4    5    6    7    8    9
# bay 7                    ├ registered at 2.5, heard from 2.6
# bay 8                                    ┊··├ registered at 5.2, heard before 5: its clock is slow
# bay 1   First ────────────────┤ 3.5 moves to Third
# bay 2   measures status ────────────────┤ 4.2 nothing any more
# bay 3   Third … ───────────────────────────────┤ 6 (a full minute) retired
NEW = [replace(device(7, "parking_bay"), since=seconds(2.5)), replace(device(8, "parking_bay"), since=seconds(5.2))]
CHANGED = [
    replace(device(1, "parking_bay", THIRD), since=seconds(3.5)),
    replace(device(2, "parking_bay", OLD[1].key % 3 + FIRST, measures=["temperature"]), since=seconds(4.2)),
    replace(device(3, "parking_bay", FIRST, retired=True), since=seconds(6)),
]


def readings() -> list[Batch]:
    rng = np.random.default_rng(5)
    rows = []
    for second in range(-300, LAST * 60, 20):
        for key in range(1, 9):
            at = second + rng.uniform(0, 20)
            if (key == 7 and at < 156) or (key == 8 and second < 280):
                continue
            rows.append((key, observed(at, status=["free", "occupied"][rng.integers(2)])))
    rows.sort(key=lambda row: row[1]["dateObserved"])
    return [batch("parking_bay", rows[start : start + 17]) for start in range(0, len(rows), 17)]


def settled_live(batches: list[Batch], *, told_late: int = 0) -> tuple[list[Snapshot], Settler]:
    """What a pipeline settles that is told of registrations when they happen, ``told_late`` µs afterwards."""
    present = engine(OLD)
    live = Settler(engine(), NOW - MINUTE)
    live.follow(present, Devices.of(OLD), RegistryPast(Instants.of({}), []))
    news = sorted([(one.since + told_late, one) for one in (*NEW, *CHANGED)], key=lambda each: each[0])
    arrivals = sorted([(int(one.time.max()), one) for one in batches], key=lambda each: each[0])
    snapshots = []
    for minute in range(NOW, NOW + (LAST + 1) * MINUTE, MINUTE):
        while news and news[0][0] <= minute + MINUTE:
            live.register(*present.register([news.pop(0)[1]]))
        while arrivals and arrivals[0][0] <= minute + MINUTE:
            live.admit(arrivals.pop(0)[1])
        snapshots.append(live.settle(minute))
    return snapshots, live


def stored(connection: psycopg.Connection, batches: list[Batch]) -> None:
    """The same in the database, in which everything is as it is in the end."""
    changed = {one.key: one for one in CHANGED}
    store(connection, [changed.get(one.key, one) for one in (*OLD, *NEW)], *batches)
    connection.execute("UPDATE devices SET registered_at = to_timestamp(%s)", [NOW / 1e6 - 1e6])
    for one in NEW:
        connection.execute(
            "UPDATE devices SET registered_at = to_timestamp(%s) WHERE key = %s", [one.since / 1e6, one.key]
        )
    for one in CHANGED:
        was = OLD[one.key - 1]
        connection.execute(
            "INSERT INTO device_past VALUES (%s, to_timestamp(%s), %s, %s)",
            [one.key, one.since / 1e6, was.area, json.dumps(dict(was.attributes))],
        )


def new_engine() -> Engine:
    return engine()


def recomputed(connection: psycopg.Connection, first: int = 0) -> list[Snapshot]:
    return list(recompute(connection, new_engine, NOW + first * MINUTE, NOW + LAST * MINUTE))


def test_recomputed_minutes_know_the_registry_as_the_live_ones_did(connection: psycopg.Connection) -> None:
    batches = readings()
    stored(connection, batches)
    live, _ = settled_live(batches)
    expected = [int(snapshot.expected["parking_bay"][0]) for snapshot in live]
    assert expected == [6, 6, 6, 7, 7, 8, 7, 7, 7, 7, 7, 7, 7]
    assert [digest(one) for one in recomputed(connection)] == [digest(one) for one in live]


@pytest.mark.parametrize("first", [2, 4, 7])
def test_a_span_that_begins_later_gives_the_same_minutes(connection: psycopg.Connection, first: int) -> None:
    stored(connection, readings())
    assert [digest(one) for one in recomputed(connection, first)] == [
        digest(one) for one in recomputed(connection)[first:]
    ]


def test_a_registration_told_of_after_its_minute_was_settled_reopens_it() -> None:
    _, live = settled_live([])
    assert live.reopened() is None
    _, live = settled_live([], told_late=3 * MINUTE)
    assert live.reopened() == NEW[0].since


def test_a_device_moved_within_the_window_takes_none_of_its_readings_along() -> None:
    moves = engine([device(1, "garbage_hut", FIRST), device(2, "garbage_hut", FIRST)])
    moves.register(device(key, "garbage_hut", THIRD) for key in (3, 4, 5))
    moves.fold(batch("garbage_hut", [(key, observed(-4, nh3=0.0)) for key in (2, 3, 4, 5)]))
    moves.register([replace(device(1, "garbage_hut", THIRD), since=NOW - 10 * SECOND)])
    moves.fold(batch("garbage_hut", [(1, observed(-1200, nh3=9.0))]))
    share = moves.evaluate(NOW).indicators["waste.nh3_exceedance"].value
    assert share[FIRST] == 0.5
    assert share[THIRD] == 0.0


def rewound(made: Engine, devices: Sequence[Device], past: RegistryPast, at: int) -> Registrations:
    return rewind(made, Devices.of(devices), past, at)


def test_an_engine_put_back_awaits_who_was_not_registered() -> None:
    made = engine([*OLD, *NEW])
    later = rewound(made, [*OLD, *NEW], RegistryPast(Instants.of({7: NOW + SECOND, 8: NOW - SECOND}), []), NOW)
    assert made.evaluate(NOW).expected["parking_bay"][0] == 7
    made.fold(batch("parking_bay", [(7, observed(-30, status="free"))]))
    assert made.evaluate(NOW).expected["parking_bay"][0] == 8
    assert later.due(NOW + SECOND)["parking_bay"].slots.tolist() == slots_of(made, [7])
    assert len(later) == 0


def test_states_follow_one_another() -> None:
    now = device(1, "parking_bay", THIRD)
    past = RegistryPast(
        Instants.of({1: NOW - 50}),
        [Former(1, NOW - 30, AREAS[FIRST], {}), Former(1, NOW + 10, AREAS[EAST], {}), Former(9, NOW, AREAS[EAST], {})],
    )
    made = engine([now])
    later = rewound(made, [now], past, NOW)
    place = made.rosters["parking_bay"].area
    assert place[0] == EAST
    slots, times = np.zeros(3, np.int32), np.array([NOW - 40, NOW - 30, NOW], np.int64)
    assert made.rosters["parking_bay"].areas(slots, times).tolist() == [FIRST, EAST, EAST]
    assert later.due(NOW + 10)["parking_bay"].where["area"].tolist() == [THIRD]


def slots_of(made: Engine, keys: Iterable[int]) -> list[int]:
    return made.rosters["parking_bay"].slots(np.array(list(keys), np.int32)).tolist()


def test_each_device_is_due_once_as_it_is_then_and_in_time() -> None:
    made, count, later = engine(), 500, Registrations()

    def put(*devices: Device) -> None:
        later.put(made.place(devices))

    put(*(replace(device(key, "parking_bay", FIRST), since=NOW + key % 7) for key in range(1, count)))
    put(replace(device(1, "parking_bay", THIRD), since=NOW + 3))
    put(replace(device(1, "parking_bay", EAST), since=NOW + 1), replace(device(900, "car_park"), since=NOW + 9))
    early = later.due(NOW + 1)["parking_bay"]
    assert sorted(early.slots.tolist()) == slots_of(made, [n for n in range(1, count) if n % 7 < 2])
    assert early.where["area"][early.slots == slots_of(made, [1])].tolist() == [EAST]
    rest = later.due(NOW + 8)["parking_bay"]
    assert len(later) == 1
    assert sorted(rest.slots.tolist()) == slots_of(made, [1] + [n for n in range(2, count) if n % 7 > 1])
    assert rest.where["area"][rest.slots == slots_of(made, [1])].tolist() == [THIRD]
    assert later.due(NOW + 8) == {}
    assert list(later.due(NOW + 9)) == ["car_park"]


@dataclass(frozen=True)
class History:
    """A bay's states, and since when it is in each; the first from before what is known where that is 0."""

    states: list[tuple[int, Device]]

    def at(self, instant: int) -> Device | None:
        return next((state for since, state in reversed(self.states) if since <= instant), None)

    def awaited_at(self, instant: int) -> Device:
        return self.at(instant) or self.states[0][1]

    def label_at(self, instant: int) -> int:
        return NOT_REGISTERED if (state := self.at(instant)) is None else label_of(state)


def label_of(one: Device) -> int:
    return -1 if one.attributes.get("retired") else AREAS.index(one.area)


@st.composite
def histories(draw: st.DrawFn, key: int) -> History:
    seconds = draw(st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True).map(sorted))
    begun = [NOW + second * SECOND for second in seconds]
    begun[0] = draw(st.sampled_from([0, begun[0]]))
    said = st.sampled_from([{}, {"retired": True}, {"reportingInterval": 7}])
    places = st.sampled_from([FIRST, SECOND_STREET, THIRD, EAST])
    return History([(since, device(key, "parking_bay", draw(places), **draw(said))) for since in begun])


def past_of(known: Sequence[History]) -> RegistryPast:
    former = [
        Former(state.key, until, state.area, state.attributes)
        for history in known
        for (_, state), (until, _) in pairwise(history.states)
    ]
    registered = {history.states[0][1].key: history.states[0][0] for history in known if history.states[0][0]}
    return RegistryPast(Instants.of(registered), sorted(former, key=lambda one: one.until))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9).flatmap(lambda n: st.tuples(*map(histories, range(1, n + 1)))), st.integers(-10, 10))
def test_a_registry_put_back_and_led_on_is_at_every_instant_as_devices_say(known: Sequence[History], at: int) -> None:
    made = engine(devices := [history.states[-1][1] for history in known])
    later = rewound(made, devices, past_of(known), NOW + at * SECOND)
    roster, slots = made.rosters["parking_bay"], np.arange(len(known), dtype=np.int32)
    for second in range(at, 11):
        instant = NOW + second * SECOND
        made.update(later.due(instant))
        labels = np.array([history.label_at(instant) for history in known])
        there = np.flatnonzero(labels != NOT_REGISTERED)
        assert roster.area[: len(known)].tolist() == labels.tolist()
        stale = [stale_after(roster.kind, known[n].awaited_at(instant).attributes) for n in there.tolist()]
        assert roster.stale[there].tolist() == stale
        counted = np.bincount(labels[labels >= 0], minlength=len(AREAS))
        assert roster.expected((), np.full(len(AREAS), -1, np.int32)).tolist() == counted.tolist()
        for earlier in range(NOW - 10 * SECOND, instant + 1, SECOND):
            stood = [label_of(known[n].awaited_at(earlier)) for n in there.tolist()]
            assert roster.areas(slots[there], np.full(len(there), earlier)).tolist() == stood
    assert len(later) == 0


@given(st.tuples(*map(histories, range(1, 6))), st.integers(-10, 10))
def test_who_is_awaited_stands_where_it_first_will_once_it_is_heard(known: Sequence[History], at: int) -> None:
    made = engine(devices := [history.states[-1][1] for history in known])
    rewound(made, devices, past_of(known), instant := NOW + at * SECOND)
    roster = made.rosters["parking_bay"]
    roster.welcome(np.arange(1, len(known) + 1, dtype=np.int32))
    assert roster.area[: len(known)].tolist() == [label_of(history.awaited_at(instant)) for history in known]


def test_where_devices_stood_equals_a_plain_search() -> None:
    rng = np.random.default_rng(2)
    made, former = Moved(), []
    for _ in range(60):
        one = (int(rng.integers(0, 12)), int(rng.integers(1, 80)), int(rng.integers(-1, 5)))
        if (one[0], one[1]) not in {(slot, until) for slot, until, _ in former}:
            former.append(one)
            made.note(*one)
    slots = rng.integers(-1, 15, 500).astype(np.int32)
    time, area = rng.integers(0, 90, 500), rng.integers(10, 15, 500).astype(np.int32)
    plain = []
    for slot, t, label in zip(slots.tolist(), time.tolist(), area.tolist(), strict=True):
        left = sorted((until, stood) for of, until, stood in former if of == slot and until > t)
        plain.append(left[0][1] if left else label)
    assert made.correct(slots, time, area).tolist() == plain
    made.forget(1000)
    assert made.correct(slots, time, area).tolist() == area.tolist()


def test_rosters_of_two_times_number_devices_alike() -> None:
    present = engine(OLD[:2])
    behind = engine()
    behind.follow(present)
    present.register(OLD[2:])
    behind.expect(behind.place(OLD[2:4]))
    keys = np.arange(1, 7, dtype=np.int32)
    one, other = present.rosters["parking_bay"], behind.rosters["parking_bay"]
    assert one.slots(keys).tolist() == other.slots(keys).tolist() == list(range(6))
    assert behind.evaluate(NOW).expected["parking_bay"][0] == 2
    behind.fold(batch("parking_bay", [(3, observed(-1, status="free")), (5, observed(-1, status="free"))]))
    assert behind.evaluate(NOW).expected["parking_bay"][0] == 3
