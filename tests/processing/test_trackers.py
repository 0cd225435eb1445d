"""What each aggregation keeps of its readings, and what its window holds at a given instant."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from processing_material import CITY, EAST, FIRST, NOW, PARENTS, SECOND, THIRD, WEST, batch, observed
from standing_material import standing

from processing import kernels
from processing.indicators import INDICATORS
from processing.latest import LatestTracker
from processing.panes import PaneTracker
from processing.standing import Measured, Rows
from processing.trackers import make_tracker, stream_windows
from processing.waits import WaitTracker

by_id = {row.id: row for row in INDICATORS}
DEVICES = 4
AREA = np.array([FIRST, FIRST, THIRD, THIRD], np.int32)
"""slots 0 and 1 stand in the first street, 2 and 3 in the third"""


def rows(stream: str, *readings: tuple[int, dict[str, Any]]) -> Rows:
    """Readings by slot."""
    made = batch(stream, readings)
    return Rows(made, made.device.astype(np.int32), AREA[made.device])


def tracker(indicator: str, **changes: Any) -> Any:
    made = make_tracker(replace(by_id[indicator], **changes), PARENTS)
    made.grow(DEVICES)
    return made


def value(measured: Measured, area: int) -> float:
    return float(measured.value[area])


def nh3(seconds: float, concentration: float, slot: int = 0) -> tuple[int, dict[str, Any]]:
    return slot, observed(seconds, nh3=concentration)


def test_each_aggregation_has_its_tracker() -> None:
    assert isinstance(tracker("energy.load"), LatestTracker)
    assert isinstance(tracker("parking.kerb_occupancy"), LatestTracker)
    assert isinstance(tracker("waste.illegal_dumping"), PaneTracker)
    assert isinstance(tracker("transit.on_time_share"), PaneTracker)
    assert isinstance(tracker("transit.excess_wait"), WaitTracker)


def test_latest_is_the_newest_observation_not_the_last_to_arrive() -> None:
    kerb = tracker("parking.kerb_occupancy")
    kerb.fold(rows("parking_bay", (0, observed(-10, status="occupied"))))
    kerb.fold(rows("parking_bay", (0, observed(-60, status="free"))))
    assert value(kerb.measure(NOW, standing(AREA)), FIRST) == 1.0


def test_the_higher_seq_wins_at_one_instant() -> None:
    kerb = tracker("parking.kerb_occupancy")
    for seq, status in ((2, "occupied"), (1, "free")):
        kerb.fold(rows("parking_bay", (0, observed(-10, status=status, seq=seq))))
    assert value(kerb.measure(NOW, standing(AREA)), FIRST) == 1.0


def test_a_reading_without_the_field_leaves_the_newest_value_alone() -> None:
    load = tracker("energy.load")
    load.fold(rows("energy_meter", (0, observed(-20, totalActivePower=5)), (0, observed(-10, powerFactor=1))))
    assert value(load.measure(NOW, standing(AREA)), FIRST) == 5.0


def test_a_newer_not_known_takes_the_place_of_an_older_value() -> None:
    kerb = tracker("parking.kerb_occupancy")
    kerb.fold(rows("parking_bay", (0, observed(-20, status="free")), (0, observed(-10, status="unknown"))))
    measured = kerb.measure(NOW, standing(AREA))
    assert math.isnan(value(measured, FIRST))
    assert measured.partials[FIRST]["fresh"] == 1
    assert measured.partials[FIRST]["reporting"] == 0


def test_a_closed_bay_is_excused_as_long_as_it_says_so() -> None:
    kerb = tracker("parking.kerb_occupancy")
    kerb.fold(rows("parking_bay", (0, observed(-10, status="closed")), (1, observed(-10, status="occupied"))))
    assert kerb.measure(NOW, standing(AREA)).partials[FIRST]["excused"] == 1
    later = NOW + 300 * SECOND
    assert kerb.measure(later, standing(AREA, later)).partials[FIRST]["excused"] == 0


def test_a_ratio_of_sums_weighs_every_car_park_by_its_spots() -> None:
    garage = tracker("parking.garage_occupancy")
    garage.fold(
        rows(
            "car_park",
            (0, observed(-1, totalSpotNumber=100, occupiedSpotNumber=90)),
            (2, observed(-1, totalSpotNumber=300, occupiedSpotNumber=30)),
            (3, observed(-1, occupiedSpotNumber=30)),  # cannot be related to anything
        )
    )
    measured = garage.measure(NOW, standing(AREA))
    assert [value(measured, area) for area in (FIRST, THIRD, CITY)] == [0.9, 0.1, 0.3]
    assert [measured.base[area] for area in (FIRST, THIRD, CITY)] == [100, 300, 400]
    assert measured.partials[CITY]["reporting"] == 2


def test_car_parks_without_spots_have_no_occupancy() -> None:
    garage = tracker("parking.garage_occupancy")
    garage.fold(rows("car_park", (0, observed(-1, totalSpotNumber=0, occupiedSpotNumber=0))))
    assert math.isnan(value(garage.measure(NOW, standing(AREA)), FIRST))


def test_power_fed_in_does_not_shrink_the_load_that_can_be_shed() -> None:
    share = tracker("energy.adjustable_share")
    share.fold(
        rows(
            "energy_meter",
            (0, observed(-1, adjustablePower=5, totalActivePower=50)),
            (1, observed(-1, adjustablePower=0, totalActivePower=-40)),
            (2, observed(-1, adjustablePower=1, totalActivePower=-40)),
        )
    )
    measured = share.measure(NOW, standing(AREA))
    assert value(measured, FIRST) == 0.1
    assert math.isnan(value(measured, THIRD)), "nothing is drawn there: there is no share of it"


def test_the_load_of_an_area_where_no_meter_reports_is_unknown_not_zero() -> None:
    load = tracker("energy.load")
    load.fold(rows("energy_meter", (0, observed(-1, totalActivePower=0))))
    measured = load.measure(NOW, standing(AREA))
    assert value(measured, FIRST) == 0.0
    assert math.isnan(value(measured, THIRD))


def test_a_window_ends_with_the_pane_that_is_running() -> None:
    # window 30 s = 3 panes of 10 s; at = 4 s into the running pane
    #
    #        −30      −20      −10       0    4    10
    #   pane  │   a    │   b    │   c    │  d   │
    #   at 4           [───────  window  ───────)
    #                      0        1       1         → 2/3; the pane a has left the window
    exceeded = tracker("waste.nh3_exceedance", window=30)
    exceeded.fold(rows("garbage_hut", nh3(-25, 9), nh3(-15, 0), nh3(-5, 9), nh3(3, 9)))
    at = NOW + 4 * SECOND
    assert value(exceeded.measure(at, standing(AREA, at)), FIRST) == pytest.approx(2 / 3)
    #   at −1   [─────── a b c ───────)
    earlier = tracker("waste.nh3_exceedance", window=30)
    earlier.fold(rows("garbage_hut", nh3(-25, 9), nh3(-15, 0), nh3(-5, 9)))
    assert value(earlier.measure(NOW - SECOND, standing(AREA)), FIRST) == pytest.approx(2 / 3)


def test_a_late_reading_inside_the_window_reaches_its_pane() -> None:
    #   −30      −20      −10       0
    #    │        │  late  │        │ now, newest first
    exceeded = tracker("waste.nh3_exceedance", window=60)
    exceeded.fold(rows("garbage_hut", nh3(0, 0)))
    exceeded.fold(rows("garbage_hut", nh3(-15, 9)))
    assert value(exceeded.measure(NOW, standing(AREA)), FIRST) == 0.5


def test_a_reading_older_than_the_window_counts_for_nothing() -> None:
    exceeded = tracker("waste.nh3_exceedance", window=30)
    exceeded.fold(rows("garbage_hut", nh3(0, 0)))
    exceeded.fold(rows("garbage_hut", nh3(-30, 9), nh3(-3600, 9)))
    assert value(exceeded.measure(NOW, standing(AREA)), FIRST) == 0.0


def test_a_window_that_nothing_fell_into_is_empty_though_old_panes_are_still_kept() -> None:
    exceeded = tracker("waste.nh3_exceedance", window=30)
    exceeded.fold(rows("garbage_hut", nh3(-5, 9)))
    later = NOW + 3600 * SECOND
    assert math.isnan(value(exceeded.measure(later, standing(AREA, later)), FIRST))


def test_panes_of_a_day_are_four_minutes() -> None:
    #   −86400         now
    #   [ 360 panes of 240 s ]: the event 23 h 55 min ago counts, the one 24 h 1 min ago does not
    dumping = tracker("waste.illegal_dumping")
    assert dumping.pane == 240 * SECOND
    for seconds in (-86_100, -86_460, -1):
        dumping.fold(rows("garbage_hut_illegal_dumping", (0, observed(seconds, violation="beside_bin"))))
    measured = dumping.measure(NOW, standing(AREA))
    assert value(measured, FIRST) == 1.0  # two in a day by two huts
    assert value(measured, CITY) == 0.5
    assert value(measured, THIRD) == 0.0, "quiet huts that live are a zero"


def test_silent_huts_do_not_make_a_street_look_cleaner() -> None:
    dumping = tracker("waste.illegal_dumping")
    dumping.fold(rows("garbage_hut_illegal_dumping", *[(0, observed(-s, violation="x")) for s in (1, 2)]))
    alive = standing(AREA, seen=[NOW, NOW - 3600 * SECOND, NOW, NOW])
    measured = dumping.measure(NOW, alive)
    assert value(measured, FIRST) == 2.0
    assert measured.partials[FIRST]["reporting"] == 1


def test_a_sensor_that_only_says_other_things_is_not_behind_a_windows_value() -> None:
    exceeded = tracker("waste.nh3_exceedance")
    exceeded.fold(rows("garbage_hut", nh3(-1, 9), (1, observed(-1, temperature=20))))
    assert exceeded.measure(NOW, standing(AREA)).partials[FIRST]["reporting"] == 1


def test_the_horizon_of_a_stream_is_its_longest_window() -> None:
    rows = [by_id[name] for name in ("waste.overflow_share", "waste.nh3_exceedance", "parking.kerb_occupancy")]
    rows += [by_id["waste.illegal_dumping"], replace(by_id["waste.illegal_dumping"], window=600)]
    assert stream_windows(rows) == {"garbage_hut": 3600, "parking_bay": 0, "garbage_hut_illegal_dumping": 86_400}
    assert set(stream_windows(INDICATORS)) == {row.stream for row in INDICATORS}


def test_partials_of_a_window_roll_up_to_the_city() -> None:
    exceeded = tracker("waste.nh3_exceedance")
    exceeded.fold(rows("garbage_hut", nh3(-1, 9), nh3(-2, 0), nh3(-3, 0, slot=2)))
    measured = exceeded.measure(NOW, standing(AREA))
    assert [value(measured, a) for a in (FIRST, EAST, THIRD, WEST, CITY)] == pytest.approx([0.5, 0.5, 0, 0, 1 / 3])
    assert measured.partials["count"].tolist() == [3, 2, 1, 2, 0, 1]
    assert kernels.total(measured.partials["hi"], measured.partials["lo"]).tolist() == [1, 1, 0, 1, 0, 0]
