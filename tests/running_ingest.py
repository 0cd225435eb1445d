"""Ingest at work on a broker and a database: in a thread of the test, or as a process that can be killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal

from mqtt_client import PATIENCE

from devices.kinds import kinds
from devices.topics import Topics
from ingest.intake import Committed
from ingest.refusals import is_refusal
from ingest.service import IngestService
from ingest.subscriber import Subscriber

STREET = "310104003"
_numbers = count(1)


def own_topics() -> Topics:
    """Topics of a city no other test has, so that tests share a broker in peace."""
    return Topics(f"9{next(_numbers):05d}", kinds())


class Ingest:
    """The service and what it handed on."""

    def __init__(
        self,
        *,
        database_url: str,
        broker_url: str,
        topics: Topics,
        spool: Path,
        registration: Literal["open", "closed"] = "open",
        hand_on: Callable[[Committed], None] = lambda _: None,
        areas: frozenset[str] = frozenset({STREET}),
    ) -> None:
        self.committed: list[Committed] = []
        self.failure: BaseException | None = None
        self.subscriber = Subscriber(broker_url, client_id=f"ingest-{topics.city}", subscription=topics.everything)

        def keep(committed: Committed) -> None:
            self.committed.append(committed)
            hand_on(committed)

        self.service = IngestService(
            subscriber=self.subscriber,
            database_url=database_url,
            topics=topics,
            areas=areas | {topics.city},
            registration=registration,
            hand_on=keep,
            spool_folder=spool,
        )

    def run(self) -> None:
        try:
            self.service.run()
        except BaseException as failure:
            self.failure = failure
            raise

    @property
    def devices(self) -> list[str]:
        """Ids of the devices handed on, in order."""
        return [device.id for committed in list(self.committed) for device in committed.devices]

    @property
    def readings(self) -> int:
        """How many new readings were handed on."""
        batches = (batch for committed in list(self.committed) for batch in committed.batches)
        return sum(len(batch) for batch in batches if not is_refusal(batch.stream))


@contextmanager
def running_ingest(**arguments: Any) -> Iterator[Ingest]:
    """Ingest in a thread; fails the test when the service ended by itself."""
    ingest = Ingest(**arguments)
    thread = threading.Thread(target=ingest.run, name="ingest")
    ingest.subscriber.start()
    thread.start()
    try:
        assert ingest.subscriber.wait_subscribed(PATIENCE)
        yield ingest
    finally:
        ingest.service.stop()
        thread.join(PATIENCE)
        ingest.subscriber.stop()
    assert ingest.failure is None
    assert not thread.is_alive()


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and wait."""
    process.terminate()
    process.wait(PATIENCE)


def main(database_url: str, broker_url: str, city: str, spool: str) -> None:
    """Run until SIGTERM, as a process of its own."""
    ingest = Ingest(database_url=database_url, broker_url=broker_url, topics=Topics(city, kinds()), spool=Path(spool))
    signal.signal(signal.SIGTERM, lambda *_: ingest.service.stop())
    ingest.subscriber.start()
    # As in the pipeline not in the main thread: a signal at the end of a timed wait for a queue there makes it endless.
    thread = threading.Thread(target=ingest.run, name="ingest")
    thread.start()
    thread.join()
    ingest.subscriber.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
