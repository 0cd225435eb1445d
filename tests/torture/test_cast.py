"""What the accounting test expects of each message is what ingest's contract says of it."""

import random
import time
from collections import Counter

from devices.kinds import kinds
from devices.topics import Topics
from ingest.batch import Delivery
from ingest.decoder import Decoder
from ingest.identity import find_repeats
from ingest.registry import Device, Registry
from tests.torture.cast import SHARES, Cast
from tests.torture.small_city import CITY


def test_every_message_of_the_cast_ends_as_its_entries_say() -> None:
    cast = Cast("a", random.Random(1))
    attributes = {d.id: {"gateway": d.gateway} if d.gateway else {} for d in cast.devices}
    registry = Registry(
        Device(key, d.id, d.kind, d.street, attributes=attributes[d.id]) for key, d in enumerate(cast.devices, 1)
    )
    decoder = Decoder(Topics(CITY, kinds()))
    now = time.time()
    sorts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for _ in range(4_000):
        message = cast.next(now)
        sorts[message.sort] += 1
        if message.sort == "duplicate":
            continue
        decoded = decoder.decode([Delivery(message.topic, message.payload, int(now * 1e6))], registry)
        stored = sum(len(batch) for batch in decoded.batches)
        refused = [r.reason for r in decoded.rejections]
        expected = [e.reason for e in message.entries if e.fate == "rejected" and e.reason != "conflict"]
        conflicts = sum(e.reason == "conflict" for e in message.entries)
        assert refused == expected, message
        assert stored == len(message.entries) - len(expected), message
        assert all(find_repeats(batch).new.all() for batch in decoded.batches), message
        reasons.update(refused)
        reasons["conflict"] += conflicts
        poisons = [e.id.encode() for e in message.entries if e.fate == "rejected"]
        assert all(any(name in r.payload[:65_536] for name in poisons) for r in decoded.rejections)
    assert set(reasons) == {
        "syntax", "schema", "range", "clock", "unknown_kind", "unknown_device", "topic", "too_large", "conflict"
    }  # fmt: skip
    assert set(sorts) == {sort for sort, _ in SHARES}


def test_the_same_seed_tells_the_same_story() -> None:
    one, other = (Cast("a", random.Random(5)) for _ in range(2))
    assert [one.next(1.6e9 + n) for n in range(300)] == [other.next(1.6e9 + n) for n in range(300)]
