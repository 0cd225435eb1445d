"""The SQL of notes on minutes that are to be recomputed."""

from collections.abc import Callable, Sequence

import psycopg

from devices.units import format_instant
from ingest.batch import Batch, Rejection
from ingest.reopened import Note, late_span


def note_late(
    connection: psycopg.Connection,
    stored: Sequence[Batch],
    refused: Sequence[Rejection],
    clock: Callable[[], float] | None,
) -> Sequence[int]:
    """Note, within the present transaction, which of its readings are late for minutes that may be settled; returns the
    ids of notes. ``clock``: that of the pipeline, in seconds; without one nobody settles minutes, and nothing is noted.
    """
    if clock is None:
        return ()
    span = late_span(stored, [rejection.delivery.received for rejection in refused], round(clock() * 1e6))
    if span is None:
        return ()
    row = connection.execute(
        "INSERT INTO reopened (since, until) VALUES (%s, %s) RETURNING id", [format_instant(at) for at in span]
    ).fetchone()
    assert row is not None
    return (int(row[0]),)


def load_notes(connection: psycopg.Connection) -> list[Note]:
    """All notes, oldest first; what lies before the first minute that there is has nothing to revise and is cut off."""
    rows = connection.execute(
        "WITH said AS (SELECT coalesce(min(at), now()) AS first FROM vital_minutes)"
        " SELECT id, (extract(epoch FROM greatest(since, first)) * 1000000)::bigint,"
        " (extract(epoch FROM until) * 1000000)::bigint FROM reopened, said ORDER BY id"
    )
    return [Note(*row) for row in rows]


def drop_notes(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Drop notes that have done their work; some may be gone already."""
    connection.execute("DELETE FROM reopened WHERE id = ANY(%s)", [list(ids)])
