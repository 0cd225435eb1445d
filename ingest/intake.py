"""One piece of ingest's work against the database: register, decode, commit; tried once, safe to try again."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import is_

import orjson
import psycopg

from devices.contract import Flaw
from devices.topics import Address, Topics, device_flaw
from ingest.batch import Batch, Decoded, Delivery, Rejection
from ingest.database import in_one_line
from ingest.database_link import DatabaseLink
from ingest.decoder import Decoder
from ingest.frontier import Frontier
from ingest.halving import REFUSALS, write_halved
from ingest.laid_out import Ready
from ingest.look_ahead import LookAhead
from ingest.marks import marked_spans
from ingest.numbering import settled_numbers
from ingest.refusals import refused
from ingest.refusing import refuse
from ingest.registrar import Registrar
from ingest.registry import Device, Registry
from ingest.rejects import fetch_rejects
from ingest.spool_marks import SpoolMark
from ingest.writer import Doubt, Take, Written, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Committed:
    """What processing gets: readings that are durable, and devices that are new or changed."""

    batches: list[Batch] = field(default_factory=list)
    devices: Sequence[Device] = field(default_factory=list)
    transaction: int = 0
    """PostgreSQL's id of the transaction that holds the readings"""
    marked: list[tuple[int, int]] = field(default_factory=list)
    """spans (µs, ends included) whose readings were marked bad or unmarked"""
    notes: Sequence[int] = ()
    """ids of notes on minutes that may have been settled without these readings"""

    @property
    def size(self) -> int:
        """Readings and devices."""
        return sum(map(len, self.batches)) + len(self.devices)


class Intake:
    """Takes deliveries into the database and hands on what is new."""

    def __init__(
        self,
        link: DatabaseLink,
        topics: Topics,
        registry: Registry,
        registrar: Registrar,
        hand_on: Callable[[Committed], None],
    ) -> None:
        self._link = link
        self._topics = topics
        self._registry = registry
        self._registrar = registrar
        self._hand_on = hand_on
        self._decoder = Decoder(topics, scanning=False)  # until LookAhead has it prepared
        self._ahead = LookAhead(self._decoder, registry)
        self._repeating: frozenset[str] = frozenset()
        """streams of which the last take held something that was stored already"""
        self._frontier = Frontier()
        self.doubt: Doubt | None = None
        """set when the last ``take_in`` failed between its COMMIT and the answer"""

    def close(self) -> None:
        """End what runs beside."""
        self._ahead.close()

    def take_in(
        self,
        deliveries: Sequence[Delivery],
        *,
        doubt: Doubt | None = None,
        spooled: SpoolMark | None = None,
        upcoming: Sequence[Delivery] = (),
    ) -> Written:
        """Commit deliveries. ``doubt`` is that of an earlier try; ``spooled``: how far this moves the spool;
        ``upcoming``: what the next call will bring, to begin with while the database commits.

        Raises DatabaseAwayError; what was not committed then can be taken in again.
        """
        self.doubt = doubt
        live = [delivery for delivery in deliveries if self._is_live(delivery)]
        self._announce(self._registrar.look_up(self._announced(live)))
        live += self._to_replay(live)
        marked = self._marked(live)
        registration = self._registrar.register(live, self._decoder.address)
        self._announce(registration.devices)
        replayed = frozenset(d.reject_id for d in registration.done if d.reject_id is not None)
        ahead = self._ahead.claim(deliveries)
        as_they_came = len(live) == len(deliveries) and all(map(is_, live, deliveries))  # none left out, none replayed
        decoded = self._decode(live, ahead.decoded if ahead is not None and as_they_came else None)
        self._ahead.start(upcoming)
        ready = ahead.ready if ahead is not None else {}
        written = self._write(live, decoded, registration.rejections, replayed, doubt, spooled, ready)
        self.doubt = None
        if marked:
            self._hand_on(Committed(marked=marked))
        return written

    def count(self, deliveries: Iterable[Delivery]) -> int:
        """How many messages will end in the ledger."""
        return self._decoder.count(deliveries)

    def register(self, deliveries: Sequence[Delivery]) -> None:
        """Carry out births ahead of their turn; refusals are left to their turn."""
        self._announce(self._registrar.register(deliveries, self._decoder.address).devices)

    def _announce(self, devices: list[Device]) -> None:
        if devices:
            self._hand_on(Committed(devices=devices))

    def _is_live(self, delivery: Delivery) -> bool:
        """Not one that the broker had retained; of those only births and statuses are still true."""
        if not delivery.retain:
            return True
        address = self._decoder.address(delivery.topic)
        return isinstance(address, Address) and address.channel in ("meta", "status")

    def _announced(self, deliveries: Sequence[Delivery]) -> list[str]:
        """Devices that the api has registered or changed."""
        topic = self._topics.command("registry")
        named = [i for d in deliveries if d.topic == topic for i in _listed(d.payload, "devices")]
        return [i for i in named if isinstance(i, str) and device_flaw(i) is None]

    def _to_replay(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Rejects that the api wants put through again."""
        topic = self._topics.command("replay")
        named = [i for d in deliveries if d.topic == topic for i in _listed(d.payload, "rejects")]
        ids = {i for i in named if type(i) is int and 0 < i < 2**63}
        return self._link.do(lambda connection: fetch_rejects(connection, sorted(ids))) if ids else []

    def _marked(self, deliveries: Sequence[Delivery]) -> list[tuple[int, int]]:
        """Spans of the marks that the api has set or lifted."""
        topic = self._topics.command("marks")
        named = [i for d in deliveries if d.topic == topic for i in _listed(d.payload, "marks")]
        ids = {i for i in named if type(i) is int and 0 < i < 2**63}
        return self._link.do(lambda connection: marked_spans(connection, sorted(ids))) if ids else []

    def _write(
        self,
        deliveries: Sequence[Delivery],
        decoded: Decoded,
        rejections: Sequence[Rejection],
        replayed: frozenset[int],
        doubt: Doubt | None = None,
        spooled: SpoolMark | None = None,
        ready: Ready | None = None,
    ) -> Written:
        """Commit; ``rejections`` are refused births, ``replayed`` the rejects settled by registration; ``ready``: what
        was laid out ahead of time."""
        decoded.rejections += rejections
        take = self._take(deliveries, decoded, replayed, from_spool=spooled is not None)
        take.in_doubt, take.spooled, take.ready = doubt, spooled, ready or {}
        try:
            return self._commit(take, write)
        except REFUSALS as error:
            log.error("the database refused a take that validation let pass: %s", error)
        self._ahead.finish()  # it is decoded again below, part by part

        def part(some: Sequence[Delivery]) -> Take:
            theirs = {id(delivery) for delivery in some}
            again = self._decoder.decode(some, self._registry)
            again.rejections += [rejection for rejection in rejections if id(rejection.delivery) in theirs]
            return self._take(some, again, replayed, from_spool=take.from_spool)

        def refusing(delivery: Delivery, error: psycopg.Error) -> Take:
            alone = Decoded(rejections=[self._refusal(delivery, error)])
            return self._take([delivery], alone, from_spool=take.from_spool)

        return self._commit(take, lambda connection, take: write_halved(connection, take, part, refusing))

    def _take(
        self,
        deliveries: Sequence[Delivery],
        decoded: Decoded,
        replayed: frozenset[int] = frozenset(),
        *,
        from_spool: bool,
    ) -> Take:
        return Take(
            deliveries,
            decoded,
            replayed,
            numbers=settled_numbers(decoded, self._registry, self._decoder.address),
            from_spool=from_spool,
            repeats_likely=from_spool or any(d.redelivered for d in deliveries),
            repeating=self._repeating,
            frontier=self._frontier,
            clock=time.time,
        )

    def _commit(self, take: Take, how: Callable[[psycopg.Connection, Take], Written]) -> Written:
        try:
            written = self._link.do(lambda connection: how(connection, take))
        finally:
            self.doubt = take.in_doubt
        self._repeating = written.repeated
        self.hand_on(written)
        return written

    def hand_on(self, written: Written) -> None:
        """Give processing what a transaction holds, once it is known to be committed."""
        for batch in written.batches:
            self._frontier.advance(batch)
        batches = list(written.batches) + refused(written.rejections, self._registry)
        if batches or written.notes:
            self._hand_on(Committed(batches, transaction=written.transaction, notes=written.notes))

    def _refusal(self, delivery: Delivery, error: psycopg.Error) -> Rejection:
        """The rejection of the one message that the database does not take."""
        address = self._decoder.address(delivery.topic)
        flaw = Flaw("schema", f"the database refused the message: {in_one_line(error)}")
        return refuse(delivery, address if isinstance(address, Address) else None, flaw)

    def _decode(self, deliveries: Sequence[Delivery], decoded: Decoded | None = None) -> Decoded:
        """``decoded``: what was found ahead of time."""
        if decoded is None:
            decoded = self._decoder.decode(deliveries, self._registry)
        found = self._registrar.look_up([i for i in decoded.unknown_devices if self._registry.get(i) is None])
        if found:
            self._announce(found)
            decoded = self._decoder.decode(deliveries, self._registry)
        return decoded


def _listed(payload: bytes, key: str) -> list[object]:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return []
    listed = body.get(key) if isinstance(body, dict) else None
    return listed if isinstance(listed, list) else []
