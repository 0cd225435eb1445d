"""Names become numbers: the same ones for the same names, in any batch."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_material import batch, instant, observed

from processing.indicators import INDICATORS
from processing.names import number_names
from processing.sequences import trip_numbers
from processing.standing import Rows

label = st.sampled_from(["1", "71", "7", "11", "桥", "a b", "z" * 60])
TRIPS = [(0, "t1"), (1, None), (2, "t1"), (3, "t2")]


def arrivals(rows: list[Any]) -> Any:
    """Arrivals of (route, stop, seconds of the forecast)."""
    made = []
    for k, (route, stop, seconds) in enumerate(rows):
        times = {"scheduledAt": instant(0), "arrivedAt": instant(k)}
        if seconds is not None:
            times["predictedAt"] = instant(seconds)
        made.append((0, observed(k, route=route, trip="t", stop=stop, **times)))
    return batch("bus_arrival", made)


@given(st.lists(st.tuples(label, label, st.none() | st.integers(0, 3)), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_readings_have_the_same_number_where_all_names_are_the_same(rows: list[Any]) -> None:
    whole = number_names(arrivals(rows), ("route", "stop", "predictedAt"))[0].tolist()
    assert len(set(whole)) == len(set(rows)) == len(set(zip(whole, rows, strict=True)))
    assert whole == [int(number_names(arrivals([row]), ("route", "stop", "predictedAt"))[0][0]) for row in rows]


def test_a_trip_without_a_name_has_no_number() -> None:
    speed = next(row for row in INDICATORS if row.aggregation == "speed")
    made = batch("bus", [(0, observed(k, route="71", **({"trip": trip} if trip else {}))) for k, trip in TRIPS])
    where = np.zeros(len(made), np.int32)
    numbers = trip_numbers(Rows(made, where, where), replace(speed, entity=("trip",)))
    assert (numbers == 0).tolist() == [trip is None for _, trip in TRIPS]
    assert numbers[0] == numbers[2] != numbers[3]
    assert (numbers == np.floor(numbers)).all(), "whole numbers that fit in 4 bytes"
    assert numbers.max() < 2**31
