"""Write a take that the database refuses as a whole: halved until what it does not take stands alone, in one
transaction, so that a fault on the way leaves nothing behind and a COMMIT without an answer is about all of it.
"""

import logging
from collections.abc import Callable, Sequence

import psycopg

from ingest.batch import Delivery
from ingest.spool_marks import move_spool
from ingest.writer import Doubt, Take, Written, write_part

log = logging.getLogger(__name__)

REFUSALS = psycopg.DataError, psycopg.IntegrityError
"""the database does not want what it was given; trying again cannot help"""
Prepare = Callable[[Sequence[Delivery]], Take]
"""makes a take of a part of the deliveries"""
Refuse = Callable[[Delivery, psycopg.Error], Take]
"""makes a take that rejects one delivery"""


def write_halved(connection: psycopg.Connection, take: Take, prepare: Prepare, refuse: Refuse) -> Written:
    """Commit a take. Raises psycopg's errors; then nothing of it is in the database. In doubt as ``write``."""
    take.in_doubt = None
    with connection.transaction():
        written = _write(connection, take.deliveries, prepare, refuse)
        if take.spooled is not None:
            move_spool(connection, take.spooled)
        take.in_doubt = Doubt(written.token, written)
    return written


def _write(connection: psycopg.Connection, deliveries: Sequence[Delivery], prepare: Prepare, refuse: Refuse) -> Written:
    try:
        return write_part(connection, prepare(deliveries))
    except REFUSALS as error:
        if len(deliveries) == 1:
            log.error("the database refused a message that validation let pass: %s", error)
            return write_part(connection, refuse(deliveries[0], error))
    half = len(deliveries) // 2
    one = _write(connection, deliveries[:half], prepare, refuse)
    return one.joined(_write(connection, deliveries[half:], prepare, refuse))
