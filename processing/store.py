"""SQL of the minutes of vital signs: write what is new about one, read what is known about many."""

from collections.abc import Iterator, Sequence

import psycopg

from processing.array_rows import Field, array_cursor, copy_in
from processing.legends import legend_of, places_of
from processing.minutes import Known, Minute, Said, Version, next_version

_COLUMNS = {
    "index": "text",
    "at": "timestamptz",
    "version": "int4",
    "state": "text",
    "method_version": "text",
    "computed_at": "timestamptz",
    "legend": "int2",
    "label": "int2[]",
    "revision": "int2[]",
    "value": "float8[]",
    "score": "float8[]",
    "base": "float8[]",
    "coverage": "float4[]",
    "freshness": "float4[]",
    "reason": "int2[]",
}
_SELECT = """
SELECT (extract(epoch FROM at) * 1000000)::bigint, index, version, state, method_version, legend, label, revision,
       value, score, base, coverage, freshness, reason
  FROM vital_minutes
 WHERE at >= timestamptz 'epoch' + %(first)s * interval '1 microsecond'
   AND at <= timestamptz 'epoch' + %(last)s * interval '1 microsecond'
   AND (%(indices)s::text[] IS NULL OR index = ANY(%(indices)s))
   AND (%(as_of)s::bigint IS NULL OR computed_at <= timestamptz 'epoch' + %(as_of)s * interval '1 microsecond')
 ORDER BY at, index, version
"""


def write_history(connection: psycopg.Connection, minute: Minute) -> int:
    """Store what a minute says, all or none; returns how many values changed what was said before.

    A provisional minute is the first word on it and leaves alone what is there. A final one confirms the newest
    revision where it says the same, and else becomes a revision of its own.
    """
    # Committed before: two that make it in longer transactions, one with a new chunk that refers to it, deadlock.
    legend = legend_of(connection, minute.areas)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [minute.at])  # two may recompute the same minute
        known = known_at(connection, minute.areas, minute.at)
        now = _now(connection) if minute.state == "final" else minute.at
        rows: list[Sequence[Field]] = []
        changed = 0
        for index, said in minute.indices.items():
            version = next_version(known.get(index), said, minute.state, minute.method_version)
            if version is not None:
                rows.append(_row(index, minute.at, now, legend, version))
                changed += int(version.said.applies.sum()) if minute.state == "final" else 0
        if rows:
            copy_in(connection, "vital_minutes", _COLUMNS, rows)
    return changed


def store_version(
    connection: psycopg.Connection, index: str, at: int, computed_at: int, legend: int, version: Version
) -> None:
    """Add one version of an index at a minute (µs since 1970, as is ``computed_at``)."""
    copy_in(connection, "vital_minutes", _COLUMNS, [_row(index, at, computed_at, legend, version)])


def compare_history(connection: psycopg.Connection, minute: Minute) -> int:
    """How many values of a final minute differ from what is stored, or are not stored."""
    known = known_at(connection, minute.areas, minute.at)
    versions = (next_version(known.get(i), said, "final", minute.method_version) for i, said in minute.indices.items())
    return sum(int(version.said.applies.sum()) for version in versions if version is not None)


def known_at(connection: psycopg.Connection, areas: Sequence[str], at: int) -> dict[str, Known]:
    """What is known about the indices at one minute (µs)."""
    return next((known for _, known in read_minutes(connection, areas, at, at)), {})


def read_minutes(
    connection: psycopg.Connection,
    areas: Sequence[str],
    first: int,
    last: int,
    indices: Sequence[str] | None = None,
    as_of: int | None = None,
) -> Iterator[tuple[int, dict[str, Known]]]:
    """The minutes from ``first`` to ``last`` (µs, ends included) that are stored, in order of time.

    Arrays are in the order of ``areas``; ``indices``: only these; ``as_of``: as it was known then (µs).
    """
    places = places_of(connection, areas)
    with array_cursor(connection) as cursor:
        wanted = None if indices is None else list(indices)
        cursor.execute(_SELECT, {"first": first, "last": last, "indices": wanted, "as_of": as_of})
        found: dict[str, Known] = {}
        minute = None
        while rows := cursor.fetchmany(500):
            for at, index, number, state, method, legend, labels, revision, *said in rows:
                if minute is not None and at != minute:
                    yield minute, found
                    found = {}
                minute = at
                version = Version(number, state, method, Said(*said), labels, revision)
                if legend in places:
                    version = version.moved(places[legend])
                if index in found:
                    found[index].learn(version)
                else:
                    found[index] = Known.of(version, len(areas))
        if minute is not None:
            yield minute, found


def newest_final_minute(connection: psycopg.Connection) -> int | None:
    """The newest minute (µs since 1970) that has final values."""
    row = connection.execute(
        "SELECT (extract(epoch FROM max(at)) * 1000000)::bigint FROM vital_minutes"
        " WHERE state = 'final' AND index = 'composite' AND at > now() - interval '2 days'"
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else None


def _row(index: str, at: int, computed_at: int, legend: int, version: Version) -> Sequence[Field]:
    said = version.said
    head = (index, at, version.number, version.state, version.method_version, computed_at, legend)
    arrays = (said.value, said.score, said.base, said.coverage, said.freshness, said.reason)
    return (*head, version.labels, version.revision, *arrays)


def _now(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT (extract(epoch FROM now()) * 1000000)::bigint").fetchone()
    assert row is not None
    return int(row[0])
