"""What is refused is kept to the letter, and moves in the ledger when it is put through again."""

from collections.abc import Iterator

import orjson
import psycopg
import pytest
from ingest_material import NOW, TOPICS, bay, delivery, ledger, put, rejects, state, store_fleet

from devices.contract import Flaw
from ingest.batch import Decoded
from ingest.database import connect
from ingest.refusing import refuse
from ingest.rejects import fetch_rejects
from ingest.writer import Take, write


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        store_fleet(connection)
        yield connection


def test_a_reject_keeps_topic_payload_reason_and_time_of_receipt(connection: psycopg.Connection) -> None:
    put(connection, [bay(b"\x00\xff{"), bay([state("free"), state("busy")])])
    rows = connection.execute(
        "SELECT received_at, topic, stream, device, reason, payload, truncated FROM rejects ORDER BY id"
    ).fetchall()
    topic = TOPICS.telemetry("parking_bay", "bay-1")
    assert rows == [
        (NOW, topic, "parking_bay", "bay-1", "syntax", b"\x00\xff{", False),
        (NOW, topic, "parking_bay", "bay-1", "schema", orjson.dumps(state("busy")), False),
    ]


def test_of_a_payload_beyond_repair_only_the_beginning_is_kept(connection: psycopg.Connection) -> None:
    put(connection, [bay(b"{" * 100_000), bay(b"1" * 2_000_000), delivery("cv1/310000/tram/t/tele", b"1" * 100_000)])
    rows = connection.execute("SELECT reason, length(payload), truncated FROM rejects ORDER BY id").fetchall()
    assert sorted(rows) == [("syntax", 16_384, True), ("too_large", 16_384, True), ("unknown_kind", 100_000, False)]


def replay(connection: psycopg.Connection) -> list[str | None]:
    ids = [id_ for id_, *_ in rejects(connection)]
    put(connection, fetch_rejects(connection, ids))
    return [resolution for *_, resolution in rejects(connection)]


def test_a_replay_moves_the_ledger_and_never_counts_twice(connection: psycopg.Connection) -> None:
    strange = {
        "topic": TOPICS.telemetry("parking_bay", "bay-99"),
        "body": [state("free"), state("free", 1), state("busy")],
    }
    put(connection, [delivery(**strange)])
    assert ledger(connection) == {"parking_bay": (0, 0, 3)}
    assert replay(connection) == [None, None, None]
    assert ledger(connection) == {"parking_bay": (0, 0, 3)}
    moved = [d._replace(topic=TOPICS.telemetry("parking_bay", "bay-1")) for d in fetch_rejects(connection, [1, 2, 3])]
    put(connection, [bay(state("free", 1)), *moved])
    assert [resolution for *_, resolution in rejects(connection)] == ["stored", "duplicate", None]
    assert ledger(connection) == {"parking_bay": (2, 1, 1)}
    assert [d.reject_id for d in fetch_rejects(connection, [1, 2, 3])] == [3]
    put(connection, moved[:2])
    assert ledger(connection)["parking_bay"][2] == 1


def test_a_reject_that_fails_again_keeps_its_place_with_the_reason_of_today(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free"), "bay-99")])
    (again,) = fetch_rejects(connection, [1])
    put(connection, [again._replace(payload=b"not JSON")])
    ((_, reason, detail, resolution),) = rejects(connection)
    assert (reason, resolution) == ("syntax", None)
    assert "not JSON" in detail
    assert ledger(connection) == {"parking_bay": (0, 0, 1)}


def test_a_whole_pack_refused_for_its_topic_is_counted_by_reading_once_it_passes(
    connection: psycopg.Connection,
) -> None:
    put(connection, [delivery("cv1/310000/tram/bay-1/tele", [state("free"), state("free", 1), state("busy", 2)])])
    assert ledger(connection) == {"unknown": (0, 0, 1)}
    (again,) = fetch_rejects(connection, [1])
    put(connection, [again._replace(topic=TOPICS.telemetry("parking_bay", "bay-1"))])
    assert ledger(connection) == {"parking_bay": (2, 0, 1), "unknown": (0, 0, 0)}
    assert [(reason, resolution) for _, reason, _, resolution in rejects(connection)] == [
        ("unknown_kind", "stored"),
        ("schema", None),
    ]


def test_a_reject_that_is_gone_meanwhile_does_not_move_the_ledger(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free"), "bay-99")])
    (again,) = fetch_rejects(connection, [1])
    connection.execute("DELETE FROM rejects")
    put(connection, [again._replace(topic=TOPICS.telemetry("parking_bay", "bay-1"))])
    assert ledger(connection) == {"parking_bay": (1, 0, 1)}


@pytest.mark.parametrize(
    "text", ["tab\there", "line\nend\r", "back\\slash \\N \\x41", "nul\x00", "公交 🚌", "'quote\"", "half \ud800"]
)
def test_a_reject_is_kept_to_the_letter(connection: psycopg.Connection, text: str) -> None:
    payload = text.encode("utf-8", "surrogatepass") + bytes(range(256))
    refusal = refuse(delivery(f"cv1/310000/x/{text}", payload), None, Flaw("topic", text), payload, 3, text)
    write(connection, Take([refusal.delivery], Decoded(rejections=[refusal])))
    kept = text.replace("\x00", "\ufffd").replace("\ud800", "?")
    rows = connection.execute("SELECT topic, device, detail, payload, packet_item, packet_id FROM rejects").fetchall()
    assert rows == [(f"cv1/310000/x/{kept}", kept, kept, payload, 3, None)]
