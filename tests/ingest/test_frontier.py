"""What may be stored already is told from what cannot be, in one array for all kinds."""

from dataclasses import replace

import numpy as np
import pytest

from devices.kinds import streams
from ingest.batch import Batch
from ingest.frontier import Frontier


def batch(stream: str, devices: list[int], times: list[int]) -> Batch:
    size = len(devices)
    column = np.zeros(size, np.int64)
    source = np.zeros(size, np.int32)
    return Batch(streams()[stream], np.array(devices, np.int32), np.array(times), column, column, {}, source, source)


def test_what_is_no_newer_than_the_newest_of_its_device_is_suspect() -> None:
    frontier = Frontier()
    frontier.advance(batch("bus", [5, 5, 2_000], [10, 30, 20]))
    asked = batch("bus", [5, 5, 2_000, 7, 9_999], [30, 31, 20, 1, 1])
    assert frontier.suspects(asked, strict=False).tolist() == [0, 2]
    assert frontier.suspects(asked, strict=True).tolist() == [0, 2, 3, 4]


def test_before_anything_is_known_all_is_suspect_to_the_strict_alone() -> None:
    asked = batch("bus", [1, 2], [1, 1])
    assert Frontier().suspects(asked, strict=False).tolist() == []
    assert Frontier().suspects(asked, strict=True).tolist() == [0, 1]


@pytest.mark.parametrize("most", [4, 2**20])
def test_telemetry_of_all_kinds_has_one_place_for_each_device_and_events_have_their_own(most: int) -> None:
    frontier = Frontier(most)
    frontier.advance(batch("bus", [1], [50]))
    frontier.advance(batch("parking_bay", [2], [60]))
    frontier.advance(batch("bus_arrival", [1], [70]))
    assert frontier.suspects(batch("bus", [1, 1], [50, 51]), strict=True).tolist() == [0]
    assert frontier.suspects(batch("parking_bay", [2, 2], [60, 61]), strict=True).tolist() == [0]
    assert frontier.suspects(batch("bus_arrival", [1, 1], [70, 71]), strict=True).tolist() == [0]
    assert len(frontier._newest) == 2


def test_devices_that_share_a_place_make_each_other_suspect() -> None:
    frontier = Frontier(most=4)
    frontier.advance(batch("bus", [1], [50]))
    late = batch("car_park", [5], [40])
    assert frontier.suspects(late, strict=False).tolist() == [0]
    assert frontier.suspects(replace(late, time=late.time + 11), strict=False).tolist() == []
