"""What was decoded ahead of time is used for these very deliveries and for no others."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from ingest_material import NOW, STREET, TOPICS, bay, delivery, ledger, micros, registry, state, store_fleet

from ingest import look_ahead
from ingest.batch import Decoded, Delivery
from ingest.database import connect
from ingest.database_link import DatabaseLink
from ingest.frontier import Frontier
from ingest.intake import Committed, Intake
from ingest.registrar import Registrar
from ingest.registry import Registry


@pytest.fixture
def link(database_url: str) -> Iterator[DatabaseLink]:
    with connect(database_url) as connection:
        store_fleet(connection)
    link = DatabaseLink(database_url)
    yield link
    link.close()


@pytest.fixture
def committed() -> list[Committed]:
    return []


@pytest.fixture
def intake(link: DatabaseLink, committed: list[Committed], monkeypatch: pytest.MonkeyPatch) -> Iterator[Intake]:
    monkeypatch.setattr(look_ahead, "WORTH_WHILE", 1)
    known = registry()
    intake = Intake(link, TOPICS, known, Registrar(link, known, frozenset({STREET}), "open"), committed.append)
    yield intake
    intake.close()


def stored(committed: list[Committed]) -> list[int]:
    return [int(seq) for c in committed for b in c.batches if b.stream.name == "parking_bay" for seq in b.seq]


def test_a_take_laid_out_ahead_is_stored_once_though_some_of_it_is_stored_already(
    intake: Intake, link: DatabaseLink, committed: list[Committed]
) -> None:
    """The frontier knows nothing of what another process stored: the first try meets it and is undone."""
    intake.take_in([bay(state("free", 1, seq=1), mid=1, qos=1)])
    intake._frontier = Frontier()
    bodies = [state("free", 2, seq=2), state("free", 1, seq=1), state("free", 2, seq=2), state("closed", 2, seq=2)]
    take = tuple(bay(body, mid=n, qos=1) for n, body in enumerate(bodies, start=2))
    intake.take_in((), upcoming=take)
    intake.take_in(take)
    assert link.do(ledger) == {"parking_bay": (2, 2, 1)}
    assert stored(committed) == [1, 2]


def test_a_reject_put_through_again_does_not_take_the_place_of_what_the_broker_had_retained(
    intake: Intake, link: DatabaseLink, committed: list[Committed]
) -> None:
    intake.take_in([bay(b"{", mid=1, qos=1)])
    link.do(lambda c: c.execute("UPDATE rejects SET payload = %s", [bay(state("free", 1, seq=1)).payload]))
    command = delivery(TOPICS.command("replay"), {"rejects": [1]}, received=micros(NOW) + 1)
    retained = bay(state("free", 3, seq=3))._replace(retain=True)
    take: tuple[Delivery, ...] = (retained, bay(state("free", 2, seq=2)), command)  # one left out, one more: as many
    intake.take_in((), upcoming=take)
    intake.take_in(take)
    assert link.do(ledger) == {"parking_bay": (2, 0, 0)}
    assert sorted(stored(committed)) == [1, 2]


def test_a_refused_take_is_decoded_again_when_what_runs_ahead_is_done(
    intake: Intake, link: DatabaseLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder remembers whom topics speak for: two threads in it at once could mix that up."""
    link.do(lambda c: c.execute("ALTER TABLE parking_bay ADD CHECK (status <> 'closed')"))
    decode, inside, together = intake._decoder.decode, threading.Lock(), []

    def decode_slowly(deliveries: Sequence[Delivery], known: Registry) -> Decoded:
        alone = inside.acquire(blocking=False)
        together.append(not alone)
        try:
            time.sleep(0.0 if threading.current_thread() is threading.main_thread() else 1.0)
            return decode(deliveries, known)
        finally:
            if alone:
                inside.release()

    monkeypatch.setattr(intake._decoder, "decode", decode_slowly)
    refused = tuple(bay(state(status, n, seq=n), mid=n, qos=1) for n, status in enumerate(("closed", "free"), start=1))
    following = (bay(state("free", 3, seq=3), mid=3, qos=1),)
    intake.take_in(refused, upcoming=following)
    intake.take_in(following)
    assert not any(together)
    assert link.do(ledger) == {"parking_bay": (2, 0, 1)}
