"""The points that stay are those of a slow, literal reading of the paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.downsampling import chart_points, largest_triangles


def naive(x: list[float], y: list[float], points: int) -> list[int]:
    """Point by point, with the triangle's area from its corners."""
    if len(x) <= points:
        return list(range(len(x)))
    edges = [1 + (i * (len(x) - 2)) // (points - 2) for i in range(points - 1)]
    kept = [0]
    for i in range(points - 2):
        nxt = range(edges[i + 1], edges[i + 2]) if i + 2 < len(edges) else range(len(x) - 1, len(x))
        cx, cy = sum(x[j] for j in nxt) / len(nxt), sum(y[j] for j in nxt) / len(nxt)
        ax, ay = x[kept[-1]], y[kept[-1]]
        best, largest = -1, -1.0
        for j in range(edges[i], edges[i + 1]):
            area = abs(ax * (y[j] - cy) + x[j] * (cy - ay) + cx * (ay - y[j])) / 2
            if area > largest:
                best, largest = j, area
        kept.append(best)
    return [*kept, len(x) - 1]


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=120), st.integers(3, 40))
def test_the_same_points_stay_as_by_the_naive_way(values: list[int], points: int) -> None:
    x = np.arange(len(values), dtype=np.float64)
    y = np.array(values, np.float64)
    kept = largest_triangles(x, y, points)
    slow = naive(x.tolist(), y.tolist(), points)
    assert len(kept) == min(points, len(values))
    # where two triangles are equally large but for rounding, either point may stay
    assert np.array_equal(kept, slow) or len(set(values)) < len(values)


def test_on_rough_data_the_choice_is_the_naive_one() -> None:
    rng = np.random.default_rng(3)
    x, y = np.cumsum(rng.random(1000)), rng.random(1000)
    assert largest_triangles(x, y, 77).tolist() == naive(x.tolist(), y.tolist(), 77)


def test_a_spike_stays() -> None:
    y = np.zeros(10_000)
    y[7_654] = 1
    assert 7_654 in largest_triangles(np.arange(10_000.0), y, 50)


@pytest.mark.parametrize("points", [3, 10])
def test_the_line_still_breaks_where_values_are_missing(points: int) -> None:
    y = np.sin(np.arange(200.0))
    y[50:60] = np.nan
    kept = chart_points(np.arange(200.0), y, points)
    assert np.isnan(y[kept]).sum() == 1
    assert 50 in kept
    assert len(kept) == points + 1
