"""SQL of the roll-ups: make those of a span from its final minutes, read them back as arrays.

The tables vital_quarters, vital_hours and vital_days have a row for each index and step, with an array over all areas
in each column of ``rollups.Figures`` (value_mean … reason). To read the hours of an indicator, as forecasts do:

    for at, indices in read_rollups(connection, areas, "hour", first, end, ["energy.load"]):
        indices["energy.load"].figures.value_mean  # float64, by area label; NaN = none
"""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

import psycopg
from psycopg import sql

from processing.array_rows import Field, array_cursor, copy_in
from processing.legends import legend_of, places_of
from processing.rollups import STEPS, Figures, Rollup, Step, buckets, combine, of_minute
from processing.store import read_minutes
from processing.windows import MINUTE

TABLES: dict[Step, str] = {"quarter": "vital_quarters", "hour": "vital_hours", "day": "vital_days"}
_FIGURES = (
    *(f"{part}_{figure}" for part in ("value", "score") for figure in ("mean", "min", "max", "last")),
    "coverage",
    "minutes",
    "valued",
    "scored",
    "reason",
)
_TYPES = {
    "index": "text",
    "at": "timestamptz",
    "version": "int4",
    "state": "text",
    "method_version": "text",
    "computed_at": "timestamptz",
    "legend": "int2",
    **dict.fromkeys(_FIGURES, "array"),
}
_SELECT = """
SELECT DISTINCT ON (at, index) (extract(epoch FROM at) * 1000000)::bigint, index, version, state, method_version,
       legend, {figures}
  FROM {table}
 WHERE at >= timestamptz 'epoch' + %(first)s * interval '1 microsecond'
   AND at < timestamptz 'epoch' + %(end)s * interval '1 microsecond'
   AND (%(indices)s::text[] IS NULL OR index = ANY(%(indices)s))
   AND (%(as_of)s::bigint IS NULL OR computed_at <= timestamptz 'epoch' + %(as_of)s * interval '1 microsecond')
 ORDER BY at, index, version DESC
"""


def make_rollups(
    connection: psycopg.Connection, areas: Sequence[str], zone: tzinfo, first: int, last: int, settled: int
) -> int:
    """Make all roll-ups that hold a minute from ``first`` to ``last`` (µs) and are over at ``settled``, the newest
    final minute; returns how many rows are new or changed. To be called again whenever minutes were revised.
    """
    written = 0
    for step in STEPS:
        for start, end in buckets(step, first, last, zone):
            if end - MINUTE <= settled:
                written += _make(connection, areas, step, start, end)
    return written


def read_rollups(
    connection: psycopg.Connection,
    areas: Sequence[str],
    step: Step,
    first: int,
    end: int,
    indices: Sequence[str] | None = None,
    as_of: int | None = None,
) -> Iterator[tuple[int, dict[str, Rollup]]]:
    """The steps that begin from ``first`` up to before ``end`` (µs), in order: start (µs) and indices.

    Arrays are in the order of ``areas``; ``indices``: only these; ``as_of``: as it was known then (µs).
    """
    start, found = None, dict[str, Rollup]()
    for at, index, _, rollup in _rows(connection, areas, step, first, end, indices, as_of):
        if start is not None and at != start:
            yield start, found
            found = {}
        start = at
        found[index] = rollup
    if start is not None:
        yield start, found


def _rows(
    connection: psycopg.Connection,
    areas: Sequence[str],
    step: Step,
    first: int,
    end: int,
    indices: Sequence[str] | None,
    as_of: int | None,
) -> Iterator[tuple[int, str, int, Rollup]]:
    """Start, index, version and roll-up."""
    places = places_of(connection, areas)
    query = sql.SQL(_SELECT).format(
        figures=sql.SQL(", ").join(map(sql.Identifier, _FIGURES)), table=sql.Identifier(TABLES[step])
    )
    wanted = None if indices is None else list(indices)
    with array_cursor(connection) as cursor:
        cursor.execute(query, {"first": first, "end": end, "indices": wanted, "as_of": as_of})
        for at, index, version, state, method, legend, *columns in cursor:
            figures = Figures(*columns)
            if legend in places:
                figures = figures.moved(places[legend], len(areas))
            yield at, index, version, Rollup(figures, state, method)


def _make(connection: psycopg.Connection, areas: Sequence[str], step: Step, start: int, end: int) -> int:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [-start - STEPS.index(step)])
        parts: dict[str, list[Rollup]] = {}
        for index, rollup in _parts(connection, areas, step, start, end):
            parts.setdefault(index, []).append(rollup)
        stored = {
            i: (version, old) for _, i, version, old in _rows(connection, areas, step, start, start + 1, None, None)
        }
        legend, now = legend_of(connection, areas), _now(connection)
        rows: list[Sequence[Field]] = []
        for index, several in parts.items():
            made = combine(several)
            version, old = stored.get(index, (-1, None))
            if old is None or not made.figures.same(old.figures) or made.state != old.state:
                head = (index, start, version + 1, made.state, made.method_version, now, legend)
                rows.append((*head, *(getattr(made.figures, name) for name in _FIGURES)))
        if rows:
            copy_in(connection, TABLES[step], _TYPES, rows)
    return len(rows)


def _parts(
    connection: psycopg.Connection, areas: Sequence[str], step: Step, start: int, end: int
) -> Iterator[tuple[str, Rollup]]:
    """What a step is made of, in order of time."""
    if step == "quarter":
        for _, known in read_minutes(connection, areas, start, end - MINUTE):
            yield from ((index, of_minute(one)) for index, one in known.items())
    else:
        smaller = STEPS[STEPS.index(step) - 1]
        for _, rollups in read_rollups(connection, areas, smaller, start, end):
            yield from rollups.items()


def _now(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    assert row is not None
    return int(row[0])
