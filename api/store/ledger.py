"""How every reading ended, by stream."""

from psycopg.rows import DictRow

from api.database import Database


async def by_stream(database: Database) -> list[DictRow]:
    """Counts of each stream as of one moment."""
    return await database.rows("SELECT stream, stored, duplicate, rejected, unknown_fields FROM ledger ORDER BY stream")
