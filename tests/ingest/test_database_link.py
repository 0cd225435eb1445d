"""Work against a database that fails, hangs, is slow, or has forgotten the connection."""

from collections.abc import Iterator

import psycopg
import pytest

from ingest.database import connect
from ingest.database_link import APPLICATION, DatabaseAwayError, DatabaseLink
from tests.torture.proxy import Proxy

ENOUGH = 3.0
"""seconds in which a new connection can ask whether the server is at work, also on a busy machine"""
TRIES = 3
"""a machine that stood still for seconds is not to blame thrice"""


@pytest.fixture
def wire(database_url: str) -> Iterator[Proxy]:
    proxy = Proxy(int(database_url.rpartition("/")[0].rpartition(":")[2]))
    yield proxy
    proxy.close()


def through(url: str, wire: Proxy) -> str:
    place, _, name = url.rpartition("/")
    return f"{place.rpartition(':')[0]}:{wire.port}/{name}"


def one(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT 1").fetchone()
    assert row is not None
    return int(row[0])


def sleeps(connection: psycopg.Connection) -> bool:
    """Whether slow work is waited for; who asks whether the server is at work gets two seconds to connect."""
    try:
        connection.execute("SELECT pg_sleep(5)")
    except psycopg.OperationalError:
        return False
    return True


def test_slow_work_is_waited_for(database_url: str) -> None:
    link = DatabaseLink(database_url, patience=ENOUGH)
    assert any(link.do(sleeps) for _ in range(TRIES))
    link.close()


def test_a_connection_that_the_server_never_hears_of_again_is_cut_and_replaced(database_url: str, wire: Proxy) -> None:
    link = DatabaseLink(through(database_url, wire), patience=ENOUGH)
    assert link.do(one) == 1
    wire.forget()
    with pytest.raises(DatabaseAwayError):
        link.do(one)
    assert link.do(one) == 1
    link.close()


def waits(url: str) -> bool:
    with connect(url) as connection:
        connection.patience = ENOUGH
        return sleeps(connection)


def test_every_connection_gives_up_a_server_that_has_forgotten_it_and_no_other(database_url: str, wire: Proxy) -> None:
    assert any(waits(through(database_url, wire)) for _ in range(TRIES))
    with connect(through(database_url, wire)) as connection:
        connection.patience = ENOUGH
        with connection.cursor().copy("COPY (SELECT i FROM generate_series(1, 200000) i) TO STDOUT") as copy:
            assert sum(1 for _ in copy.rows()) == 200_000
        wire.forget()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with connect(through(database_url, wire)) as connection:
        assert one(connection) == 1


def test_a_server_that_does_not_answer_anybody_is_given_up(database_url: str, wire: Proxy) -> None:
    link = DatabaseLink(through(database_url, wire), patience=ENOUGH)
    assert link.do(one) == 1
    wire.stall()
    with pytest.raises(DatabaseAwayError):
        link.do(one)
    wire.heal()
    assert link.do(one) == 1
    link.close()


def test_what_an_earlier_connection_left_open_does_not_hold_up_the_next(database_url: str) -> None:
    with psycopg.connect(database_url, application_name=APPLICATION) as forgotten:
        forgotten.execute("LOCK TABLE ledger")
        link = DatabaseLink(database_url)
        link.do(lambda connection: connection.execute("INSERT INTO ledger (stream) VALUES ('x')"))
        link.close()
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("SELECT 1")
