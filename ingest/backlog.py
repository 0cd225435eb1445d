"""The spool beside the database: keep deliveries while it is away, move them into the tables when it is back."""

import logging
from dataclasses import dataclass

from ingest.batch import Delivery
from ingest.database_link import DatabaseAwayError, DatabaseLink
from ingest.intake import Intake
from ingest.spool import Position, Spool
from ingest.spool_marks import SpoolMark, move_spool, spool_mark
from ingest.spool_records import Record
from ingest.writer import Doubt, Written, was_committed

log = logging.getLogger(__name__)

MOST_MOVED = 5_000


@dataclass(frozen=True)
class Moved:
    """What went from the spool to the tables."""

    deliveries: int
    counted: int
    """of them, those that end in the ledger"""


class Backlog:
    """Owns the spool."""

    def __init__(self, spool: Spool, link: DatabaseLink, intake: Intake) -> None:
        self._spool = spool
        self._link = link
        self._intake = intake
        self._doubts: dict[int, Doubt] = {}
        self._unanswered: tuple[Moved, Doubt] | None = None
        """a move whose COMMIT was not answered, and what is known of it"""
        self.counted: int | None = None
        """messages in the spool that will end in the ledger; None until the database has told where the spool begins"""
        self._births_ahead = True
        """births in the spool are still to be carried out before live readings that count on them"""

    @property
    def spool(self) -> Spool:
        return self._spool

    def keep(self, deliveries: tuple[Delivery, ...], doubt: Doubt | None) -> None:
        """Append deliveries durably. Raises SpoolFullError."""
        self._spool.append(deliveries, in_doubt=doubt.token if doubt else 0)
        if self.counted is not None:
            self.counted += self._intake.count(deliveries)
        self._births_ahead = True
        if doubt:
            self._doubts[doubt.token] = doubt

    def register_ahead(self) -> None:
        """Carry out the births that wait in the spool: readings that arrive now may be of those devices."""
        if not self._births_ahead:
            return
        mark = self._mark()
        position = Position(mark.segment, mark.offset)
        counted = 0
        while True:
            records, behind = self._spool.read(position, 100_000)
            if behind == position:
                break
            counted += self._intake.count(r.delivery for r in records)
            self._intake.register([r.delivery for r in records if r.delivery.topic.endswith("/meta")])
            position = behind
        self.counted = counted
        self._births_ahead = False

    def move(self) -> tuple[int, Written | None]:
        """Commit the oldest part of the spool; returns how many deliveries that were, 0 at its end, and what is new."""
        if self._unanswered is not None:
            moved, move = self._unanswered
            committed = self._link.do(lambda connection: was_committed(connection, move.token))
            self._unanswered = None
            if committed:  # its place in the spool went with it; only processing has not heard of it
                self._intake.hand_on(move.outcome)
                return self._moved(moved), move.outcome
        mark = self._mark()
        records, behind = self._spool.read(Position(mark.segment, mark.offset), MOST_MOVED)
        if not records:
            self._link.do(lambda connection: move_spool(connection, self._at(behind)))
            self._spool.forget(behind)
            self.counted = 0
            return 0, None
        token = records[0].in_doubt
        alike = _alike(records)
        if len(alike) < len(records):
            records, behind = self._spool.read(Position(mark.segment, mark.offset), len(alike))
        if token and self._link.do(lambda connection: was_committed(connection, token)):
            self._link.do(lambda connection: move_spool(connection, self._at(behind)))
            doubt = self._doubts.pop(token, None)
            written = doubt.outcome if doubt else None
            if written is not None:
                self._intake.hand_on(written)
        else:
            written = self._take_in(records, self._at(behind))
        self._spool.forget(behind)
        return self._moved(self._size(records)), written

    def _take_in(self, records: list[Record], mark: SpoolMark) -> Written:
        try:
            return self._intake.take_in([r.delivery for r in records], spooled=mark)
        except DatabaseAwayError:
            if self._intake.doubt is not None:
                self._unanswered = self._size(records), self._intake.doubt
            raise

    def _size(self, records: list[Record]) -> Moved:
        return Moved(len(records), self._intake.count(r.delivery for r in records))

    def _moved(self, moved: Moved) -> int:
        if self.counted is not None:
            self.counted = max(0, self.counted - moved.counted)
        return moved.deliveries

    def spooled_before(self) -> int:
        """How many deliveries an earlier process left, at most: the database knows how many of them were moved."""
        return self._spool.count(Position())

    def _mark(self) -> SpoolMark:
        return self._link.do(lambda connection: spool_mark(connection, self._spool.id))

    def _at(self, position: Position) -> SpoolMark:
        return SpoolMark(self._spool.id, position.segment, position.offset)


def _alike(records: list[Record]) -> list[Record]:
    """The first records that share one take in doubt, or have none."""
    first = records[0].in_doubt
    end = next((i for i, record in enumerate(records) if record.in_doubt != first), len(records))
    return records[:end]
