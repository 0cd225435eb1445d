"""Write a decoded take in one transaction: readings, rejects and the ledger, or nothing at all."""

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.errors import UniqueViolation

from ingest.arrays import Integers
from ingest.batch import Batch, Decoded, Delivery, Rejection
from ingest.conflict import as_stored, refuse_conflicts
from ingest.frontier import Frontier
from ingest.laid_out import Ready
from ingest.numbering import Numbers
from ingest.reading_store import Outcome, store_readings, store_trusting
from ingest.redelivery import in_question, rows_not_refused, without_refused
from ingest.rejects import insert_rejections, keep_refused, refused_before, resolve
from ingest.reopened_store import note_late
from ingest.spool_marks import SpoolMark, move_spool
from ingest.watermark_store import Standing, move_watermarks

_ACCOUNTED = "SELECT coalesce(sum(stored + duplicate + rejected), 0)::bigint FROM ledger"
_CLOSING = (
    "WITH taken AS (INSERT INTO takes (token) VALUES (%s) RETURNING id),"
    " gone AS (DELETE FROM takes WHERE id <= (SELECT id FROM taken) - %s)"
    " SELECT pg_current_xact_id()::text::bigint, coalesce(sum(stored + duplicate + rejected), 0)::bigint,"
    " pg_advisory_xact_lock(%s) IS NULL FROM ledger"
)
_MOVE = (
    "WITH moves AS (SELECT * FROM unnest(%s::text[], %s, %s, %s, %s)"
    " AS moves (stream, stored, duplicate, rejected, unknown)),"
    " held AS (SELECT FROM ledger JOIN moves USING (stream) ORDER BY stream FOR UPDATE OF ledger)"
    " UPDATE ledger SET stored = ledger.stored + moves.stored, duplicate = ledger.duplicate + moves.duplicate,"
    " rejected = ledger.rejected + moves.rejected, unknown_fields = unknown_fields + unknown"
    " FROM moves WHERE ledger.stream = moves.stream AND (SELECT count(*) FROM held) > 0 RETURNING ledger.stream"
)
"""rows are locked in the order of their names, whoever else moves them"""
_REMEMBERED = 1_000
"""takes; one in doubt is asked about before many others are committed"""
_FEW = 100
"""readings that may be looked for in vain"""


@dataclass(frozen=True)
class Written:
    """What a committed transaction holds."""

    batches: list[Batch]
    """the readings that are new in the database"""
    rejections: list[Rejection]
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    transaction: int = 0
    """PostgreSQL's id of the transaction; of the later one where two are joined"""
    token: int = 0
    """the random number by which the database knows the take; of the later one where two are joined"""
    accounted: int = 0
    """what the whole ledger adds up to with this transaction; of the later one where two are joined"""
    repeated: frozenset[str] = frozenset()
    """streams of which readings came that were stored already, alike or in conflict"""
    watermarks: Sequence[Standing] = ()
    """where the watermarks of numbered readings stand, of those devices that asked"""
    notes: Sequence[int] = ()
    """ids of notes on minutes that may have been settled without some of this"""

    def joined(self, other: "Written") -> "Written":
        """What this and another transaction hold together."""
        return Written(
            self.batches + other.batches,
            self.rejections + other.rejections,
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            max(self.transaction, other.transaction),
            other.token,
            max(self.accounted, other.accounted),
            self.repeated | other.repeated,
            [*self.watermarks, *other.watermarks],
            [*self.notes, *other.notes],
        )


@dataclass(frozen=True)
class Doubt:
    """A transaction whose COMMIT was sent but not answered, and what it holds if it was done."""

    token: int
    outcome: Written


@dataclass
class Take:
    """A decoded take on its way into the database."""

    deliveries: Sequence[Delivery]
    decoded: Decoded
    registered: Collection[int] = ()
    """ids of rejects put through again that were births or statuses and are done"""
    in_doubt: Doubt | None = None
    spooled: SpoolMark | None = None
    numbers: Sequence[Numbers] = ()
    """sequence numbers that are settled by this take"""
    from_spool: bool = False
    """part of a take that the spool held; the broker may have brought it a second time meanwhile"""
    repeats_likely: bool = False
    """readings of any stream may well be stored already, so that trying without a look is in vain"""
    repeating: Collection[str] = ()
    """streams of which some readings are probably stored already"""
    frontier: Frontier = field(default_factory=Frontier)
    """tells which readings may be: they are looked for first"""
    ready: Ready = field(default_factory=dict)
    """batches that were laid out ahead of time"""
    clock: Callable[[], float] | None = None
    """seconds since 1970: what comes for minutes that may be settled is noted; None = nobody settles minutes by it"""


@dataclass
class _Account:
    """How the readings of a take ended, by stream and by delivery."""

    stored: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    repeated: set[str] = field(default_factory=set)
    stored_from: set[int] = field(default_factory=set)
    """deliveries, if some are rejects put through again: nobody asks else"""
    duplicate_from: set[int] = field(default_factory=set)
    """likewise"""


def write(connection: psycopg.Connection, take: Take) -> Written:
    """Commit a take and return what is new. Raises psycopg's errors; then nothing of it is in the database.

    One case stays open: the connection breaks between COMMIT and its answer. Writing the same take again, over a new
    connection, finds out and never stores or counts it twice.
    """
    if take.in_doubt is not None:
        if was_committed(connection, take.in_doubt.token):
            return take.in_doubt.outcome
        take.in_doubt = None
    return write_part(connection, take)


def write_part(connection: psycopg.Connection, take: Take) -> Written:
    """Write a take that is not in doubt; within a transaction of the caller's, it is done when that is committed."""
    if not take.repeats_likely:
        try:
            return _write(connection, take, trusting=True)
        except UniqueViolation:
            pass  # some of it is stored already: find out which
    return _write(connection, take, trusting=False)


def _write(connection: psycopg.Connection, take: Take, *, trusting: bool) -> Written:
    """``trusting``: only readings behind the frontier are stored already; raises UniqueViolation where others are."""
    account = _Account()
    rejections = list(take.decoded.rejections)
    with connection.transaction():
        known = refused_before(
            connection, in_question(take.deliveries, from_spool=take.from_spool or take.spooled is not None)
        )
        stored = []
        for batch in take.decoded.batches:
            fresh = rows_not_refused(batch, take.deliveries, known) if known.items else batch
            account.duplicate[batch.stream.name] += len(batch) - len(fresh)
            if len(fresh):
                stored.append(_store(connection, fresh, take, account, rejections, trusting=trusting))
        rejections = without_refused(rejections, known, account.duplicate)
        kept = _settle_replays(connection, take, rejections, account)
        insert_rejections(connection, kept)
        account.rejected.update(rejection.stream for rejection in kept)
        _move_ledger(connection, account, take.decoded.unknown_fields)
        watermarks = move_watermarks(connection, take.numbers)
        token = 1 + secrets.randbits(62)
        row = connection.execute(_CLOSING, [token, _REMEMBERED, token]).fetchone()
        assert row is not None
        written = Written(
            batches=[batch for batch in stored if len(batch)],
            rejections=rejections,
            stored=account.stored.total(),
            duplicate=account.duplicate.total(),
            rejected=len(kept),
            transaction=row[0],
            token=token,
            accounted=row[1],
            repeated=frozenset(account.repeated),
            watermarks=watermarks,
            notes=note_late(connection, stored, kept, take.clock),
        )
        if take.spooled is not None:
            move_spool(connection, take.spooled)
        take.in_doubt = Doubt(written.token, written)
    return written


def accounted(connection: psycopg.Connection) -> int:
    """What the ledger adds up to, in readings."""
    row = connection.execute(_ACCOUNTED).fetchone()
    assert row is not None
    return int(row[0])


def was_committed(connection: psycopg.Connection, token: int) -> bool:
    """Whether a take of an earlier connection was committed; raises while its transaction is still in progress.

    Not asked by the number of the transaction: after a crash that number may be another's, who was committed.
    """
    with connection.transaction():  # the lock is given up after the commit can be seen
        row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [token]).fetchone()
        if row is None or not row[0]:
            raise psycopg.OperationalError("a transaction of a broken connection is still in progress")
        return connection.execute("SELECT FROM takes WHERE token = %s", [token]).fetchone() is not None


def _store(
    connection: psycopg.Connection,
    batch: Batch,
    take: Take,
    account: _Account,
    rejections: list[Rejection],
    *,
    trusting: bool,
) -> Batch:
    """Store a batch; enter duplicates into the account and conflicts into the rejections; return what is new."""
    name = batch.stream.name
    if trusting:
        outcome = store_trusting(connection, batch, _suspects(batch, take), take.ready.get(id(batch)))
    else:
        outcome = store_readings(connection, batch)
    repeats = outcome.repeats
    if outcome.known:
        account.repeated.add(name)
    if repeats.duplicate.any():
        account.duplicate[name] += int(repeats.duplicate.sum())
    if repeats.conflict.any():
        rejections += _refuse_conflicts(batch, outcome, take.deliveries)
    new = batch if repeats.new.all() else batch.take(repeats.new)
    account.stored[name] += len(new)
    if any(delivery.reject_id is not None for delivery in take.deliveries):
        account.stored_from.update(new.source.tolist())
        account.duplicate_from.update(batch.source[repeats.duplicate].tolist())
    return new


def _suspects(batch: Batch, take: Take) -> NDArray[np.intp]:
    """Readings that are looked for before they are stored.

    Late ones come in crowds and are new for all that; so many are looked for only where others were stored already.
    """
    repeating = batch.stream.name in take.repeating
    suspects = take.frontier.suspects(batch, strict=repeating)
    return suspects if repeating or len(suspects) <= max(_FEW, len(batch) // 10) else suspects[:0]


def _refuse_conflicts(batch: Batch, outcome: Outcome, deliveries: Sequence[Delivery]) -> list[Rejection]:
    rows = np.flatnonzero(outcome.repeats.conflict)
    first, known = outcome.repeats.first, outcome.known
    among = [row for row in rows.tolist() if row not in known]
    """in conflict with a reading of the same batch, which has just been stored"""
    said = as_stored(batch.take(np.array([first[row] for row in among], np.intp)))
    stored = {**known, **dict(zip(among, said, strict=True))}
    return refuse_conflicts(batch.take(rows), [stored[row] for row in rows.tolist()], deliveries)


def _settle_replays(
    connection: psycopg.Connection, take: Take, rejections: list[Rejection], account: _Account
) -> list[Rejection]:
    """Resolve the rejects that were put through again; return the rejections that are new.

    A reject that fails again keeps its place in the ledger, with the reason of today.
    """
    failed: dict[int, Rejection] = {}
    for rejection in rejections:
        if rejection.delivery.reject_id is not None:
            failed.setdefault(rejection.delivery.reject_id, rejection)
    refused_again = set()
    for source, delivery in enumerate(take.deliveries):
        reject_id = delivery.reject_id
        if reject_id is None:
            continue
        if reject_id in take.registered:
            stream = resolve(connection, reject_id, "stored")
            if stream is not None:
                account.rejected[stream] -= 1
                account.stored[stream] += 1
        elif source in account.stored_from or source in account.duplicate_from:
            stream = resolve(connection, reject_id, "stored" if source in account.stored_from else "duplicate")
            if stream is not None:
                account.rejected[stream] -= 1
        elif reject_id in failed:
            refused_again.add(reject_id)
            keep_refused(connection, reject_id, failed[reject_id])
    return [r for r in rejections if r.delivery.reject_id not in refused_again]


def _move_ledger(connection: psycopg.Connection, account: _Account, unknown_fields: dict[str, int]) -> None:
    counts = (account.stored, account.duplicate, account.rejected, unknown_fields)
    touched = sorted(set().union(*counts))
    new = sorted(set(touched) - _move(connection, touched, counts))
    if new:  # first, and apart: an insert's own row must pass the checks also where it only leads to an update
        connection.execute("INSERT INTO ledger (stream) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", [new])
        _move(connection, new, counts)


def _move(connection: psycopg.Connection, streams: list[str], counts: Iterable[Mapping[str, int]]) -> set[str]:
    """The streams that have a row in the ledger; theirs is moved."""
    moves = [Integers(np.array([count.get(stream, 0) for stream in streams], np.int64)) for count in counts]
    return {stream for (stream,) in connection.execute(_MOVE, [streams, *moves])}
