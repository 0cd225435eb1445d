"""Every area names the devices that pull it down most, worst first."""

import random

import numpy as np

from processing.laggards import worst_by_area

PARENTS = np.array([-1, 0, 0, 1, 1, 2], np.int32)


def test_an_area_names_its_worst_and_its_parts_worst() -> None:
    rng = random.Random(4)
    size = 200
    area = np.array([rng.randrange(6) for _ in range(size)], np.int32)
    value = np.array([round(rng.random(), 2) for _ in range(size)])
    ids = [f"d{slot}" for slot in range(size)]
    order = np.argsort(-value, kind="stable")
    found = worst_by_area(order, area, value, ids, PARENTS, 3)

    def within(label: int, top: int) -> bool:
        while label > top:
            label = int(PARENTS[label])
        return label == top

    for label in range(6):
        members = [slot for slot in order.tolist() if within(int(area[slot]), label)][:3]
        assert [laggard.device for laggard in found[label]] == [ids[slot] for slot in members]
        assert [laggard.value for laggard in found[label]] == value[members].tolist()


def test_nothing_pulls_down_where_nothing_is_wrong() -> None:
    empty = np.empty(0, np.int64)
    assert worst_by_area(empty, np.zeros(3, np.int32), np.zeros(3), ["a", "b", "c"], PARENTS, 3) == {}
