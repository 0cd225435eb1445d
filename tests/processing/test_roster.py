"""Devices keep their slots; where they stand, what they measure and when they are stale follows their birth."""

import numpy as np
import pytest
from processing_material import AREAS, EAST, FIRST, THIRD, device

from devices.kinds import kinds
from ingest.registry import Device, Devices
from processing.method import SHORTEST_STALE
from processing.roster import NOT_REGISTERED, Roster, stale_after

LABELS = {code: label for label, code in enumerate(AREAS)}
EVERYTHING = ()


def roster(*devices: Device) -> Roster:
    made = Roster(kinds()["garbage_hut"], LABELS)
    tell(made, *devices)
    return made


def tell(made: Roster, *devices: Device) -> None:
    made.update(made.place(Devices.of(devices)))


def test_a_device_keeps_its_slot_when_it_changes() -> None:
    huts = roster(device(7, "garbage_hut"), device(3, "garbage_hut", THIRD))
    tell(huts, device(7, "garbage_hut", EAST))
    assert len(huts) == 2
    assert list(huts.ids) == ["garbage_hut-7", "garbage_hut-3"]
    assert huts.slots(np.array([3, 7, 4, 99], np.int32)).tolist() == [1, 0, -1, -1]
    assert huts.equipped(EVERYTHING)[:2].tolist() == [EAST, THIRD]


def test_of_a_device_that_is_told_twice_at_once_the_last_counts() -> None:
    huts = roster(device(7, "garbage_hut"), device(3, "garbage_hut", THIRD), device(7, "garbage_hut", EAST))
    assert list(huts.ids) == ["garbage_hut-7", "garbage_hut-3"]
    assert huts.area[:2].tolist() == [EAST, THIRD]
    assert huts.expected((), np.full(len(AREAS), -1, np.int32))[[FIRST, EAST, THIRD]].tolist() == [0, 1, 1]


def test_slots_survive_growth() -> None:
    huts = roster()
    for first in range(1, 1000, 100):
        tell(huts, *(device(key, "garbage_hut", FIRST) for key in range(first, first + 100)))
    assert huts.slots(np.arange(1, 1001, dtype=np.int32)).tolist() == list(range(1000))
    assert (huts.equipped(EVERYTHING) == FIRST).sum() == 1000
    assert huts.capacity >= 1000


def test_a_device_in_an_area_the_city_does_not_have_is_expected_nowhere() -> None:
    stray = device(1, "garbage_hut")
    huts = roster(type(stray)(1, "stray", "garbage_hut", "123456"))
    assert huts.equipped(EVERYTHING)[0] == -1


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [({}, 180), ({"reportingInterval": 10}, 30), ({"reportingInterval": 0.5}, SHORTEST_STALE)],
)
def test_a_device_is_stale_after_three_intervals_of_its_own(attributes: dict[str, float], seconds: float) -> None:
    assert stale_after(kinds()["garbage_hut"], attributes) == seconds * 1_000_000


def test_a_device_is_expected_only_for_what_it_is_equipped_with() -> None:
    huts = roster(
        device(1, "garbage_hut"),
        device(2, "garbage_hut", measures=["fillingLevelFood"]),
        device(3, "garbage_hut", measures=["nh3", "temperature"]),
        device(4, "garbage_hut", measures=[]),
    )

    def expected(*needs: tuple[str, ...]) -> list[bool]:
        return (huts.equipped(needs)[:4] >= 0).tolist()

    assert expected() == [True, True, True, True]
    assert expected(("fillingLevelFood", "fillingLevelResidual")) == [True, True, False, False]
    assert expected(("nh3",)) == [True, False, True, False]
    assert expected(("nh3",), ("temperature",)) == [True, False, True, False]
    assert expected(("nh3",), ("h2s",)) == [True, False, False, False]


def test_a_device_that_stops_saying_what_it_measures_has_all_of_its_kind_again() -> None:
    huts = roster(device(1, "garbage_hut", measures=["nh3"]))
    tell(huts, device(1, "garbage_hut"))
    assert huts.equipped((("h2s",),))[0] == FIRST


def test_a_retired_device_is_expected_nowhere_until_it_comes_back() -> None:
    made = roster(device(1, "garbage_hut", FIRST))
    assert made.area[0] == FIRST
    for retired, area in ((True, -1), (False, FIRST)):
        tell(made, device(1, "garbage_hut", FIRST, retired=retired))
        assert made.area[0] == area


def test_rosters_share_their_places_until_one_changes_and_neither_sees_what_the_other_did() -> None:
    first = Roster(kinds()["parking_bay"], LABELS)
    tell(first, device(1, "parking_bay", FIRST), device(2, "parking_bay", FIRST))
    second = first.follower()
    assert second.places is first.places
    tell(second, device(1, "parking_bay", THIRD))
    assert (first.area[0], second.area[0]) == (FIRST, THIRD)
    first.withdraw(first.place(Devices.of([device(2, "parking_bay", FIRST)])))
    assert (first.area[1], second.area[1]) == (NOT_REGISTERED, FIRST)
    first.welcome(np.array([2, 2, 9], np.int32))
    assert first.area[:2].tolist() == [FIRST, FIRST]
    assert first.expected((), np.full(len(AREAS), -1, np.int32))[FIRST] == 2
