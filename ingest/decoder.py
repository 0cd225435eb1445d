"""Take deliveries apart into a columnar batch per stream and rejections; pure, all of a take at once.

Payloads go through the compiled scanner. What that does not understand goes through Python objects, which take the same
readings and can say what is wrong with the others.
"""

from collections.abc import Iterable, Sequence

from devices.contract import Flaw
from devices.topics import Address, Topics
from ingest.batch import Batch, Decoded, Delivery
from ingest.objects import Objects, add_apart, add_known, validate
from ingest.payload import read_value
from ingest.refusing import refuse
from ingest.registry import Registry
from ingest.scanner import Heard, joined, prepare, scan
from ingest.speakers import Speakers

OLDEST_MICROS = 90 * 86_400 * 1_000_000
NEWEST_MICROS = 5 * 60 * 1_000_000


class Decoder:
    """Decodes takes of one city."""

    def __init__(self, topics: Topics, *, oldest: int = OLDEST_MICROS, scanning: bool = True) -> None:
        """``oldest``: how long before their receipt (µs) readings may have been observed; ``scanning``: whether the
        scanner is used, which changes nothing but the time it takes."""
        self._topics = topics
        self._limits = oldest, NEWEST_MICROS
        self._scanning = scanning
        self._speakers = Speakers(topics)

    def prepare(self) -> None:
        """Use the scanner as soon as it is compiled, which takes seconds the first time; another thread may decode
        meanwhile."""
        prepare(next(iter(self._topics.kinds.values())).stream)
        self._scanning = True

    def address(self, topic: str) -> Address | Flaw | None:
        """``Topics.read`` with a bounded memory."""
        return self._speakers.of(topic).address

    def count(self, deliveries: Iterable[Delivery]) -> int:
        """How many messages will end in the ledger."""
        of = self._speakers.of
        return sum([of(d.topic).counts for d in deliveries if not d.retain])

    def decode(self, deliveries: Sequence[Delivery], registry: Registry) -> Decoded:
        """Decode telemetry, events and badly addressed messages; births and the like are not looked at."""
        self._speakers.follow(registry)
        decoded = Decoded()
        heard, left = self._sort(deliveries)
        batches: dict[str, Batch | None] = {}
        for name, some in heard.items():
            batches[name] = None
            if self._scanning:
                scanned = scan(some, deliveries, registry, self._speakers.spoken, self._limits)
                batches[name] = scanned.batch
                decoded.count_unknown_fields(name, scanned.unknown_fields)
                left += scanned.left
            else:
                left += some.sources
        waiting = self._take_apart(sorted(left), deliveries, registry, decoded)
        for name in filter(waiting.__contains__, heard):
            batch = batches[name]
            others = validate(waiting[name], deliveries, self._speakers, self._limits, decoded)
            batches[name] = joined(batch, others) if batch and others else batch or others
        decoded.batches = [batch for batch in batches.values() if batch is not None]
        return decoded

    def _sort(self, deliveries: Sequence[Delivery]) -> tuple[dict[str, Heard], list[int]]:
        """Deliveries by stream in the order they came, and those that are badly addressed."""
        heard: dict[str, Heard] = {}
        astray = []
        of = self._speakers.of
        for source, delivery in enumerate(deliveries):
            speaker = of(delivery.topic)
            address = speaker.address
            if isinstance(address, Flaw):
                astray.append(source)
            elif address is not None and address.stream is not None:
                some = heard.get(address.stream.name)
                if some is None:
                    some = heard[address.stream.name] = Heard(address.stream)
                some.sources.append(source)
                some.speakers.append(speaker)
        return heard, astray

    def _take_apart(
        self, sources: Sequence[int], deliveries: Sequence[Delivery], registry: Registry, decoded: Decoded
    ) -> dict[str, Objects]:
        """Readings by stream, to be validated; what cannot be taken apart is among the rejections."""
        waiting: dict[str, Objects] = {}
        for source in sources:
            delivery = deliveries[source]
            speaker = self._speakers.of(delivery.topic)
            address = speaker.address
            if isinstance(address, Flaw):
                decoded.rejections.append(refuse(delivery, None, address))
                continue
            assert address is not None
            assert address.stream is not None
            objects = waiting.get(address.stream.name)
            if objects is None:
                objects = waiting[address.stream.name] = Objects(address.stream)
            value = read_value(delivery.payload)
            if isinstance(value, Flaw):
                decoded.rejections.append(refuse(delivery, address, value))
            elif not add_known(source, value, speaker, objects):
                add_apart(source, value, delivery, speaker, registry, objects, decoded)
        return {name: objects for name, objects in waiting.items() if objects.values}
