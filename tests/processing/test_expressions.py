"""What each expression makes of a reading: a value, 'not known', 'nothing to measure', or nothing at all."""

import math
from typing import Any

import pytest
from processing_material import batch, instant, observed

from devices.kinds import streams
from processing.expressions import (
    Clipped,
    Compare,
    Elapsed,
    Expression,
    Field,
    Is,
    Largest,
    Magnitude,
    Occurs,
    check_fields,
)

NAN, INF = math.nan, math.inf


def evaluate(expression: Expression, stream: str, *readings: dict[str, Any]) -> tuple[list[str], list[bool]]:
    values, present = expression.evaluate(batch(stream, [(1, observed(0, **reading)) for reading in readings]))
    assert values.dtype == "f8"
    return [str(value) for value in values.tolist()], present.tolist()


def shown(*values: float) -> list[str]:
    return [str(float(value)) for value in values]


def test_a_number_is_itself_and_a_missing_one_is_not_present() -> None:
    result = evaluate(Field("nh3"), "garbage_hut", {"nh3": 1.25}, {"h2s": 0.1})
    assert result == (shown(1.25, NAN), [True, False])


def test_an_integer_and_a_boolean_become_numbers() -> None:
    assert evaluate(Field("totalSpotNumber"), "car_park", {"totalSpotNumber": 7}, {"occupiedSpotNumber": 1}) == (
        shown(7, NAN),
        [True, False],
    )
    huts = ({"seepageDetected": True}, {"seepageDetected": False}, {"nh3": 1})
    assert evaluate(Field("seepageDetected"), "garbage_hut", *huts) == (shown(1, 0, NAN), [True, True, False])


def test_the_largest_of_several_fields_leaves_out_the_missing_ones() -> None:
    largest = Largest(("fillingLevelFood", "fillingLevelResidual"))
    huts = ({"fillingLevelFood": 0.2, "fillingLevelResidual": 0.9}, {"fillingLevelFood": 0.3}, {"nh3": 1})
    assert evaluate(largest, "garbage_hut", *huts) == (shown(0.9, 0.3, NAN), [True, True, False])


def test_a_state_is_one_or_zero_unknown_is_not_known_and_closed_has_nothing_to_measure() -> None:
    occupied = Is("status", "occupied", others=("free",), excused=("closed",))
    bays = [{"status": status} for status in ("free", "occupied", "unknown", "closed")]
    assert evaluate(occupied, "parking_bay", *bays) == (shown(0, 1, NAN, INF), [True] * 4)


def test_comparisons_keep_each_bound_as_it_is_named() -> None:
    above = Compare(Field("nh3"), above=1.5)
    assert evaluate(above, "garbage_hut", {"nh3": 1.5}, {"nh3": 1.5000001}, {"h2s": 0})[0] == shown(0, 1, NAN)
    at_least = Compare(Field("nh3"), at_least=1.5)
    assert evaluate(at_least, "garbage_hut", {"nh3": 1.5}, {"nh3": 1.4999})[0] == shown(1, 0)


def test_a_comparison_passes_on_that_there_is_nothing_to_measure() -> None:
    free = Compare(Is("status", "occupied", others=("free",), excused=("closed",)), below=0.5)
    assert evaluate(free, "parking_bay", {"status": "closed"}, {"status": "unknown"}, {"status": "free"}) == (
        shown(INF, NAN, 1),
        [True, True, True],
    )


def test_a_power_factor_counts_without_its_sign() -> None:
    low = Compare(Magnitude(Field("powerFactor")), below=0.9)
    meters = [{"powerFactor": value} for value in (-1, -0.95, -0.5, 0.89, 0.9, 1)]
    assert evaluate(low, "energy_meter", *meters)[0] == shown(0, 0, 1, 1, 0, 0)


def test_load_that_is_fed_in_does_not_count_as_drawn() -> None:
    drawn = Clipped(Field("totalActivePower"))
    meters = ({"totalActivePower": -3.5}, {"totalActivePower": 2.5}, {"powerFactor": 1})
    assert evaluate(drawn, "energy_meter", *meters) == (shown(0, 2.5, NAN), [True, True, False])


def arrival(delay: float) -> dict[str, Any]:
    return {
        "route": "r",
        "trip": "t",
        "stop": "s",
        "scheduledAt": instant(0),
        "arrivedAt": instant(delay),
    }


@pytest.mark.parametrize(
    ("delay", "on_time"),
    [(-60.001, 0), (-60, 1), (0, 1), (359, 1), (359.999, 1), (360, 0), (3600, 0)],
)
def test_on_time_is_from_one_minute_early_to_before_six_minutes_late(delay: float, on_time: int) -> None:
    rule = Compare(Elapsed("scheduledAt", "arrivedAt"), at_least=-60, below=360)
    assert evaluate(rule, "bus_arrival", arrival(delay)) == (shown(on_time), [True])


def test_time_elapsed_needs_both_instants() -> None:
    forecast = Elapsed("predictedAt", "arrivedAt")
    readings = (arrival(5), arrival(5) | {"predictedAt": instant(8)})
    assert evaluate(forecast, "bus_arrival", *readings) == (shown(NAN, -3), [False, True])


def test_every_event_occurs_once() -> None:
    assert evaluate(Occurs(), "garbage_hut_illegal_dumping", {"violation": "x"}) == (shown(1), [True])


@pytest.mark.parametrize(
    ("expression", "stream", "message"),
    [
        (Field("nh4"), "garbage_hut", "has no field 'nh4', must be one of fillingLevelResidual"),
        (Compare(Field("status"), below=1), "parking_bay", "field status of stream parking_bay is a choice"),
        (Elapsed("route", "arrivedAt"), "bus_arrival", "field route of stream bus_arrival is a label, must be instant"),
        (Is("status", "taken", others=()), "parking_bay", "never 'taken', must be one of free, occupied"),
    ],
)
def test_a_row_that_names_what_a_stream_does_not_have_is_refused(
    expression: Expression, stream: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_fields(expression, streams()[stream])
