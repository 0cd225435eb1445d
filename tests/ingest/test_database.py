"""The schema follows the declarations: from nothing, again and again, and when a kind changes."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from devices.contract import Stream, Telemetry
from devices.kinds import streams
from devices.units import Instant, Label, Point, Ratio
from ingest.database import SchemaError, connect, declared_columns, in_one_line, migrate


class First(Telemetry):
    fillLevel: Ratio | None = None  # noqa: N815 - a wire name
    lid: bool | None = None


class Second(Telemetry):
    """A field in the middle, and one of every other type."""

    fillLevel: Ratio | None = None  # noqa: N815 - a wire name
    position: Point | None = None
    lid: bool | None = None
    count: int | None = None
    note: Label | None = None
    emptiedAt: Instant | None = None  # noqa: N815 - a wire name


class Changed(Telemetry):
    fillLevel: Label | None = None  # noqa: N815 - a wire name


def stream_of(model: type[Telemetry], name: str = "bin") -> Stream:
    return Stream(name, name, model)


def columns(connection: psycopg.Connection, schema: str, table: str) -> dict[str, str]:
    return dict(
        connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
            " ORDER BY ordinal_position",
            [schema, table],
        ).fetchall()
    )


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        yield connection


def test_an_empty_database_gets_every_table(empty_database_url: str) -> None:
    done = migrate(empty_database_url)
    assert done[0] == "0001_core.sql"
    assert {f"table {name}" for name in streams()} <= set(done)
    with connect(empty_database_url) as connection:
        hypertables = connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables").fetchall()
        assert set(streams()) <= {name for (name,) in hypertables}
        for name, stream in streams().items():
            declared = {
                c: t.replace("timestamptz", "timestamp with time zone") for c, t in declared_columns(stream).items()
            }
            assert columns(connection, "public", name) == {
                "device": "integer",
                "date_observed": "timestamp with time zone",
                "seq": "bigint",
                "received_at": "timestamp with time zone",
                **declared,
            }
            assert list(columns(connection, "readings", name))[5:] == list(declared)


def test_a_second_start_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == []


def test_a_hypertable_lets_one_identity_in_once(connection: psycopg.Connection) -> None:
    row = (
        "INSERT INTO parking_bay (device, date_observed, received_at, status) VALUES (1, '2026-11-20Z', now(), 'free')"
    )
    connection.execute(row)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(row)


def test_a_new_field_gets_its_columns_and_its_place_in_the_view(
    database_url: str, connection: psycopg.Connection
) -> None:
    assert migrate(database_url, [stream_of(First)]) == ["table bin"]
    connection.execute("INSERT INTO devices (id, kind, area) VALUES ('b', 'bin', '310104003')")
    connection.execute(
        "INSERT INTO bin (device, date_observed, received_at, fill_level) VALUES (1, '2026-11-20Z', now(), 0.5)"
    )
    assert migrate(database_url, [stream_of(Second)]) == [
        "column bin.position_lon",
        "column bin.position_lat",
        "column bin.count",
        "column bin.note",
        "column bin.emptied_at",
    ]
    assert list(columns(connection, "readings", "bin"))[5:] == list(declared_columns(stream_of(Second)))
    row = connection.execute("SELECT device, seq, fill_level, count FROM readings.bin").fetchone()
    assert row == ("b", None, 0.5, None)
    assert migrate(database_url, [stream_of(Second)]) == []


def test_a_field_that_is_gone_keeps_its_column_and_leaves_the_view(
    database_url: str, connection: psycopg.Connection
) -> None:
    migrate(database_url, [stream_of(Second)])
    assert migrate(database_url, [stream_of(First)]) == []
    assert "note" in columns(connection, "public", "bin")
    assert list(columns(connection, "readings", "bin"))[5:] == ["fill_level", "lid"]


def test_a_field_of_another_type_is_refused_with_the_way_out(database_url: str) -> None:
    migrate(database_url, [stream_of(First)])
    with pytest.raises(
        SchemaError, match=r"bin\.fill_level is double precision, the kind declares text: give .* new name"
    ):
        migrate(database_url, [stream_of(Changed)])


def test_a_refused_migration_leaves_nothing_behind(database_url: str, connection: psycopg.Connection) -> None:
    migrate(database_url, [stream_of(First)])
    with pytest.raises(SchemaError):
        migrate(database_url, [stream_of(First, "lamp"), stream_of(Changed)])
    assert columns(connection, "public", "lamp") == {}


def test_a_stream_cannot_take_the_name_of_another_table(database_url: str) -> None:
    with pytest.raises(SchemaError, match="stream ledger cannot have its table"):
        migrate(database_url, [stream_of(First, "ledger")])


def test_an_edited_migration_is_found_out(database_url: str, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE migrations SET checksum = 'another'")
    with pytest.raises(SchemaError, match=r"0001_core\.sql was applied with other contents"):
        migrate(database_url)


def test_two_first_starts_at_once_share_the_work(empty_database_url: str) -> None:
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate(empty_database_url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(bool, done)) == [False, True]


def test_a_commit_waits_for_the_disk_and_times_are_in_utc(connection: psycopg.Connection) -> None:
    assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_an_error_is_told_in_one_line_also_where_it_says_nothing() -> None:
    assert in_one_line(psycopg.OperationalError("gone\nHINT: wait")) == "gone"
    assert in_one_line(psycopg.OperationalError()) == "OperationalError"
