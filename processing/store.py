"""SQL of processing: write vital signs, compare final ones with what was said before."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from processing.documents import HistoryRow


def write_history(connection: psycopg.Connection, rows: Sequence[HistoryRow]) -> int:
    """Store history rows, all or none; returns how many changed what was said before.

    A provisional row is the first word on its minute and leaves alone what is there. A final row confirms the newest
    revision where it says the same, and else becomes a revision of its own.
    """
    if not rows:
        return 0
    with connection.transaction(), connection.cursor() as cursor:
        _stage(cursor, rows)
        cursor.execute(
            "INSERT INTO vitals SELECT * FROM stage_vitals WHERE state = 'provisional' ON CONFLICT DO NOTHING"
        )
        final = [row.at for row in rows if row.state == "final"]
        return _settle(cursor, final) if final else 0


def _stage(cursor: psycopg.Cursor, rows: Sequence[HistoryRow]) -> None:
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS stage_vitals (LIKE vitals INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
    )
    with cursor.copy(
        "COPY stage_vitals (area, index, at, value, score, coverage, freshness, state, reason, method_version,"
        " computed_at) FROM STDIN"
    ) as copy:
        for row in rows:
            copy.write_row(
                (
                    row.area,
                    row.index,
                    row.at,
                    row.value,
                    row.score,
                    row.coverage,
                    row.freshness,
                    row.state,
                    row.reason,
                    row.method_version,
                    row.at if row.state == "provisional" else "now",
                )
            )


def _settle(cursor: psycopg.Cursor, minutes: Sequence[datetime]) -> int:
    cursor.execute("CREATE TEMP TABLE IF NOT EXISTS newest_vitals (LIKE vitals, alike boolean) ON COMMIT DELETE ROWS")
    cursor.execute(
        "INSERT INTO newest_vitals SELECT DISTINCT ON (v.area, v.index, v.at) v.*,"
        " (v.value, v.score, v.coverage, v.reason, v.method_version)"
        " IS NOT DISTINCT FROM (s.value, s.score, s.coverage, s.reason, s.method_version)"
        " FROM vitals v JOIN stage_vitals s USING (area, index, at)"
        " WHERE s.state = 'final' AND v.at BETWEEN %s AND %s ORDER BY v.area, v.index, v.at, v.revision DESC",
        [min(minutes), max(minutes)],
    )
    cursor.execute(
        "UPDATE vitals v SET state = 'final' FROM newest_vitals n WHERE n.alike AND n.state = 'provisional'"
        " AND (v.area, v.index, v.at, v.revision) = (n.area, n.index, n.at, n.revision)"
        " AND v.at BETWEEN %s AND %s",
        [min(minutes), max(minutes)],
    )
    cursor.execute(
        "INSERT INTO vitals SELECT s.area, s.index, s.at, coalesce(n.revision + 1, 0), s.value, s.score, s.coverage,"
        " s.freshness, s.state, s.reason, s.method_version, now()"
        " FROM stage_vitals s LEFT JOIN newest_vitals n USING (area, index, at)"
        " WHERE s.state = 'final' AND n.alike IS NOT TRUE"
    )
    return cursor.rowcount


def newest_final_minute(connection: psycopg.Connection) -> int | None:
    """The newest minute (µs since 1970) that has final values."""
    row = connection.execute(
        "SELECT (extract(epoch FROM max(at)) * 1000000)::bigint FROM vitals"
        " WHERE state = 'final' AND index = 'composite' AND at > now() - interval '2 days'"
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else None
