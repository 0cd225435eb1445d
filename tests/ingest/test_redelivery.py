"""A message that the broker sends again is counted as a duplicate, also where it was refused."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from ingest_material import TOPICS, bay, count_rows, ledger, put, registry, state, store_fleet

from ingest.batch import Delivery
from ingest.database import connect
from ingest.decoder import Decoder
from ingest.redelivery import packet_of
from ingest.registry import Device
from ingest.spool_marks import SpoolMark
from ingest.writer import Take, Written, write

BAD = {"dateObserved": "2026-11-20T08:00:00Z", "status": "flying"}


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        store_fleet(connection)
        yield connection


def again(message: Delivery) -> Delivery:
    return message._replace(redelivered=True, epoch=message.epoch + 1)


def drain(connection: psycopg.Connection, messages: list[Delivery]) -> Written:
    decoded = Decoder(TOPICS).decode(messages, registry())
    return write(connection, Take(messages, decoded, spooled=SpoolMark(uuid4(), 1, 1)))


def counts(written: Written) -> tuple[int, int, int]:
    return written.stored, written.duplicate, written.rejected


def test_packets_are_told_apart_by_id_topic_and_payload() -> None:
    one = bay(b"x", mid=1)
    packets = [packet_of(m) for m in (one, bay(b"x", mid=2), bay(b"y", mid=1), bay(b"x", "bay-2", mid=1))]
    assert len(set(packets)) == 4
    assert packet_of(again(one)) == packets[0]
    assert packet_of(bay(b"x")) is None


@pytest.mark.parametrize("body", [b"not json", BAD, [state("free"), BAD, state("closed", 1)], {"dateObserved": 5}])
def test_a_refused_message_sent_again_by_the_broker_is_a_duplicate(connection: psycopg.Connection, body: Any) -> None:
    message = bay(body, mid=7, qos=1)
    first = put(connection, [message])
    second = put(connection, [again(message)])
    assert first.rejected == 1
    assert counts(second) == (0, first.stored + 1, 0)
    assert second.rejections == []
    assert count_rows(connection, "rejects") == 1
    assert ledger(connection)["parking_bay"] == (first.stored, first.stored + 1, 1)


def test_a_refused_message_and_its_second_sending_in_one_take_count_once(connection: psycopg.Connection) -> None:
    message = bay([BAD, BAD], mid=7, qos=1)
    assert counts(put(connection, [message, again(message)])) == (0, 2, 2)


def test_the_same_words_in_another_packet_are_refused_again(connection: psycopg.Connection) -> None:
    message = bay(b"not json", mid=7, qos=1)
    put(connection, [message])
    others = [message._replace(mid=8), message, message._replace(mid=9, redelivered=True), bay(b"not json")]
    assert counts(put(connection, others)) == (0, 0, 4)


def test_a_conflict_sent_again_by_the_broker_is_a_duplicate(connection: psycopg.Connection) -> None:
    put(connection, [bay(state("free"), mid=1, qos=1)])
    conflict = bay(state("closed"), mid=2, qos=1)
    put(connection, [conflict])
    assert counts(put(connection, [again(conflict)])) == (0, 1, 0)
    assert count_rows(connection, "rejects") == 1


def test_a_spooled_message_whose_second_sending_was_refused_before_it_is_a_duplicate(
    connection: psycopg.Connection,
) -> None:
    message = bay([BAD, state("free")], mid=7, qos=1)
    put(connection, [again(message)])
    assert counts(drain(connection, [message])) == (0, 2, 0)


def test_a_message_refused_before_its_device_was_registered_is_not_stored_when_sent_again(
    connection: psycopg.Connection,
) -> None:
    stranger = bay([state("free")], "bay-77", mid=7, qos=1)
    put(connection, [stranger])
    connection.execute("INSERT INTO devices (id, kind, area) VALUES ('bay-77', 'parking_bay', '310104003')")
    known = registry()
    (key,) = connection.execute("SELECT key FROM devices WHERE id = 'bay-77'").fetchone() or (0,)
    known.update([Device(key, "bay-77", "parking_bay", "310104003")])
    messages = [again(stranger), bay(state("free"), "bay-77", mid=8, qos=1)]
    written = write(connection, Take(messages, Decoder(TOPICS).decode(messages, known)))
    assert counts(written) == (1, 1, 0)
