"""The publishers of a run as one, and waiting for what they published."""

import threading
import time
from collections.abc import Callable, Sequence

import psycopg

from tests.torture import vitals
from tests.torture.asker import Asker
from tests.torture.book import Book, Message
from tests.torture.cast import Cast
from tests.torture.publisher import Publisher
from tests.torture.world import World


class Publishers:
    """The devices of a run; one publisher more asks for the commit watermark."""

    def __init__(
        self,
        opened: World,
        book: Book,
        casts: Sequence[Cast],
        rate: float,
        *,
        ask: bool = True,
        total: int | None = None,
        reconnect_every: float = 0.0,
    ) -> None:
        """``rate``: messages a second of all; ``ask``: whether the asking ones publish; ``total``: most messages."""
        self._world, self.book, self.casts = opened, book, casts
        self._left, self._guard = total, threading.Lock()
        self.supplied = 0
        self.asker = Asker("w", time.monotonic)
        self.threads = [
            Publisher(cast.name, opened.broker_port, book, self._supply(cast), 0.0, reconnect_every=reconnect_every)
            for cast in casts
        ]
        self._asking = Publisher(
            "w", opened.broker_port, book, lambda most: self.asker.supply(most, time.time()), 0.0,
            listen=self.asker.listen, hear=self.asker.hear,
        )  # fmt: skip
        self.threads.append(self._asking)
        self._publishing = self.threads if ask else self.threads[:-1]
        self._rate = rate / len(self._publishing)

    def start(self, *, publish: bool = True) -> None:
        """Announce all devices, wait until they are registered, begin to publish."""
        births = [*(cast.births() for cast in self.casts), self.asker.births()]
        for announced, thread in zip(births, self.threads, strict=True):
            thread.start()
            for birth in announced:
                thread.say(birth)
        wanted = sum(len(cast.devices) for cast in self.casts) + self.asker.devices
        with self._world.connect() as connection:
            wait_until(lambda: vitals.count_devices(connection) >= wanted, 120, "the devices are registered")
        if publish:
            self.publish()

    def lay_out(self) -> None:
        """Make and book all that the supply has to give, so that publishing it costs little more than sending."""
        chunk = 1_000
        while (self._left or 0) > 0:
            for thread, cast in zip(self._publishing, self.casts, strict=True):
                thread.lay_out(self._supply(cast)(chunk))

    def publish(self) -> None:
        """Take from the supply at the rate of this run."""
        for thread in self._publishing:
            thread.set_rate(self._rate)

    def finish(self) -> None:
        for thread in self.threads:
            thread.set_rate(0.0)

    def stop(self) -> None:
        for thread in self.threads:
            thread.stop()
        for thread in self.threads:
            thread.join(20)

    def probe(self) -> list[str]:
        """Publish one fresh reading each; their ids."""
        ids = []
        for cast, thread in zip(self.casts, self.threads[:-1], strict=True):
            message = cast.probe(time.time())
            thread.say(message)
            ids += [entry.id for entry in message.entries]
        return ids

    def _supply(self, cast: Cast) -> Callable[[int], Sequence[Message]]:
        def supply(most: int) -> Sequence[Message]:
            with self._guard:
                if self._left is not None:
                    most = min(most, self._left)
                    self._left -= most
                self.supplied += most
            return [cast.next(time.time()) for _ in range(most)]

        return supply

    def confirm(self) -> bool:
        """Send again what is not confirmed; whether nothing is left of that."""
        for message in self.asker.overdue():
            self._asking.say(message)
        return not self.asker.unconfirmed

    @property
    def waiting(self) -> int:
        for thread in self.threads:
            if thread.failure is not None:
                raise AssertionError(f"publisher {thread.name} failed") from thread.failure
        return sum(thread.waiting for thread in self.threads)


def is_stored(connection: psycopg.Connection, row_id: str) -> bool:
    _, device, micros, seq = row_id.split("|")
    row = connection.execute(
        "SELECT 1 FROM parking_bay r JOIN devices d ON d.key = r.device WHERE d.id = %s AND r.seq = %s"
        " AND r.date_observed = timestamptz 'epoch' + %s * interval '1 microsecond'",
        [device, int(seq), int(micros)],
    ).fetchone()
    return row is not None


def stored_within(opened: World, row_id: str, within: float) -> None:
    """Wait until a reading is in its table."""
    deadline = time.monotonic() + within
    while True:
        try:
            with opened.connect() as connection:
                wait_until(lambda: is_stored(connection, row_id), deadline - time.monotonic(), f"{row_id} is stored")
            return
        except psycopg.OperationalError:  # the database is not back yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def wait_until(condition: Callable[[], bool], within: float, what: str) -> None:
    """Wait for what happens in other processes."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within:g} s in vain until {what}")
        time.sleep(0.05)
