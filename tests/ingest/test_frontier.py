"""Readings that may be stored already are those no newer than the newest stored one of their device."""

import random
from dataclasses import replace

import numpy as np
from ingest_material import TOPICS, bay, delivery, registry, state

from ingest.batch import Batch
from ingest.decoder import Decoder
from ingest.frontier import Frontier


def batch_of(*deliveries: object) -> Batch:
    (batch,) = Decoder(TOPICS).decode(deliveries, registry()).batches  # type: ignore[arg-type]
    return batch


def placed(devices: list[int], times: list[int]) -> Batch:
    """A batch of so many readings of devices (keys) at instants (µs)."""
    made = batch_of(bay([state("free", n) for n in range(len(devices))]))
    return replace(made, device=np.array(devices, np.int32), time=np.array(times, np.int64))


def test_what_is_no_newer_than_what_its_device_has_stored_is_suspect() -> None:
    frontier = Frontier()
    frontier.advance(batch_of(bay(state("free", 10)), bay(state("free", 20), "bay-2")))
    later = batch_of(bay(state("free", 11)), bay(state("free", 10)), bay(state("free", 15), "bay-2"))
    assert frontier.suspects(later, strict=False).tolist() == [1, 2]


def test_late_readings_do_not_draw_the_frontier_back() -> None:
    frontier = Frontier()
    frontier.advance(batch_of(bay([state("free", 10), state("free", 3)])))
    frontier.advance(batch_of(bay(state("free", 5))))
    assert frontier.suspects(batch_of(bay([state("free", 9), state("free", 11)])), strict=False).tolist() == [0]


def test_of_a_device_not_heard_before_nothing_is_suspect_unless_asked_strictly() -> None:
    frontier = Frontier()
    both = batch_of(bay(state("free", 1)), bay(state("free", 1), "bay-2"))
    assert frontier.suspects(both, strict=False).tolist() == []
    assert frontier.suspects(both, strict=True).tolist() == [0, 1]
    frontier.advance(batch_of(bay(state("free", 0))))
    assert frontier.suspects(both, strict=False).tolist() == []
    assert frontier.suspects(both, strict=True).tolist() == [1]


def test_streams_have_frontiers_of_their_own() -> None:
    frontier = Frontier()
    frontier.advance(batch_of(bay(state("free", 60))))
    car_park = batch_of(delivery(TOPICS.telemetry("car_park", "car_park-1"), {**state(), "occupiedSpotNumber": 3}))
    assert frontier.suspects(car_park, strict=False).tolist() == []


def test_what_is_stored_is_always_suspect_and_little_memory_only_makes_more_so() -> None:
    rng = random.Random(4)
    roomy, narrow = Frontier(), Frontier(most=16)
    newest: dict[int, int] = {}
    for _ in range(40):
        devices = [rng.randrange(5_000) for _ in range(50)]
        batch = placed(devices, [rng.randrange(1_000) for _ in devices])
        expected = [
            row
            for row, (device, time) in enumerate(zip(devices, batch.time.tolist(), strict=True))
            if time <= newest.get(device, -1)
        ]
        assert roomy.suspects(batch, strict=False).tolist() == expected
        assert set(expected) <= set(narrow.suspects(batch, strict=False).tolist())
        roomy.advance(batch)
        narrow.advance(batch)
        for device, time in zip(devices, batch.time.tolist(), strict=True):
            newest[device] = max(time, newest.get(device, -1))
