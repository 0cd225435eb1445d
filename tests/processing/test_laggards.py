"""Every area names the devices that pull it down most, worst first."""

import numpy as np

from processing.laggards import Laggard, worst_by_area


def test_an_area_names_its_devices_in_their_order_with_their_values() -> None:
    lowest = np.array([[2, 0, 1], [2, 1, -1], [-1, -1, -1]])
    found = worst_by_area(lowest, np.array([0.5, 0.75, 0.25]), ["a", "b", "c"])
    a, b, c = Laggard("a", 0.5), Laggard("b", 0.75), Laggard("c", 0.25)
    assert found == {0: [c, a, b], 1: [c, b]}


def test_nothing_pulls_down_where_nothing_is_wrong() -> None:
    assert worst_by_area(np.full((2, 3), -1), np.zeros(3), ["a", "b", "c"]) == {}
