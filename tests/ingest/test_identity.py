"""Repeats inside one batch: the first of an identity counts, the same again is a duplicate, others are conflicts."""

import random

import numpy as np
import pytest
from ingest_material import TOPICS, at, bay, delivery, registry, state

from ingest.batch import Batch, Delivery
from ingest.decoder import Decoder
from ingest.identity import find_repeats, first_of_identity


def batch_of(*deliveries: Delivery) -> Batch:
    (batch,) = Decoder(TOPICS).decode(deliveries, registry()).batches
    return batch


def test_readings_that_differ_in_device_time_or_seq_are_all_new() -> None:
    batch = batch_of(bay(state()), bay(state(), "bay-2"), bay(state(seconds=1)), bay(state(seq=0)), bay(state(seq=1)))
    assert find_repeats(batch).new.all()


def test_the_first_of_an_identity_counts_wherever_it_stands() -> None:
    batch = batch_of(bay(state("free", 5)), bay(state("free")), bay(state("closed", 5)), bay(state("free", 5)))
    repeats = find_repeats(batch)
    assert repeats.duplicate.tolist() == [False, False, False, True]
    assert repeats.conflict.tolist() == [False, False, True, False]


def test_missing_values_are_equal_to_missing_values_only() -> None:
    def hut(**values: object) -> Delivery:
        return delivery(TOPICS.telemetry("garbage_hut", "garbage_hut-1"), {"dateObserved": at(0), **values})

    batch = batch_of(
        hut(nh3=1), hut(nh3=1), hut(nh3=1, h2s=0), hut(nh3=1, seepageDetected=False), hut(nh3=1.0, h2s=None)
    )
    repeats = find_repeats(batch)
    assert repeats.duplicate.tolist() == [False, True, False, False, True]
    assert repeats.conflict.tolist() == [False, False, True, True, False]


def test_the_same_instant_in_another_zone_and_the_same_number_in_another_form_are_the_same() -> None:
    one = {"dateObserved": "2026-11-20T08:00:00Z", "totalSpotNumber": 7}
    other = {"dateObserved": "2026-11-20T16:00:00.000+08:00", "totalSpotNumber": 7.0}
    topic = TOPICS.telemetry("car_park", "car_park-1")
    assert find_repeats(batch_of(delivery(topic, one), delivery(topic, other))).duplicate.tolist() == [False, True]


@pytest.mark.parametrize("seed", range(3))
def test_the_first_of_each_identity_is_that_of_an_obvious_loop(seed: int) -> None:
    dice = random.Random(seed)
    batch = batch_of(*(bay(state("free", dice.randrange(20), seq=dice.randrange(3))) for _ in range(300)))
    seen: dict[tuple[int, int], int] = {}
    keys = zip(batch.time.tolist(), batch.seq.tolist(), strict=True)
    expected = [seen.setdefault(key, row) for row, key in enumerate(keys)]
    np.testing.assert_array_equal(first_of_identity(batch), expected)
