"""A take is written whole or not at all, every reading ends in exactly one place, and the ledger says which."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import psycopg
import pytest
from ingest_material import (
    NOW,
    TOPICS,
    at,
    bay,
    count_rows,
    delivery,
    ledger,
    put,
    registry,
    rejects,
    state,
    store_fleet,
)

from devices.contract import Flaw
from devices.kinds import streams
from ingest.batch import Delivery
from ingest.database import connect
from ingest.decoder import Decoder
from ingest.frontier import Frontier
from ingest.refusing import refuse
from ingest.writer import Take, Written, write


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        store_fleet(connection)
        yield connection


def test_new_readings_are_stored_and_handed_back(connection: psycopg.Connection) -> None:
    written = put(connection, [bay(state("free")), bay(state("occupied", 1, seq=7)), bay(state("closed"), "bay-2")])
    assert (written.stored, written.duplicate, written.rejected) == (3, 0, 0)
    assert [len(batch) for batch in written.batches] == [3]
    rows = connection.execute(
        "SELECT device, date_observed, seq, status FROM readings.parking_bay ORDER BY device, date_observed"
    ).fetchall()
    later = NOW + timedelta(seconds=1)
    assert rows == [
        ("bay-1", NOW, None, "free"),
        ("bay-1", later, 7, "occupied"),
        ("bay-2", NOW, None, "closed"),
    ]
    assert ledger(connection) == {"parking_bay": (3, 0, 0)}


def test_the_same_take_again_is_all_duplicates(connection: psycopg.Connection) -> None:
    take = [bay([state("free", n) for n in range(50)]), bay(state("free", 60), "bay-2")]
    put(connection, take)
    written = put(connection, take)
    assert (written.stored, written.duplicate, written.rejected) == (0, 51, 0)
    assert written.batches == []
    assert count_rows(connection, "parking_bay") == 51
    assert ledger(connection) == {"parking_bay": (51, 51, 0)}


def test_repeats_inside_one_take_are_duplicates_or_conflicts(connection: psycopg.Connection) -> None:
    written = put(connection, [bay(state("free")), bay(state("free")), bay(state("closed")), bay(state("free", seq=1))])
    assert (written.stored, written.duplicate, written.rejected) == (2, 1, 1)
    assert [(reason, resolution) for _, reason, _, resolution in rejects(connection)] == [("conflict", None)]
    assert ledger(connection) == {"parking_bay": (2, 1, 1)}


def test_a_stream_that_is_new_in_the_ledger_is_moved_with_those_that_are_not(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free"))])
    park = delivery(TOPICS.telemetry("car_park", "car_park-1"), {"dateObserved": at(0), "totalSpotNumber": 5})
    put(connection, [bay(state("free", 1)), park, delivery(park.topic, b"")])
    assert ledger(connection) == {"parking_bay": (2, 0, 0), "car_park": (1, 0, 1)}


def test_a_conflict_names_the_field_the_value_and_what_is_stored(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free", seq=4))])
    (refused,) = put(connection, [bay(state("closed", seq=4))]).rejections
    assert refused.reason == "conflict"
    assert refused.detail == (
        'status is "closed", must be "free" as stored for dateObserved 2026-11-20T08:00:00Z and seq 4: '
        "to send several readings of one instant, count seq up"
    )


@pytest.mark.parametrize("takes", [1, 2])
def test_a_conflict_of_every_type_of_value_is_worded(connection: psycopg.Connection, takes: int) -> None:
    """With a reading of an earlier take, and with one of the same."""
    one = {
        "dateObserved": at(0),
        "position": {"type": "Point", "coordinates": [121.5, 31.0]},
        "route": "71",
        "speed": 3,
    }
    other = {"dateObserved": at(0), "position": {"type": "Point", "coordinates": [121.6, 31.0]}, "trip": "t"}
    arrival = {"dateObserved": at(0), "route": "r", "trip": "t", "stop": "s", "scheduledAt": at(0), "arrivedAt": at(9)}
    hut = {"dateObserved": at(0), "seepageDetected": True}
    park = {"dateObserved": at(0), "totalSpotNumber": 5}
    messages = [
        delivery(TOPICS.telemetry("bus", "bus-1"), one),
        delivery(TOPICS.event("bus", "bus-1", "arrival"), arrival),
        delivery(TOPICS.telemetry("garbage_hut", "garbage_hut-1"), hut),
        delivery(TOPICS.telemetry("car_park", "car_park-1"), park),
    ]
    changed = [other, arrival | {"arrivedAt": at(8), "predictedAt": at(1)}, hut | {"seepageDetected": False}]
    again = [
        message._replace(payload=orjson.dumps(body))
        for message, body in zip(messages, [*changed, park | {"totalSpotNumber": 6}], strict=True)
    ]
    if takes == 2:
        put(connection, messages)
    written = put(connection, again if takes == 2 else messages + again)
    details = [refused.detail.split(" as stored")[0] for refused in written.rejections]
    assert details == [
        'position.coordinates[0] is 121.6, must be 121.5; speed is null, must be 3.0; route is null, must be "71"; …',
        f'arrivedAt is "{second(8)}", must be "{second(9)}"; predictedAt is "{second(1)}", must be null',
        "seepageDetected is false, must be true",
        "totalSpotNumber is 6, must be 5",
    ]


def test_what_is_stored_already_decides_over_what_a_take_holds_first(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free"))])
    written = put(connection, [bay(state("closed")), bay(state("free")), bay(state("closed")), bay(state("free", 1))])
    assert (written.stored, written.duplicate, written.rejected) == (1, 1, 2)


def test_missing_values_equal_missing_values(connection: psycopg.Connection) -> None:
    hut = delivery(TOPICS.telemetry("garbage_hut", "garbage_hut-1"), {"dateObserved": at(0), "nh3": 0.5})
    position = {"type": "Point", "coordinates": [121.5, 31]}
    bus = delivery(TOPICS.telemetry("bus", "bus-1"), {"dateObserved": at(0), "position": position, "route": "公交1"})
    written = put(connection, [hut, hut, bus, bus])
    assert (written.stored, written.duplicate) == (2, 2)
    written = put(connection, [hut, bus])
    assert (written.stored, written.duplicate) == (0, 2)


def test_a_take_with_every_stream_goes_into_the_hypertable_of_each(connection: psycopg.Connection) -> None:
    now = {"dateObserved": at(0)}
    arrival = now | {"route": "r", "trip": "t", "stop": "s", "scheduledAt": at(-9), "arrivedAt": at(0)}
    take = [
        bay(state("free")),
        delivery(TOPICS.telemetry("bus", "bus-1"), now | {"speed": 31.5}),
        delivery(TOPICS.event("bus", "bus-1", "arrival"), arrival),
        delivery(TOPICS.telemetry("car_park", "car_park-1"), now | {"totalSpotNumber": 400, "occupiedSpotNumber": 3}),
        delivery(TOPICS.telemetry("energy_meter", "energy_meter-1"), now | {"totalActivePower": -1}),
        delivery(TOPICS.telemetry("garbage_hut", "garbage_hut-1"), now | {"seepageDetected": False}),
        delivery(TOPICS.event("garbage_hut", "garbage_hut-1", "illegal_dumping"), now | {"violation": "乱扔"}),
    ]
    written = put(connection, take)
    assert written.stored == len(take) == len(streams())
    for name in streams():
        assert count_rows(connection, name) == 1
        assert connection.execute("SELECT count(*) FROM show_chunks(%s)", [name]).fetchone() == (1,)
    assert ledger(connection) == dict.fromkeys(streams(), (1, 0, 0))


def test_readings_of_several_days_and_a_late_duplicate_share_a_take(connection: psycopg.Connection) -> None:
    days = [bay(state("free", -86_400 * day)) for day in range(0, 90, 9)]
    put(connection, days[:3])
    written = put(connection, days)
    assert (written.stored, written.duplicate) == (7, 3)
    assert [int(time) for time in written.batches[0].time] == [
        int(batch_time) for batch_time in sorted(written.batches[0].time, reverse=True)
    ]
    assert count_rows(connection, "parking_bay") == 10


def test_an_error_leaves_nothing_behind(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free"))])
    good = Decoder(TOPICS).decode([bay(state("free")), bay(state("free", 1)), bay(state("busy", 2))], registry())
    beyond_time = bay(b"\xff")._replace(received=-(2**62))
    good.rejections.append(refuse(beyond_time, None, Flaw("syntax", "such an instant cannot be kept")))
    with pytest.raises(psycopg.Error):
        write(connection, Take([bay(state("free")), bay(state("free", 1)), bay(state("busy", 2))], good))
    assert count_rows(connection, "parking_bay") == 1
    assert rejects(connection) == []
    assert ledger(connection) == {"parking_bay": (1, 0, 0)}
    assert put(connection, [bay(state("free")), bay(state("free", 1))]).stored == 1


def test_fields_the_contract_does_not_know_are_counted_in_the_ledger(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free", battery=3.1)), bay(state("free", 1, battery=3.1, rssi=-70))])
    assert connection.execute("SELECT stream, unknown_fields FROM ledger").fetchall() == [("parking_bay", 3)]


def second(number: int) -> str:
    return f"2026-11-20T08:00:0{number}Z"


@pytest.mark.parametrize("seed", range(3))
def test_the_table_holds_the_distinct_valid_readings_and_the_ledger_adds_up(
    connection: psycopg.Connection, seed: int
) -> None:
    """Any mix of good, repeated, conflicting and poisonous readings, singly and in packs, against an obvious model."""
    dice = random.Random(seed)
    table: dict[tuple[str, str, int | None], str] = {}
    expected: Counter[str] = Counter()
    received = 0
    for _ in range(20):
        take = []
        for _ in range(dice.randrange(1, 12)):
            pack = [any_reading(dice) for _ in range(dice.randrange(1, 9))]
            device = dice.choice(["bay-1", "bay-2", "bay-404"])
            for body in pack:
                expected[judge(device, body, table)] += 1
            received += len(pack)
            take.append(bay(pack if len(pack) > 1 or dice.random() < 0.5 else pack[0], device))
        if dice.random() < 0.3:
            take.append(bay(dice.randbytes(30)))
            expected["rejected"] += 1
            received += 1
        put(connection, take)
        stored, duplicate, rejected = (sum(column) for column in zip(*ledger(connection).values(), strict=True))
        assert received == stored + duplicate + rejected
        assert expected == Counter(stored=stored, duplicate=duplicate, rejected=rejected)
    rows = connection.execute("SELECT device, date_observed, seq, status FROM readings.parking_bay").fetchall()
    assert {(device, when.isoformat(), seq): status for device, when, seq, status in rows} == table
    assert len(rows) == len(table)
    assert len(rejects(connection)) == expected["rejected"]


def any_reading(dice: random.Random) -> Any:
    if dice.random() < 0.2:
        return dice.choice(
            [state("busy"), state(3), {"dateObserved": at(0)}, "x", state("free", 10_000), state("free", seq=-1)]
        )
    body = state(dice.choice(["free", "occupied"]), dice.randrange(40))
    return body | ({"seq": dice.randrange(2)} if dice.random() < 0.3 else {})


def judge(device: str, body: Any, table: dict[tuple[str, str, int | None], str]) -> str:
    """What must become of a reading, one after the other."""
    bad = not isinstance(body, dict) or body.get("status") not in ("free", "occupied") or body.get("seq") == -1
    if device == "bay-404" or bad or body["dateObserved"] == at(10_000):
        return "rejected"
    key = (device, body["dateObserved"], body.get("seq"))
    if key not in table:
        table[key] = body["status"]
        return "stored"
    return "duplicate" if table[key] == body["status"] else "rejected"


def test_readings_behind_the_frontier_are_looked_for_and_end_as_they_would_without(
    connection: psycopg.Connection,
) -> None:
    frontier = Frontier()

    def take(deliveries: list[Delivery], repeating: tuple[str, ...] = ()) -> Written:
        decoded = Decoder(TOPICS).decode(deliveries, registry())
        written = write(connection, Take(deliveries, decoded, repeating=repeating, frontier=frontier))
        for batch in written.batches:
            frontier.advance(batch)
        return written

    take([bay([state("free", n) for n in range(20)])])
    again = take([bay([state("free", 5), state("closed", 7), state("free", 30), state("occupied", 6.5)])])
    assert (again.stored, again.duplicate, again.rejected, again.repeated) == (2, 1, 1, frozenset({"parking_bay"}))
    (refused,) = again.rejections
    assert refused.reason == "conflict"
    assert refused.item == 1
    put(connection, [bay([state("free", n) for n in range(40, 60)])])  # another writer's: the frontier knows nothing
    unforeseen = take([bay([state("free", 45), state("closed", 50), state("free", 70)])])
    assert (unforeseen.stored, unforeseen.duplicate, unforeseen.rejected) == (1, 1, 1)
    strict = take([bay(state("free"), "bay-3"), bay(state("free", 45))], repeating=("parking_bay",))
    assert (strict.stored, strict.duplicate, strict.rejected) == (1, 1, 0)
    assert ledger(connection) == {"parking_bay": (20 + 2 + 20 + 1 + 1, 3, 2)}
    assert count_rows(connection, "parking_bay") == 44


def test_a_crowd_of_late_readings_is_not_looked_for(connection: psycopg.Connection) -> None:
    frontier = Frontier()
    crowd = [bay([state("free", n / 10) for n in range(3_000)])]
    (batch,) = Decoder(TOPICS).decode(crowd, registry()).batches
    frontier.advance(replace(batch, time=batch.time + 10**12))
    written = write(connection, Take(crowd, Decoder(TOPICS).decode(crowd, registry()), frontier=frontier))
    assert (written.stored, written.repeated) == (3_000, frozenset())
