"""A watermark moves in the transaction that ends the readings, or not at all."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from ingest_material import STREET, TOPICS, at, bay, state

from ingest.batch import Delivery
from ingest.database import connect
from ingest.decoder import Decoder
from ingest.numbering import settled_numbers
from ingest.registry import Device, Registry
from ingest.watermark import Watermark
from ingest.watermark_store import read_watermarks
from ingest.writer import Take, Written, write


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        yield connection


def take_of(deliveries: Sequence[Delivery], watermark: Any = True) -> Take:
    registry = Registry([Device(1, "bay-1", "parking_bay", STREET, attributes={"watermark": watermark})])
    decoder = Decoder(TOPICS)
    decoded = decoder.decode(deliveries, registry)
    return Take(deliveries, decoded, numbers=settled_numbers(decoded, registry, decoder.address))


def put(connection: psycopg.Connection, *numbers: int, watermark: Any = True, seconds: float = 0) -> Written:
    return write(connection, take_of([bay([state("free", seconds + n, seq=n) for n in numbers])], watermark))


def stored(connection: psycopg.Connection) -> dict[tuple[int, str], Watermark]:
    return read_watermarks(connection, [1])


def test_it_moves_with_the_readings_and_is_read_back(connection: psycopg.Connection) -> None:
    (standing,) = put(connection, 0, 1, 2, 5, 9).watermarks
    assert standing.watermark == Watermark(2, 9, ((5, 5), (9, 9)))
    assert stored(connection) == {(1, "parking_bay"): standing.watermark}
    (standing,) = put(connection, 3, 4).watermarks
    assert standing.watermark == Watermark(5, 9, ((9, 9),))
    assert stored(connection) == {(1, "parking_bay"): standing.watermark}


def test_duplicates_conflicts_and_refused_readings_are_settled_too(connection: psycopg.Connection) -> None:
    put(connection, 0, 1)
    again = [state("free", 1, seq=1), state("closed", 0, seq=0), state("on fire", 2, seq=2)]
    written = write(connection, take_of([bay(again)]))
    assert (written.stored, written.duplicate, written.rejected) == (0, 1, 2)
    assert [standing.watermark for standing in written.watermarks] == [Watermark(2, 2)]


def test_without_a_commit_nothing_moves(connection: psycopg.Connection) -> None:
    put(connection, 0)
    connection.execute("ALTER TABLE parking_bay ADD CHECK (status <> 'closed')")
    with pytest.raises(psycopg.IntegrityError):
        write(connection, take_of([bay([state("free", 1, seq=1), state("closed", 2, seq=2)])]))
    assert stored(connection) == {(1, "parking_bay"): Watermark(0, 0)}


def test_a_take_written_again_after_a_lost_answer_tells_the_same(connection: psycopg.Connection) -> None:
    take = take_of([bay([state("free", n, seq=n) for n in range(5)])])
    written = write(connection, take)
    assert write(connection, take).watermarks == written.watermarks
    assert stored(connection) == {(1, "parking_bay"): Watermark(4, 4)}


def test_a_later_count_starts_anew_and_late_readings_of_the_older_one_do_not_count(
    connection: psycopg.Connection,
) -> None:
    put(connection, 0, 1, 2, 3, seconds=-100)
    later = {"since": at(-50)}
    mixed = [state("free", -60, seq=4), state("free", -49, seq=0), state("free", -48, seq=2)]
    (standing,) = write(connection, take_of([bay(mixed)], later)).watermarks
    assert (standing.watermark.committed, standing.watermark.gaps()) == (0, [(1, 1)])
    assert stored(connection) == {(1, "parking_bay"): standing.watermark}
    assert put(connection, 5, seconds=-90, watermark=True).watermarks[0].watermark.since is not None


def test_who_does_not_ask_costs_nothing(connection: psycopg.Connection) -> None:
    assert put(connection, 0, 1, watermark=False).watermarks == []
    assert stored(connection) == {}
