"""The SQL of how far each spool is moved into the tables."""

from dataclasses import dataclass
from uuid import UUID

import psycopg


@dataclass(frozen=True)
class SpoolMark:
    """How far a spool is moved into the tables by a take."""

    spool: UUID
    segment: int
    offset: int


def move_spool(connection: psycopg.Connection, mark: SpoolMark) -> None:
    """Note how far a spool was moved."""
    connection.execute(
        'INSERT INTO spool_positions (spool, segment, "offset") VALUES (%s, %s, %s)'
        ' ON CONFLICT (spool) DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset",'
        " moved_at = now()",
        [mark.spool, mark.segment, mark.offset],
    )


def spool_mark(connection: psycopg.Connection, spool: UUID) -> SpoolMark:
    """How far a spool was moved; its beginning when nothing was."""
    row = connection.execute('SELECT segment, "offset" FROM spool_positions WHERE spool = %s', [spool]).fetchone()
    return SpoolMark(spool, *(row or (0, 0)))
