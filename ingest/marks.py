"""The SQL of marks: ranges of a device's readings that were declared bad."""

from collections.abc import Sequence

import psycopg

from devices.units import EPOCH, MICROSECOND


def marked_spans(connection: psycopg.Connection, ids: Sequence[int]) -> list[tuple[int, int]]:
    """First and last instant (µs since 1970) of the marks with these ids, in force or lifted."""
    rows = connection.execute('SELECT "from", "to" FROM marks WHERE id = ANY(%s)', [list(ids)])
    return [((first - EPOCH) // MICROSECOND, (last - EPOCH) // MICROSECOND) for first, last in rows]
