"""What late readings and marks have outdated is recomputed, also by the next process; then the notes of it are gone."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import psycopg
import pytest
from live_api import PATIENCE, wait_until
from processing_material import AREAS, FIRST, MINUTE, NOW, SECOND, batch, device, observed, store
from processing_service import CITY, Clock, Published, running, service

from api.database import Database
from api.store import marks
from ingest.batch import Batch, Decoded
from ingest.intake import Committed
from ingest.reopened import LATENESS as NOTED_AFTER
from ingest.reopened_store import load_notes
from ingest.retention import DAY, Retention
from ingest.writer import Take, write
from processing.documents import Documents
from processing.history import HistoryWriter
from processing.policy import SHIPPED, Policy
from processing.recompute import recompute
from processing.recomputer import Recomputer
from processing.service import ProcessingService
from processing.settling import LATENESS
from processing.store import compare_history, read_minutes, write_history

KERB = "parking.kerb_occupancy"
BAYS = [device(key, "parking_bay") for key in (1, 2, 3)]
SETTLED = 4
"""minutes that are settled, from NOW on"""
OCCUPIED = [(1, observed(60 * number - 50, status="occupied")) for number in range(SETTLED)]
FREE = [(2, observed(60 * number - 40, status="free")) for number in range(SETTLED)]
LATE = batch("parking_bay", [(3, observed(30, status="occupied"))])


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        store(connection, BAYS, batch("parking_bay", OCCUPIED + FREE))
        yield connection


def settled(connection: psycopg.Connection, database_url: str) -> ProcessingService:
    """A service that has settled some minutes and stored them, without threads of its own."""
    made = service(database_url, Clock())
    made.restore()
    for number in range(SETTLED):
        snapshot = made.present.live.settle(NOW + number * MINUTE, SHIPPED)
        write_history(connection, made._documents.history(snapshot, "final"))
    return made


def ticks(made: ProcessingService) -> None:
    """Let the service look for late readings."""
    made._settle(NOW + SETTLED * MINUTE)  # no minute is due, and what is late is asked for


def stored(connection: psycopg.Connection, some: Batch, after: int) -> Committed:
    """Commit readings as ingest does, when the clock says so many µs after NOW."""
    written = write(connection, Take([], Decoded([some]), clock=lambda: (NOW + after) / 1e6))
    return Committed(written.batches, transaction=written.transaction, notes=written.notes)


def values(connection: psycopg.Connection) -> dict[int, float]:
    """Occupancy of the first street, by minute from NOW."""
    minutes = read_minutes(connection, AREAS, NOW, NOW + (SETTLED - 1) * MINUTE, [KERB])
    return {(at - NOW) // MINUTE: float(known[KERB].said.value[FIRST]) for at, known in minutes}


def differing(connection: psycopg.Connection, made: ProcessingService) -> int:
    """Values that a recomputation would change."""
    documents = Documents(CITY, made.engine)
    span = recompute(connection, lambda: made._new_engine(SHIPPED), NOW, NOW + (SETTLED - 1) * MINUTE)
    return sum(compare_history(connection, documents.history(snapshot, "final")) for snapshot in span)


def after_a_restart(connection: psycopg.Connection, database_url: str) -> None:
    """A new service, a little later, works off all notes."""
    assert load_notes(connection) != []
    with running(service(database_url, Clock(NOW / 1e6 + (SETTLED + 1) * 60), Published())) as made:
        wait_until(lambda: load_notes(connection) == [], "the notes are worked off")
        assert differing(connection, made) == 0


def test_late_readings_revise_their_minutes_though_the_pipeline_was_killed_before(
    database_url: str, connection: psycopg.Connection
) -> None:
    made = settled(connection, database_url)
    assert values(connection) == {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5}
    made._absorb(stored(connection, LATE, 5 * MINUTE), NOW + 5 * MINUTE)
    ticks(made)
    assert made._recomputer.waiting == 3  # and nobody works on it: the process is gone
    assert values(connection)[1] == 0.5
    after_a_restart(connection, database_url)
    assert values(connection) == {0: 0.5, 1: 2 / 3, 2: 2 / 3, 3: 2 / 3}


def test_marks_revise_their_minutes_though_the_pipeline_was_killed_before(
    database_url: str, connection: psycopg.Connection
) -> None:
    settled(connection, database_url)
    ids = asyncio.run(mark(database_url))
    assert values(connection) == {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5}
    after_a_restart(connection, database_url)
    assert values(connection) == {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0}
    asyncio.run(lift(database_url, ids))
    after_a_restart(connection, database_url)
    assert values(connection) == {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5}


async def mark(database_url: str) -> list[int]:
    database = Database(database_url, 1)
    await database.open()
    first, last = (datetime.fromtimestamp(NOW / 1e6 + second, UTC) for second in (-60, 60 * SETTLED))
    try:
        return await marks.put(database, 1, ["parking_bay"], first, last, "covered by snow", "officer")
    finally:
        await database.close()


async def lift(database_url: str, ids: Sequence[int]) -> None:
    database = Database(database_url, 1)
    await database.open()
    try:
        for one in ids:
            assert await marks.lift(database, one, "officer")
    finally:
        await database.close()


def test_a_running_service_drops_the_notes_of_what_it_has_recomputed(
    database_url: str, connection: psycopg.Connection
) -> None:
    made = settled(connection, database_url)
    made._absorb(stored(connection, LATE, 5 * MINUTE), NOW + 5 * MINUTE)
    ticks(made)
    made._recomputer.start()
    wait_until(lambda: load_notes(connection) == [], "the note is dropped")
    made._recomputer.stop()
    assert values(connection)[1] == 2 / 3
    assert differing(connection, made) == 0


def test_a_mark_revises_minutes_of_a_running_service(database_url: str, connection: psycopg.Connection) -> None:
    settled(connection, database_url)
    with running(service(database_url, Clock(NOW / 1e6 + (SETTLED + 1) * 60), Published())) as made:
        asyncio.run(mark(database_url))
        made.hand_on(Committed(marked=[(NOW - MINUTE, NOW + SETTLED * MINUTE)]))
        wait_until(lambda: load_notes(connection) == [], "the note is worked off")
        assert values(connection) == {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0}
        assert differing(connection, made) == 0


def test_a_revision_is_not_written_before_what_it_revises(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def waiting(history: HistoryWriter) -> int:
        looks.append(len(history._waiting))
        return looks[-1]

    monkeypatch.setattr(HistoryWriter, "waiting", property(waiting))
    made = settled(connection, database_url)
    minute = made._documents.history(made.present.live.settle(NOW + SETTLED * MINUTE, SHIPPED), "final")
    made._history.put(minute)
    late = batch("parking_bay", [(3, observed(100, status="occupied"))])
    made._absorb(stored(connection, late, 6 * MINUTE), NOW + 6 * MINUTE)
    ticks(made)
    made._recomputer.start()
    wait_until(lambda: looks.count(1) > 2, "the recomputation waits for the minute")
    made._history.start()
    wait_until(lambda: load_notes(connection) == [], "the note is worked off")
    made._recomputer.stop()
    made._history.stop()
    ((_, known),) = read_minutes(connection, AREAS, minute.at, minute.at, [KERB])
    assert known[KERB].said.value[FIRST] == 2 / 3
    assert known[KERB].revision[FIRST] == 1


def test_notes_of_what_came_just_in_time_are_dropped_and_nothing_is_recomputed(
    database_url: str, connection: psycopg.Connection
) -> None:
    made = settled(connection, database_url)
    soon = batch("parking_bay", [(3, observed(60 * SETTLED - 30, status="occupied"))])
    made._absorb(stored(connection, soon, SETTLED * MINUTE + 40 * SECOND), NOW + SETTLED * MINUTE)
    assert load_notes(connection) != []
    ticks(made)
    assert made._recomputer.waiting == 0
    made._recomputer.start()
    wait_until(lambda: load_notes(connection) == [], "the note is dropped")
    made._recomputer.stop()


def test_notes_on_minutes_whose_readings_are_gone_by_retention_are_dropped(
    database_url: str, connection: psycopg.Connection
) -> None:
    settled(connection, database_url)
    old = (NOW - 30 * DAY) / 1e6
    connection.execute("INSERT INTO reopened (since, until) VALUES (to_timestamp(%s), to_timestamp(%s))", [old, old])
    connection.execute(
        "INSERT INTO vital_minutes SELECT index, at - interval '40 days', version, state, method_version, computed_at,"
        " legend, label, revision, value, score, base, coverage, freshness, reason FROM vital_minutes"
    )
    made = service(database_url, Clock(), retention=Retention(days=3))
    made.restore()
    made._make_up()
    assert made._recomputer.waiting == 0
    made._recomputer.start()
    wait_until(lambda: load_notes(connection) == [], "the note is dropped")
    made._recomputer.stop()


def test_a_start_with_the_last_minutes_only_leaves_notes_to_the_whole_state(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(connection, database_url)
    stored(connection, LATE, 5 * MINUTE)
    monkeypatch.setattr("processing.live_state.READ_AT_ONCE", -1)
    made = service(database_url, Clock(NOW / 1e6 + SETTLED * 60))
    made.restore()
    (note,) = load_notes(connection)
    made._make_up()
    assert made.present.live.partial
    assert not made._recomputer.carries(note.id)
    assert made.present.successor is not None
    wait_until(lambda: made.present.successor is not None and made.present.successor.ready, "the whole state")
    made.tick(NOW + SETTLED * MINUTE)
    assert not made.present.live.partial
    assert made._recomputer.carries(note.id)


def recomputer(database_url: str, made: ProcessingService, failing: threading.Event) -> Recomputer:
    """Fails, when it has written nothing yet, as long as ``failing``."""

    def spans(first: int, last: int) -> list[tuple[int, int, Policy]]:
        if failing.is_set():
            raise psycopg.OperationalError("the server closed the connection")
        return [(first, last, SHIPPED)]

    return Recomputer(database_url, made._new_engine, made._documents, spans)


def test_a_note_stays_while_the_recomputation_fails(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("processing.recomputer._PAUSE", 0.05)
    made, failing = settled(connection, database_url), threading.Event()
    failing.set()
    worker = recomputer(database_url, made, failing)
    worker.request(NOW + MINUTE, NOW + 3 * MINUTE, stored(connection, LATE, 5 * MINUTE).notes)
    worker.start()
    wait_until(lambda: caplog.text.count("recomputing waits for the database") > 1, "it has failed twice")
    assert len(load_notes(connection)) == 1
    failing.clear()
    wait_until(lambda: load_notes(connection) == [], "the note is dropped")
    monkeypatch.setattr("processing.recomputer._PAUSE", 5.0)
    worker.stop()
    assert values(connection)[3] == 2 / 3


def test_a_note_stays_when_the_recomputation_is_stopped_midway(
    database_url: str, connection: psycopg.Connection
) -> None:
    made = settled(connection, database_url)
    worker = recomputer(database_url, made, threading.Event())
    (note,) = stored(connection, LATE, 5 * MINUTE).notes
    worker.request(NOW + MINUTE, NOW + 3 * MINUTE, [note])
    worker._stopping = True
    worker._recompute(NOW + MINUTE, NOW + 3 * MINUTE)
    assert values(connection) == {0: 0.5, 1: 2 / 3, 2: 0.5, 3: 0.5}
    assert worker.carries(note)
    assert len(load_notes(connection)) == 1


def test_a_note_waits_for_all_its_minutes_and_is_not_forgotten_meanwhile(
    database_url: str, connection: psycopg.Connection
) -> None:
    made = settled(connection, database_url)
    worker = recomputer(database_url, made, threading.Event())
    (note,) = stored(connection, LATE, 5 * MINUTE).notes
    worker.request(NOW + MINUTE, NOW + 3 * MINUTE, [note])
    worker.forget([note])
    worker._recompute(NOW + MINUTE, NOW + 2 * MINUTE)
    assert worker._needless == []
    assert len(load_notes(connection)) == 1
    worker._recompute(NOW, NOW + 3 * MINUTE)
    assert load_notes(connection) == []
    assert not worker.carries(note)


def test_a_minute_is_noted_by_the_lateness_it_is_settled_by() -> None:
    assert NOTED_AFTER == LATENESS


def test_two_writers_of_minutes_do_not_wait_for_each_other_s_legend(
    database_url: str, connection: psycopg.Connection
) -> None:
    made = service(database_url, Clock())
    made.restore()
    minute = made._documents.history(made.present.live.settle(NOW, SHIPPED), "final")
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [NOW])
        writer = threading.Thread(target=write_history, args=[connection, minute])
        writer.start()  # waits for the minute
        wait_until(lambda: other.execute("SELECT count(*) FROM legends").fetchone() == (1,), "the legend is committed")
        other.commit()
        writer.join(PATIENCE)
    assert values(connection) == {0: 0.5}
