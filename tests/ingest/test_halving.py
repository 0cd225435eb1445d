"""What the database refuses is rejected alone, in one transaction with all else: a fault on the way counts nothing
twice and loses nothing."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import psycopg
import pytest
from ingest_material import NOW, STREET, TOPICS, bay, count_rows, delivery, ledger, micros, registry, state, store_fleet

from ingest.batch import Delivery
from ingest.database import connect
from ingest.database_link import DatabaseAwayError, DatabaseLink
from ingest.intake import Committed, Intake
from ingest.registrar import Registrar

T = TypeVar("T")
REFUSED, UNREADABLE = 3, 1


class FailingLink(DatabaseLink):
    """Fails in the piece of work of the given number that reaches the tables: before its COMMIT, or with its answer."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.fail_at = 0
        self.answer_only = False
        self.pieces = 0

    def do(self, work: Callable[[psycopg.Connection], T]) -> T:
        self.pieces += 1
        if self.pieces != self.fail_at:
            return super().do(work)
        if not self.answer_only:
            return super().do(lambda connection: _undone(connection, work))
        super().do(work)
        raise DatabaseAwayError("the connection is lost")


def _undone(connection: psycopg.Connection, work: Callable[[psycopg.Connection], T]) -> T:
    with connection.transaction():
        work(connection)
        raise psycopg.OperationalError("the connection is lost")


class Bench:
    """Intake over a database with a rule that the contract does not know."""

    def __init__(self, url: str) -> None:
        self.link = FailingLink(url)
        self.committed: list[Committed] = []
        known = registry()
        registrar = Registrar(self.link, known, frozenset({STREET}), "open")
        self.intake = Intake(self.link, TOPICS, known, registrar, self.committed.append)

    @property
    def handed_on(self) -> int:
        """Readings, without refusals."""
        return sum(len(b) for c in self.committed for b in c.batches if b.stream.name == "parking_bay")

    def take_in(self, deliveries: list[Delivery]) -> None:
        """As the service does: again after a failure, with what is in doubt."""
        try:
            self.intake.take_in(deliveries)
        except DatabaseAwayError:
            self.intake.take_in(deliveries, doubt=self.intake.doubt)
        self.link.fail_at = 0


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with connect(database_url) as connection:
        store_fleet(connection)
        connection.execute("ALTER TABLE parking_bay ADD CHECK (status <> 'closed')")
    bench = Bench(database_url)
    yield bench
    bench.intake.close()
    bench.link.close()


def material() -> list[Delivery]:
    """20 readings of which the database refuses three; a birth in a place that is none; what is no JSON."""
    bad = (2, 11, 19)
    bodies = [bay(state("closed" if n in bad else "free", n), mid=n + 1, qos=1) for n in range(20)]
    birth = delivery(TOPICS.meta("parking_bay", "bay-77"), {"area": "nowhere"}, mid=30, qos=1)
    return [*bodies[:15], bay(b"{", mid=31, qos=1), birth, *bodies[15:]]


EXPECTED = {"meta": (0, 0, 1), "parking_bay": (17, 0, REFUSED + UNREADABLE)}


def test_what_the_database_refuses_is_rejected_alone(bench: Bench) -> None:
    bench.take_in(material())
    assert bench.link.do(ledger) == EXPECTED
    assert bench.handed_on == 17
    rows = bench.link.do(
        lambda connection: connection.execute(
            "SELECT stream, reason, detail FROM rejects WHERE detail LIKE 'the database refused%' ORDER BY id"
        ).fetchall()
    )
    assert [row[:2] for row in rows] == [("parking_bay", "schema")] * REFUSED


@pytest.mark.parametrize("answer_only", [False, True])
@pytest.mark.parametrize("fail_at", [2, 4, 7])
def test_a_fault_on_the_way_counts_nothing_twice_and_loses_nothing(
    bench: Bench, fail_at: int, answer_only: bool
) -> None:
    bench.link.fail_at, bench.link.answer_only = fail_at, answer_only
    bench.take_in(material())
    assert bench.link.do(ledger) == EXPECTED
    assert bench.link.do(lambda connection: count_rows(connection, "parking_bay")) == 17
    assert bench.link.do(lambda connection: count_rows(connection, "rejects")) == REFUSED + UNREADABLE + 1
    assert bench.handed_on == 17


def test_a_reject_that_the_database_refuses_again_keeps_its_place(bench: Bench) -> None:
    bench.take_in([bay(state("closed"), mid=1, qos=1)])
    command = delivery(TOPICS.command("replay"), {"rejects": [1]}, received=micros(NOW) + 1)
    bench.take_in([command])
    assert bench.link.do(ledger) == {"parking_bay": (0, 0, 1)}
    bench.link.do(
        lambda connection: connection.execute("ALTER TABLE parking_bay DROP CONSTRAINT parking_bay_status_check")
    )
    bench.take_in([command])
    assert bench.link.do(ledger) == {"parking_bay": (1, 0, 0)}
