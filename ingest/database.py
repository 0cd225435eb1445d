"""Connect to TimescaleDB and bring its schema to what the code expects.

Numbered migrations come first, then one hypertable a stream, made from the kinds' declarations.
"""

import hashlib
from collections.abc import Iterable
from importlib import resources

import psycopg
from psycopg import sql

from devices.contract import Stream
from devices.kinds import kinds, streams
from ingest.chunking import chunk_hours
from ingest.patience import PatientConnection

CHUNK_INTERVAL = "1 day"
IDENTITY_COLUMNS = ("device", "date_observed", "seq", "received_at")
_VIEW_COLUMNS = ("device", "area", "date_observed", "received_at", "seq")
_ADVISORY_LOCK = 0x63697479  # one migration at a time, whoever starts it


class SchemaError(Exception):
    """The database holds something the code cannot work with."""


def connect(url: str, *, application: str = "cityvitals") -> PatientConnection:
    """Open a connection with commits that wait for the disk and times in UTC, and that does not outwait a server that
    has forgotten it."""
    connection = PatientConnection.connect(
        url,
        application_name=application,
        connect_timeout=5,
        options="-c synchronous_commit=on -c timezone=UTC -c client_min_messages=warning"
        " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=15000",
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
    )
    connection.url = url
    return connection


def in_one_line(error: Exception) -> str:
    """The first line of what an error says; its kind where it says nothing, as libpq's do now and then."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def migrate(url: str, declared: Iterable[Stream] | None = None) -> list[str]:
    """Apply what is missing and return its names, oldest first. Safe to run at every start and from two places at once.

    ``declared`` are the streams to have a table for, those of all kinds unless given. Raises SchemaError when an
    applied migration was edited, a column has another type than declared or a stream's name belongs to another table.
    """
    wanted = list(streams().values() if declared is None else declared)
    with connect(url, application="cityvitals migrate") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        done = _apply_migrations(connection)
        for stream in wanted:
            done += _ensure_stream(connection, stream)
        return done + _fit_chunks(connection, wanted)


def _apply_migrations(connection: psycopg.Connection) -> list[str]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    applied: dict[str, str] = dict(connection.execute("SELECT name, checksum FROM migrations").fetchall())
    done = []
    folder = resources.files("ingest") / "migrations"
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name):
        text = file.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        if file.name not in applied:
            connection.execute(text)
            connection.execute("INSERT INTO migrations (name, checksum) VALUES (%s, %s)", [file.name, checksum])
            done.append(file.name)
        elif applied[file.name] != checksum:
            raise SchemaError(
                f"migration {file.name} was applied with other contents: add a new migration instead of editing it"
            )
    return done


def declared_columns(stream: Stream) -> dict[str, str]:
    """SQL columns of a stream's fields and their types, in declared order."""
    return {column: spec.sql_type for spec in stream.fields for column in spec.columns}


def _ensure_stream(connection: psycopg.Connection, stream: Stream) -> list[str]:
    """Make the table and the view of a stream, or bring them to its declaration."""
    existing = _columns(connection, "public", stream.name)
    done = []
    if not existing:
        _create_stream(connection, stream)
        done.append(f"table {stream.name}")
    elif not existing.keys() >= set(IDENTITY_COLUMNS):
        raise SchemaError(f"stream {stream.name} cannot have its table: another one has that name, rename the kind")
    else:
        for column in _missing_columns(stream, existing):
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                    sql.Identifier(stream.name),
                    sql.Identifier(column),
                    sql.SQL(declared_columns(stream)[column]),
                )
            )
            done.append(f"column {stream.name}.{column}")
    if list(_columns(connection, "readings", stream.name)) != [*_VIEW_COLUMNS, *declared_columns(stream)]:
        _create_view(connection, stream)
    return done


def _missing_columns(stream: Stream, existing: dict[str, str]) -> list[str]:
    for column, sql_type in declared_columns(stream).items():
        if column in existing and existing[column] != sql_type.replace("timestamptz", "timestamp with time zone"):
            raise SchemaError(
                f"column {stream.name}.{column} is {existing[column]}, the kind declares {sql_type}: "
                "give the changed field a new name"
            )
    return [column for column in declared_columns(stream) if column not in existing]


def _columns(connection: psycopg.Connection, schema: str, table: str) -> dict[str, str]:
    """Columns and their types, in order; empty when there is no such table or view."""
    rows = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        [schema, table],
    )
    return dict(rows.fetchall())


def _create_stream(connection: psycopg.Connection, stream: Stream) -> None:
    table = sql.Identifier(stream.name)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(sql_type))
        for column, sql_type in declared_columns(stream).items()
    )
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} (device integer NOT NULL, date_observed timestamptz NOT NULL,"
            " seq bigint NOT NULL DEFAULT -1, received_at timestamptz NOT NULL, {})"
        ).format(table, columns)
    )
    connection.execute(
        "SELECT create_hypertable(%s::regclass, by_range('date_observed', %s::interval),"
        " create_default_indexes => false)",
        [f'"{stream.name}"', CHUNK_INTERVAL],
    )
    connection.execute(
        sql.SQL("CREATE UNIQUE INDEX {} ON {} (device, date_observed, seq)").format(
            sql.Identifier(f"{stream.name}_identity"), table
        )
    )
    connection.execute(
        sql.SQL("CREATE INDEX {} ON {} USING brin (date_observed)").format(sql.Identifier(f"{stream.name}_time"), table)
    )
    comment = sql.Literal(f"readings of stream {stream.name}; device = devices.key, seq -1 = none")
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table, comment))


def _fit_chunks(connection: psycopg.Connection, wanted: Iterable[Stream]) -> list[str]:
    """Give the chunks to come the length that suits what the registered devices send; those that are there stay."""
    hours = chunk_hours(_readings_a_second(connection), _memory(connection))
    rows = connection.execute(
        "SELECT hypertable_name FROM timescaledb_information.dimensions WHERE hypertable_schema = 'public'"
        " AND time_interval <> make_interval(hours => %s) AND hypertable_name = ANY(%s)",
        [hours, [stream.name for stream in wanted]],
    ).fetchall()
    for (name,) in rows:
        connection.execute(
            "SELECT set_chunk_time_interval(%s::regclass, make_interval(hours => %s))", [f'public."{name}"', hours]
        )
    return [f"chunks of {hours} h for {', '.join(sorted(name for (name,) in rows))}"] if rows else []


def _readings_a_second(connection: psycopg.Connection) -> float:
    """What all registered devices send, by their own reporting intervals or those of their kinds."""
    rate = 0.0
    for kind, interval, devices in connection.execute(
        "SELECT kind, CASE WHEN jsonb_typeof(attributes -> 'reportingInterval') = 'number'"
        " THEN (attributes ->> 'reportingInterval')::float8 END AS interval, count(*) FROM devices GROUP BY 1, 2"
    ):
        if kind in kinds():
            rate += devices / (interval if interval is not None and interval > 0 else kinds()[kind].reporting_interval)
    return rate


def _memory(connection: psycopg.Connection) -> int:
    """Bytes of memory of the database's machine, of which effective_cache_size is told to be half."""
    row = connection.execute("SELECT 2 * pg_size_bytes(current_setting('effective_cache_size'))").fetchone()
    assert row is not None
    return int(row[0])


def _create_view(connection: psycopg.Connection, stream: Stream) -> None:
    view = sql.Identifier("readings", stream.name)
    columns = sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(c)) for c in declared_columns(stream))
    connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
    connection.execute(
        sql.SQL(
            "CREATE VIEW {} AS SELECT d.id AS device, d.area, r.date_observed, r.received_at,"
            " nullif(r.seq, -1) AS seq, {} FROM {} r JOIN devices d ON d.key = r.device"
        ).format(view, columns, sql.Identifier(stream.name))
    )
