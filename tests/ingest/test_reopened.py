"""What comes for minutes that may be settled is noted in the transaction that stores it; what comes in time is not."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from ingest_material import NOW, TOPICS, bay, micros, registry, state, store_fleet

from ingest.batch import Batch, Decoded, Delivery
from ingest.database import connect
from ingest.decoder import Decoder
from ingest.reopened import LATENESS, MARGIN, Note, late_span
from ingest.reopened_store import drop_notes, load_notes
from ingest.writer import Take, Written, write

MINUTE, SECOND = 60_000_000, 1_000_000
AT = micros(NOW)
ROOM = LATENESS - MARGIN
"""µs after which a minute may be about to be settled"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        store_fleet(connection)
        yield connection


def decoded(*deliveries: Delivery) -> Decoded:
    return Decoder(TOPICS).decode(deliveries, registry())


def bays(*seconds: float) -> list[Batch]:
    return decoded(*(bay(state("free", second)) for second in seconds)).batches


def put(connection: psycopg.Connection, now: float, *deliveries: Delivery) -> Written:
    """Write deliveries when the clock says ``now``, in seconds from NOW."""
    return write(connection, Take(deliveries, decoded(*deliveries), clock=lambda: AT / 1e6 + now))


def test_a_reading_is_late_when_the_minute_it_counts_in_may_be_settled() -> None:
    #    -60 s       NOW           +30 s = NOW + ROOM: from here on minute NOW may be settled before all is handed over
    #   ───┼── -30 s ─┼──────────────┼───▶
    some = bays(-30, 0, 1)
    assert late_span(some, [], AT + ROOM - 1) is None
    assert late_span(some, [], AT + ROOM) == (AT - 30 * SECOND, AT)
    assert late_span(some, [], AT + ROOM + MINUTE) == (AT - 30 * SECOND, AT + SECOND)


def test_a_refused_message_counts_when_it_was_received() -> None:
    assert late_span([], [AT + SECOND], AT + ROOM) is None
    assert late_span([], [AT - SECOND, AT + SECOND], AT + ROOM) == (AT - SECOND, AT - SECOND)
    assert late_span(bays(-70), [AT - SECOND], AT + ROOM) == (AT - 70 * SECOND, AT - SECOND)


def test_punctual_readings_leave_no_note(connection: psycopg.Connection) -> None:
    written = put(connection, 1, bay(state("free")), bay(state("closed", -9)), bay(b"no json"))
    assert (written.stored, written.rejected, written.notes) == (2, 1, ())
    assert load_notes(connection) == []


def test_late_readings_are_noted_with_the_span_they_lie_in(connection: psycopg.Connection) -> None:
    connection.execute("SET TIME ZONE 'Asia/Shanghai'")
    said(connection, "1970-01-02Z")
    written = put(connection, 1, bay(state("free")), bay(state("free", -3600)), bay(state("free", -600)))
    (note,) = load_notes(connection)
    assert written.notes == (note.id,)
    assert (note.since, note.until) == (AT - 3600 * SECOND, AT - 600 * SECOND)
    assert put(connection, 1, bay(state("free", -3600))).notes == (), "what was stored already is no news"
    drop_notes(connection, [note.id])
    assert load_notes(connection) == []


def test_what_the_spool_held_is_late_by_the_time_it_is_stored(connection: psycopg.Connection) -> None:
    written = put(connection, 180, bay(state("free")))
    assert len(written.notes) == 1


def test_an_import_leaves_no_note_for_it_names_the_span_to_recompute(connection: psycopg.Connection) -> None:
    delivery = bay(state("free", -86_400))
    assert write(connection, Take([delivery], decoded(delivery))).notes == ()
    assert load_notes(connection) == []


def test_a_transaction_that_fails_leaves_no_note(connection: psycopg.Connection) -> None:
    with connection.transaction():
        assert put(connection, 180, bay(state("free"))).notes
        raise psycopg.Rollback
    assert load_notes(connection) == []


def test_joined_transactions_keep_all_notes(connection: psycopg.Connection) -> None:
    one, other = put(connection, 180, bay(state("free"))), put(connection, 180, bay(state("free", 1)))
    assert one.joined(other).notes == [*one.notes, *other.notes]
    assert replace(one, notes=()).joined(other).notes == list(other.notes)


def test_what_lies_before_the_first_minute_has_nothing_to_revise(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO reopened (since, until) VALUES ('epoch', to_timestamp(%s)), ('epoch', '1971-01-01Z')", [AT / 1e6]
    )
    said(connection, NOW.isoformat())
    ids = [number for (number,) in connection.execute("SELECT id FROM reopened ORDER BY id").fetchall()]
    assert load_notes(connection) == [Note(ids[0], AT, AT), Note(ids[1], AT, 365 * 1440 * MINUTE)]


def said(connection: psycopg.Connection, at: str) -> None:
    """There is a minute of vital signs."""
    connection.execute("INSERT INTO legends (areas, reasons, digest) VALUES ('{a}', '{}', 'x')")
    connection.execute(
        "INSERT INTO vital_minutes SELECT 'composite', %s, 0, 'final', 'v', now(), id, NULL, NULL, '{1}', '{1}', '{1}',"
        " '{1}', '{1}', '{0}' FROM legends",
        [at],
    )
