"""Fewer points for a chart that keep its shape: largest triangle, three buckets. Pure.

Steinarsson, Downsampling Time Series for Visual Representation (2013), ch. 4.2: first and last point stay; the others
are cut into equal buckets, and of each the point stays that forms the largest triangle with the point kept before
it and the mean of the bucket after it. The area of a triangle is half of |(a − c)ₓ(p − a)ᵧ − (a − p)ₓ(c − a)ᵧ|.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def largest_triangles(x: Floats, y: Floats, points: int) -> NDArray[np.intp]:
    """Places of the points that stay, in order; all where there are no more than ``points``, which must be at least 3.

    ``x`` rises; neither holds NaN.
    """
    count = len(x)
    if count <= points:
        return np.arange(count)
    bounds = 1 + (np.arange(points - 1) * (count - 2)) // (points - 2)
    kept = np.zeros(points, np.intp)
    kept[-1] = count - 1
    for bucket in range(points - 2):
        start, end = bounds[bucket], bounds[bucket + 1]
        following = slice(end, bounds[bucket + 2] if bucket + 2 < len(bounds) else count)
        far_x, far_y = x[following].mean(), y[following].mean()
        near_x, near_y = x[kept[bucket]], y[kept[bucket]]
        twice = (near_x - far_x) * (y[start:end] - near_y) - (near_x - x[start:end]) * (far_y - near_y)
        kept[bucket + 1] = start + np.argmax(np.abs(twice))
    return kept


def chart_points(x: Floats, y: Floats, points: int) -> NDArray[np.intp]:
    """As ``largest_triangles``, where y may be NaN: of each run of points without a value the first stays, so that the
    line breaks there."""
    missing = np.isnan(y)
    valued = np.flatnonzero(~missing)
    breaks = np.flatnonzero(missing & ~np.concatenate([[False], missing[:-1]]))
    kept = valued[largest_triangles(x[valued], y[valued], points)]
    return np.sort(np.concatenate([kept, breaks]))
