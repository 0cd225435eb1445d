"""What moves from the spool into the tables reaches processing once, also when the answer to a COMMIT is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
from ingest_material import STREET, TOPICS, bay, count_rows, registry, state, store_fleet

from ingest.backlog import Backlog
from ingest.batch import Delivery
from ingest.database import connect
from ingest.database_link import DatabaseAwayError, DatabaseLink
from ingest.intake import Committed, Intake
from ingest.registrar import Registrar
from ingest.spool import Spool

T = TypeVar("T")


class LossyLink(DatabaseLink):
    """Loses the answer to the next work that writes readings, which is done all the same."""

    lose = False

    def do(self, work: Callable[[psycopg.Connection], T]) -> T:
        before = super().do(_written)
        result = super().do(work)
        if self.lose and super().do(_written) > before:
            self.lose = False
            raise DatabaseAwayError("the answer was lost")
        return result


def _written(connection: psycopg.Connection) -> int:
    return count_rows(connection, "parking_bay")


class Bench:
    """A spool, a database that loses answers, and what processing was given."""

    def __init__(self, url: str, folder: Path) -> None:
        self.link = LossyLink(url)
        self.committed: list[Committed] = []
        known = registry()
        registrar = Registrar(self.link, known, frozenset({STREET}), "open")
        self.intake = Intake(self.link, TOPICS, known, registrar, self.committed.append)
        self.backlog = Backlog(Spool(folder / "spool"), self.link, self.intake)

    @property
    def handed_on(self) -> int:
        return sum(len(batch) for committed in self.committed for batch in committed.batches)

    def drain(self) -> int:
        """Move all; how many deliveries that were."""
        moved = 0
        while (count := self.backlog.move()[0]) > 0:
            moved += count
        return moved


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    with connect(database_url) as connection:
        store_fleet(connection)
    bench = Bench(database_url, tmp_path)
    yield bench
    bench.link.close()


def messages(count: int) -> tuple[Delivery, ...]:
    return tuple(bay(state("free", n), mid=n + 1, qos=1) for n in range(count))


def test_what_was_spooled_is_stored_and_handed_on(bench: Bench) -> None:
    bench.backlog.keep(messages(7), None)
    assert bench.drain() == 7
    assert (bench.link.do(_written), bench.handed_on) == (7, 7)


def test_a_move_whose_commit_was_not_answered_is_handed_on_once(bench: Bench) -> None:
    bench.backlog.keep(messages(7), None)
    bench.link.lose = True
    with pytest.raises(DatabaseAwayError):
        bench.backlog.move()
    assert bench.handed_on == 0
    assert bench.drain() == 7
    assert (bench.link.do(_written), bench.handed_on) == (7, 7)


def test_a_commit_that_was_not_answered_and_went_to_the_spool_is_handed_on_once(bench: Bench) -> None:
    bench.link.lose = True
    with pytest.raises(DatabaseAwayError):
        bench.intake.take_in(messages(5))
    bench.backlog.keep(messages(5), bench.intake.doubt)
    assert bench.drain() == 5
    assert (bench.link.do(_written), bench.handed_on) == (5, 5)
