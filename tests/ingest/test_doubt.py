"""A COMMIT that was sent and not answered: whether it was done is found out, whatever became of the database."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psycopg
import pytest
from ingest_material import TOPICS, bay, count_rows, ledger, registry, state, store_fleet
from mqtt_client import PATIENCE, eventually
from ports import free_port

from deploy.embedded import database
from deploy.embedded.server import running
from ingest.database import connect, migrate
from ingest.decoder import Decoder
from ingest.writer import Doubt, Take, Written, write


@pytest.fixture(autouse=True)
def fleet(database_url: str) -> None:
    with connect(database_url) as connection:
        store_fleet(connection)


def test_a_commit_whose_answer_was_lost_is_neither_repeated_nor_forgotten(database_url: str) -> None:
    messages = [bay(state("free")), bay(state("busy"))]
    take = Take(messages, Decoder(TOPICS).decode(messages, registry()))
    with connect(database_url) as first:
        first.autocommit = True
        write(first, take)
    with connect(database_url) as second:
        second.autocommit = True
        written = write(second, take)
        assert (written.stored, written.duplicate, written.rejected) == (1, 0, 1)
        assert [len(batch) for batch in written.batches] == [1]
        assert ledger(second) == {"parking_bay": (1, 0, 1)}


def test_a_commit_that_never_happened_is_done_again(database_url: str) -> None:
    messages = [bay(state("free"))]
    take = Take(messages, Decoder(TOPICS).decode(messages, registry()))
    with connect(database_url) as first, first.transaction(force_rollback=True):
        write(first, take)
    with connect(database_url) as second:
        second.autocommit = True
        assert write(second, take).stored == 1
        assert ledger(second) == {"parking_bay": (1, 0, 0)}


def test_a_commit_that_an_older_copy_of_the_database_cannot_know_is_done_again(database_url: str) -> None:
    messages = [bay(state("free"))]
    take = Take(messages, Decoder(TOPICS).decode(messages, registry()))
    take.in_doubt = Doubt(2**40, Written([], []))
    with connect(database_url) as connection:
        connection.autocommit = True
        assert write(connection, take).stored == 1
        assert ledger(connection) == {"parking_bay": (1, 0, 0)}


def test_a_commit_still_under_way_is_waited_for(database_url: str) -> None:
    messages = [bay(state("free"))]
    take = Take(messages, Decoder(TOPICS).decode(messages, registry()))
    with connect(database_url) as first, connect(database_url) as second:
        second.autocommit = True
        with first.transaction():
            write(first, take)
            with pytest.raises(psycopg.OperationalError, match="still in progress"):
                write(second, take)
        assert write(second, take).stored == 1
        assert count_rows(second, "parking_bay") == 1


def test_a_crash_may_give_the_number_of_a_lost_transaction_to_another(tmp_path: Path, servers: Path) -> None:
    """The database hands out again what it had not written down; what took the number and was committed is not ours."""
    server = database.prepare(tmp_path / "database", free_port(), servers)
    with running(server, tmp_path / "log"):
        database.ensure_database(server.url)
        migrate(server.url)
        with connect(server.url) as connection:
            store_fleet(connection)
            connection.commit()
            connection.autocommit = True
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")  # or it writes it down behind our back
            connection.execute("SELECT pg_reload_conf()")
        for second in range(5):  # a checkpoint may just have written it down
            messages = [bay(state("free", second))]
            take = Take(messages, Decoder(TOPICS).decode(messages, registry()))
            with contextlib.suppress(psycopg.OperationalError), connect(server.url) as lost, lost.transaction():
                number = write(lost, take).transaction
                with connect(server.url) as other:
                    os.kill(lost.info.backend_pid, signal.SIGKILL)  # a crash of the server: all sessions end
                    eventually(lambda: has_ended(other), "the end of the other session")
            with _after_recovery(server.url) as again:
                taken = [again.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() for _ in range(3)]
                assert take.in_doubt is not None
                assert write(again, take).stored == 1
                assert count_rows(again, "parking_bay") == second + 1
                assert ledger(again) == {"parking_bay": (second + 1, 0, 0)}
            if (number,) in taken:
                break
        else:
            pytest.fail("no number was handed out again")


def has_ended(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def _after_recovery(url: str) -> psycopg.Connection:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection = connect(url)
            connection.execute("SELECT 1")
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            connection.rollback()
            connection.autocommit = True
            return connection
