"""Labels as codes and texts say what they said as texts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from processing_material import batch, observed

from ingest.batch import join
from ingest.labels import code_labels, join_labels, say_labels
from ingest.packing import pack

LABELS = st.lists(st.none() | st.sampled_from(["", "71路", "t1", "t2", "😀"]))


@given(LABELS)
def test_labels_are_said_as_they_were_and_each_text_is_there_once(labels: list[str | None]) -> None:
    codes, texts = code_labels(labels)
    assert say_labels(codes, texts) == labels
    assert len(set(texts)) == len(texts)


@given(st.lists(LABELS, min_size=1))
def test_one_column_after_the_other_says_both(parts: list[list[str | None]]) -> None:
    codes, texts = join_labels([code_labels(part) for part in parts])
    assert say_labels(codes, texts) == [text for part in parts for text in part]
    assert len(set(texts)) == len(texts)


def test_readings_that_say_few_of_many_texts_are_packed_alike() -> None:
    trips = [None, *(f"t{n}" for n in range(50))]
    many = batch("bus", [(n, observed(n, speed=1, trip=trip)) for n, trip in enumerate(trips)])
    for places in ([0], [7], [0, 7], [50, 7, 7]):
        few = batch("bus", [(p, observed(p, speed=1, trip=trips[p])) for p in places])
        assert list(pack(many.take(np.array(places)))) == list(pack(few))


def test_joined_batches_say_what_each_said() -> None:
    one = batch("bus", [(1, observed(0, speed=1, trip="a")), (2, observed(1, speed=1))])
    other = batch("bus", [(3, observed(2, speed=1, trip="b")), (4, observed(3, speed=1, trip="a"))])
    both = join([one, other])
    assert both.labels("trip") == ["a", None, "b", "a"]
    assert both.device.tolist() == [1, 2, 3, 4]
    assert join([one]) is one
