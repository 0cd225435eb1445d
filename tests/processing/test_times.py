"""Times that are shared are those that each would keep alone, whoever finds what to say something."""

import numpy as np
import pytest
from processing_material import NOW, SECOND, batch, device, engine, observed

from processing import kernels
from processing.heard import Newest

SLOTS, HOLDERS = 12, 5


def shared(count: int) -> list[Newest]:
    holders = [Newest(1) for _ in range(count)]
    for holder in holders:
        holders[0].times.join(holder)
        holder.grow(SLOTS)
    return holders


def kept(newest: Newest) -> tuple[list[int], list[int]]:
    return newest.newest.tolist(), newest.times._order.tolist()


@pytest.mark.parametrize("seed", range(30))
def test_each_holder_sees_what_it_would_see_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    together, alone = shared(HOLDERS), [Newest(1) for _ in range(HOLDERS)]
    for one in alone:
        one.grow(SLOTS)
    for _ in range(25):
        size = int(rng.integers(0, 20))
        slot = rng.integers(-1, SLOTS, size).astype(np.int32)
        time, seq = rng.integers(0, 30, size), rng.integers(0, 3, size) * int(rng.choice([1, 1, 1, 2**33]))
        lacking = [rng.random(size) < rng.choice([0.0, 0.0, 0.0, 0.3]) for _ in range(3)]
        for place in rng.permutation(HOLDERS).tolist():
            if rng.random() < 0.02:  # it is not given this batch at all
                continue
            own = np.where(lacking[place % 3], -1, slot).astype(np.int32)
            moves = [one[place].take(own, time, seq) for one in (together, alone)]
            assert moves[0].tolist() == moves[1].tolist()
            known = np.unique(own[own >= 0])
            assert together[place].again(known).tolist() == alone[place].again(known).tolist()
            assert kept(together[place]) == kept(alone[place])
    for one, other in zip(together, alone, strict=True):
        one.take(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))
        assert kept(one) == kept(other)


def test_who_finds_the_same_goes_on_together() -> None:
    one, two, three, four = shared(4)
    time, seq = np.array([5, 7]), np.zeros(2, np.int64)
    for holder, slot in ((one, [0, 1]), (two, [0, -1]), (three, [0, -1]), (four, [0, 1])):
        holder.take(np.array(slot, np.int32), time, seq)
    assert one.times is four.times
    assert two.times is three.times
    assert one.times is not two.times
    assert two.newest[:2].tolist() == [5, int(kernels.NEVER)]


def test_an_engine_keeps_times_once_for_fields_that_come_together() -> None:
    made, full = engine(), {"nh3": 0.1, "h2s": 0.01, "seepageDetected": False}
    fills = {f"fillingLevel{name}": 0.5 for name in ("Residual", "Food", "Recyclable", "Hazardous")}
    made.register([device(1, "garbage_hut", 1), device(2, "garbage_hut", 1)])
    ids = "waste.mean_fill_residual", "waste.mean_fill_food", "waste.seepage_share"

    def times() -> list[int]:
        return [id(made._trackers[one].group.newest.times) for one in ids]  # type: ignore[union-attr]

    made.fold(batch("garbage_hut", [(1, observed(0, **full, **fills)), (2, observed(0, **full, **fills))]))
    assert len(set(times())) == 1
    del fills["fillingLevelFood"]
    made.fold(batch("garbage_hut", [(2, observed(1, **full, **fills))]))
    residual, food, seepage = times()
    assert residual == seepage != food
    food_times = made._trackers["waste.mean_fill_food"].group.newest.newest  # type: ignore[union-attr]
    assert food_times[:2].tolist() == [NOW, NOW]
    other_times = made._trackers["waste.seepage_share"].group.newest.newest  # type: ignore[union-attr]
    assert other_times[:2].tolist() == [NOW, NOW + SECOND]
