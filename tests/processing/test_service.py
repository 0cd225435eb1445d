"""The loop ticks whatever clock, database and flood do, publishes whole ticks, and finds its state again."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest
from live_api import PATIENCE, Cable, wait_until
from processing_material import FIRST, MINUTE, NOW, SECOND, batch, device, digest, observed
from processing_service import CITY, Clock, Published, arrive, running, service

from ingest.batch import Batch
from ingest.database import declared_columns
from ingest.intake import Committed
from ingest.packing import pack
from ingest.registry import Device
from ingest.retention import DAY, Retention
from processing.history import MINUTES_KEPT, HistoryWriter
from processing.minutes import Minute

KERB = "parking.kerb_occupancy"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def store(connection: psycopg.Connection, devices: list[Device], *batches: Batch) -> None:
    for d in devices:
        connection.execute(
            "INSERT INTO devices (key, id, kind, area) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s)",
            [d.key, d.id, d.kind, d.area],
        )
    for made in batches:
        names = ", ".join(["device", "date_observed", "seq", "received_at", *declared_columns(made.stream)])
        statement = f"COPY {made.stream.name} ({names}) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in pack(made):
                copy.write(block)


def history(connection: psycopg.Connection, index: str = KERB) -> list[tuple[float, float | None, str]]:
    """(seconds from NOW, value, state) in the first street, from NOW on."""
    rows = connection.execute(
        "SELECT extract(epoch FROM at)::float8, value, state FROM vitals WHERE area = '990101001' AND index = %s"
        " AND at >= to_timestamp(%s) ORDER BY at, revision",
        [index, NOW / 1e6],
    ).fetchall()
    return [(at - NOW / 1e6, value, state) for at, value, state in rows]


BAYS = [device(key, "parking_bay") for key in (1, 2)]
FREE = batch("parking_bay", [(1, observed(-5, status="occupied")), (2, observed(-4, status="free"))])


def test_a_tick_publishes_every_area_and_then_closes(database_url: str) -> None:
    published = Published()
    made = service(database_url, Clock(), published)
    made.engine.register(BAYS)
    made.engine.fold(FREE)
    made.tick(NOW)
    assert set(published.documents) == {area.code for area in CITY.areas}
    assert {document["tick"] for document in published.documents.values()} == {NOW // SECOND}
    (closing,) = published.ticks
    assert closing["tick"] == NOW // SECOND
    assert closing["at"] == "2026-11-20T08:00:00+08:00"
    assert closing["methodVersion"] == made.engine.method_version
    assert closing["pipeline"]["pending"] == 3


def test_committed_readings_show_at_the_next_tick_and_those_of_the_future_at_theirs(database_url: str) -> None:
    clock, published = Clock(NOW / 1e6 - 1000), Published()
    with running(service(database_url, clock, published)) as made:
        arrive(clock, published)
        made.hand_on(Committed([FREE], BAYS))
        ahead = batch("parking_bay", [(2, observed(60, status="occupied"))])
        made.hand_on(Committed([ahead]))
        wait_until(lambda: kerb(published) == 0.5, "the readings of the present")
        at_half = published.numbers()[-1]
        clock.offset += 58
        wait_until(lambda: kerb(published) == 1.0, "the reading of the future")
    assert at_half < NOW // SECOND + 60 <= published.numbers()[-1]
    assert published.numbers() == sorted(set(published.numbers()))


def kerb(published: Published, area: str = "990101001") -> float | None:
    document = published.documents.get(area)
    if document is None:
        return None
    value: float | None = document["domains"]["parking"]["indicators"][KERB]["value"]
    return value


def test_what_is_handed_on_faster_than_it_is_folded_waits(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processing.service.MOST_WAITING", 3)
    made = service(database_url, Clock())
    handed: list[int] = []

    def hand_on() -> None:
        for number in range(6):
            made.hand_on(Committed([FREE], BAYS if number == 0 else ()))
            handed.append(number)

    thread = threading.Thread(target=hand_on)
    thread.start()
    wait_until(lambda: len(handed) == 1, "the first, which is more than may wait")
    with running(made):
        thread.join(PATIENCE)
    assert handed == list(range(6))


def test_history_gets_one_row_a_minute(database_url: str, connection: psycopg.Connection) -> None:
    clock, published = Clock(NOW / 1e6 - 1000), Published()
    store(connection, BAYS, FREE)
    with running(service(database_url, clock, published)):
        arrive(clock, published)
        wait_until(lambda: len(history(connection)) == 1, "the first minute")
        clock.offset += 57
        wait_until(lambda: len(history(connection)) == 2, "the second minute")
    assert [row[:2] for row in history(connection)] == [(0.0, 0.5), (60.0, 0.5)]
    assert [row[0] for row in history(connection, "composite")] == [0.0, 60.0]


def test_what_was_let_in_under_a_clock_ahead_is_given_up_though_it_was_set_back_in_the_middle_of_a_tick(
    database_url: str, connection: psycopg.Connection
) -> None:
    store(connection, BAYS, FREE, batch("parking_bay", [(2, observed(60, status="occupied"))]))
    clock, published = Clock(NOW / 1e6 + 100), Published()
    said: list[float | None] = []

    def publish(messages: Sequence[tuple[str, bytes]]) -> None:
        if clock.offset > ahead - 50:
            clock.set(NOW / 1e6)
        else:
            published(messages)
            said.append(kerb(published))

    ahead = clock.offset
    with running(service(database_url, clock, publish)):
        wait_until(lambda: len(said) > 1, "ticks of the present")
    assert set(said) == {0.5}
    assert NOW // SECOND <= published.numbers()[0] < NOW // SECOND + 50


def test_a_restore_that_the_clock_was_set_back_in_is_done_again(
    database_url: str, connection: psycopg.Connection
) -> None:
    store(connection, BAYS, FREE, batch("parking_bay", [(2, observed(60, status="occupied"))]))
    clock, published = Clock(NOW / 1e6 + 100), Published()
    made = service(database_url, clock, published)
    made.restore()
    made.tick(int(clock() * 1e6))  # the first compiles, which may take long
    published.ticks.clear()
    clock.set(NOW / 1e6)
    with running(made):
        wait_until(lambda: len(published.ticks) > 1, "ticks of the present")
        assert kerb(published) == 0.5
    assert published.numbers()[0] < NOW // SECOND + 50


def test_ticks_go_on_when_the_clock_is_set_back_and_when_it_jumps_ahead(database_url: str) -> None:
    clock, published = Clock(), Published()
    with running(service(database_url, clock, published)):
        wait_until(lambda: len(published.ticks) >= 2, "the first ticks")
        clock.offset -= 3600
        wait_until(lambda: published.numbers()[-1] < NOW // SECOND - 3000, "a tick of the past")
        back = len(published.ticks)
        wait_until(lambda: len(published.ticks) >= back + 2, "two more")
        clock.offset += 86_400
        wait_until(lambda: published.numbers()[-1] > NOW // SECOND + 80_000, "a tick of tomorrow")
        jumped = len(published.ticks)
        wait_until(lambda: len(published.ticks) >= jumped + 2, "two more")
    assert jumped - back < 20, "a day is not made up for minute by minute"


def test_a_restart_finds_the_same_vital_signs(database_url: str, connection: psycopg.Connection) -> None:
    late = batch("parking_bay", [(1, observed(-90, status="free"))])
    store(connection, BAYS, FREE, late)
    live = service(database_url, Clock())
    live.engine.register(BAYS)
    for made in (late, FREE):
        live.engine.fold(made)
    restarted = service(database_url, Clock())
    assert restarted.restore() == 3
    for at in (NOW, NOW + 3 * MINUTE):
        assert digest(restarted.engine.evaluate(at)) == digest(live.engine.evaluate(at))


def test_what_a_restore_has_seen_is_not_folded_a_second_time(database_url: str, connection: psycopg.Connection) -> None:
    hut = [device(5, "garbage_hut")]
    nh3 = batch("garbage_hut", [(5, observed(-3, nh3=9)), (5, observed(-2, nh3=0))])
    with connection.transaction():
        store(connection, hut, nh3)
        (transaction,) = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
    published = Published()
    with running(service(database_url, Clock(), published)) as made:
        made.hand_on(Committed([nh3.take(nh3.time < NOW - 2 * SECOND)], transaction=transaction))
        tick = len(published.ticks)
        wait_until(lambda: len(published.ticks) > tick + 2, "two ticks")
    snapshot = made.engine.evaluate(NOW + MINUTE)
    assert snapshot.indicators["waste.nh3_exceedance"].value[FIRST] == 0.5


def test_minutes_whose_readings_are_gone_by_retention_are_not_computed_again() -> None:
    for retention, days in ((None, 40), (Retention(streams={"bus": 30}), 29), (Retention(vitals=3), 3)):
        made = service("postgresql://127.0.0.1:1/nowhere", Clock(), retention=retention)
        made._reopen(NOW - 40 * DAY, NOW)
        assert made._recomputer.waiting == pytest.approx(days * 1440, abs=5)  # a window, and what is not yet stale
    made = service("postgresql://127.0.0.1:1/nowhere", Clock(), retention=Retention(days=30))
    made._reopen(NOW - 40 * DAY, NOW - 39 * DAY)
    assert made._recomputer.waiting == 0


def minute(number: int) -> Minute:
    made = service("postgresql://127.0.0.1:1/nowhere", Clock())
    made.engine.register(BAYS)
    made.engine.fold(FREE)
    return made._documents.history(made.engine.evaluate(NOW + number * MINUTE))


def test_history_waits_while_the_database_is_away_and_is_written_later(
    database_url: str, connection: psycopg.Connection
) -> None:
    parts = urlsplit(database_url)
    assert parts.port is not None
    cable = Cable("127.0.0.1", parts.port)
    writer = HistoryWriter(database_url.replace(f":{parts.port}/", f":{cable.port}/"))
    writer.start()
    try:
        writer.put(minute(0))
        wait_until(lambda: writer.waiting == 0, "the database to take it")
        cable.cut()
        writer.put(minute(1))
        writer.put(minute(2))
        assert writer.waiting == 2
        assert [row[0] for row in history(connection)] == [0.0]
        cable.mend()
        wait_until(lambda: writer.waiting == 0, "the database to take it")
    finally:
        writer.stop()
        cable.close()
    assert [row[0] for row in history(connection)] == [0.0, 60.0, 120.0]


def test_a_database_that_cannot_be_reached_costs_an_hour_of_memory_and_final_minutes_that_gave_way_are_told() -> None:
    writer = HistoryWriter("postgresql://cityvitals@127.0.0.1:1/nowhere")
    writer.start()
    one = minute(0)
    for number in range(MINUTES_KEPT // 2 + 3):
        for state in ("provisional", "final"):
            writer.put(replace(one, at=one.at + number * MINUTE, state=state))
    assert writer.waiting == MINUTES_KEPT
    assert writer.take_lost() == (one.at, one.at + 2 * MINUTE)
    assert writer.take_lost() is None
    writer.put(one)
    assert writer.take_lost() is None, "a provisional minute is followed by its final one"
    writer.stop()


def test_final_minutes_that_gave_way_are_made_again() -> None:
    made, one = service("postgresql://127.0.0.1:1/nowhere", Clock()), replace(minute(0), state="final")
    for number in range(MINUTES_KEPT + 3):
        made._history.put(replace(one, at=one.at + number * MINUTE))
    made._make_up()
    made._make_up()
    assert made._recomputer.waiting == 3


def test_a_minute_that_is_written_twice_stays_as_it_was(database_url: str, connection: psycopg.Connection) -> None:
    writer = HistoryWriter(database_url)
    writer.start()
    for _ in range(2):
        writer.put(minute(0))
    writer.stop()
    assert [row[0] for row in history(connection)] == [0.0]
