"""The pipeline process: ingest and processing wired together, one thread each beside the broker's connection."""

import gc
import logging
import os
import signal
import threading
import time
from dataclasses import asdict
from typing import Any

from deploy.heap import give_back, keep_large_apart, share_one_heap
from deploy.settings import Settings
from devices.city import load_city
from devices.kinds import kinds
from devices.topics import Topics
from ingest.pruning import Pruner
from ingest.service import IngestService
from ingest.subscriber import Subscriber
from processing.rehearsal import rehearse
from processing.service import ProcessingService

log = logging.getLogger(__name__)

_PATIENCE = 5.0
_GIVE_BACK_EVERY = 5.0


class Pipeline:
    """Ingest and processing of one city."""

    def __init__(self, settings: Settings) -> None:
        self._city = load_city(settings.city)
        topics = Topics(self._city.code, kinds())
        self._started = time.time()
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self.subscriber = Subscriber(
            settings.broker_login,
            client_id=settings.pipeline_client(self._city.code),
            subscription=topics.everything,
            memory=settings.data_dir / "broker-session",
        )
        self.processing = ProcessingService(
            city=self._city,
            topics=topics,
            database_url=settings.database,
            publish=self.subscriber.publish_retained,
            state=self.state,
            retention=settings.retention,
            policy_file=settings.policy_file,
            prepare=self._rehearse,
        )
        self.ingest = IngestService(
            subscriber=self.subscriber,
            database_url=settings.database,
            topics=topics,
            areas=frozenset(area.code for area in self._city.areas),
            registration=settings.registration,
            hand_on=self.processing.hand_on,
            spool_folder=settings.spool_folder,
            spool_quota=settings.spool_quota,
            ready=self.processing.restored,
        )
        self.pruner = Pruner(
            settings.database,
            settings.retention,
            topics.kinds,
            self.processing.present.windows,
            self.processing.restored,
        )

    def state(self) -> dict[str, Any]:
        """What the pipeline says of itself in every tick message."""
        counters, link, protocol = self.ingest.counters, self.subscriber.state, self.ingest.protocol
        return {
            "pid": os.getpid(),
            "uptime": round(time.time() - self._started, 1),
            "pending": self.ingest.pending,
            "ledger": asdict(stock) if (stock := self.ingest.stock) else None,
            "connected": link.connected,
            "connections": link.connections,
            "sessionsLost": link.sessions_lost,
            "brokerDropped": link.broker_dropped,
            "databaseAway": protocol.database_away,
            "databaseErrors": self.ingest.link.errors,
            "spooled": protocol.spooled,
            "spoolBytes": self.ingest.spool.stored_bytes,
            "spoolFull": protocol.spool_full,
            "spoolQuarantined": self.ingest.spool.quarantined,
            "messages": counters.messages,
            "stored": counters.stored,
            "duplicate": counters.duplicate,
            "rejected": counters.rejected,
            "watermarks": self.ingest.watermarks,
            "retentionDropped": dict(self.pruner.dropped),
            "retentionFailures": self.pruner.failures,
        }

    def stop(self) -> None:
        """Ask ``run`` to finish the take in hand and return."""
        self._stop.set()

    def run(self) -> int:
        """Work until ``stop``; returns the exit code."""
        gc.freeze()  # what was imported stays
        gc.set_threshold(100_000, 20, 100)  # decoded JSON has no cycles: looking for them costs a third of decoding
        threads = [
            threading.Thread(target=self._guarded, args=[self.processing.run], name="processing"),
            threading.Thread(target=self._guarded, args=[self.ingest.run], name="ingest"),
        ]
        for thread in threads:
            thread.start()
        self.processing.restored.wait(_PATIENCE)  # a database that is there is there soon; else the spool takes over
        gc.freeze()
        self.subscriber.start()
        self.pruner.start()
        while not self._stop.wait(_GIVE_BACK_EVERY):
            give_back()
        self.ingest.stop()
        self.processing.stop()
        self.pruner.stop()
        for thread in reversed(threads):
            thread.join()
        self.subscriber.stop()
        if self._failure is not None:
            log.error("the pipeline stopped: %s", self._failure, exc_info=self._failure)
            return 1
        return 0

    def _rehearse(self) -> None:
        started = time.monotonic()
        rehearse(self._city, self._stop.is_set)
        log.info("kernels are at hand after %.1f s", time.monotonic() - started)

    def _guarded(self, work: Any) -> None:
        """Run a thread; its failure ends the process, so that the supervisor can start it again."""
        try:
            work()
        except BaseException as error:
            self.fail(error)
        finally:
            self._stop.set()

    def fail(self, error: BaseException) -> None:
        """Have ``run`` end with exit code 1, unless it is ending already."""
        if not self._stop.is_set():
            self._failure = error
        self._stop.set()


def run_pipeline(settings: Settings) -> int:
    """Run the pipeline until SIGTERM or SIGINT; returns the exit code."""
    share_one_heap()
    keep_large_apart()
    pipeline = Pipeline(settings)
    # History, say, would otherwise stop without a word; as it is, the supervisor starts all of it again.
    threading.excepthook = lambda died: pipeline.fail(died.exc_value or died.exc_type())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: pipeline.stop())
    return pipeline.run()
