"""Outlines of districts in degrees: which one holds a point, and random points inside one.

A point is inside when a ray from it to the east crosses the rings an odd number of times (holes and islands
included). Every edge is taken from its southern to its northern end, southern end included, so that two
districts which share an edge never both claim, nor both refuse, a point on it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.area import CityError

Edges = NDArray[np.float64]
MAX_DRAWS = 10_000


@dataclass(frozen=True, eq=False)
class Outline:
    """One district's outline: its GeoJSON geometry, a point to put its label at, and its edges.

    ``edges`` is float64 of shape (4, n): longitude and latitude of the southern, then of the northern end.
    ``bounds`` is west, south, east, north in degrees.
    """

    code: str
    geometry: Mapping[str, Any]
    label: tuple[float, float]
    edges: Edges
    bounds: tuple[float, float, float, float]

    def contains(self, lon: float, lat: float) -> bool:
        """Whether the point lies inside."""
        west, south, east, north = self.bounds
        if not (west <= lon <= east and south <= lat <= north):
            return False
        x0, y0, x1, y1 = self.edges
        spans = (y0 <= lat) & (lat < y1)
        x0, y0, x1, y1 = x0[spans], y0[spans], x1[spans], y1[spans]
        crossing = x0 + (lat - y0) / (y1 - y0) * (x1 - x0)
        return bool(np.count_nonzero(crossing > lon) % 2)

    def random_point(self, rng: np.random.Generator) -> tuple[float, float]:
        """A longitude and latitude drawn evenly over the inside."""
        west, south, east, north = self.bounds
        for _ in range(MAX_DRAWS):
            lon, lat = float(rng.uniform(west, east)), float(rng.uniform(south, north))
            if self.contains(lon, lat):
                return lon, lat
        raise CityError(f"outline of {self.code} holds none of {MAX_DRAWS} points drawn from its bounds")


def parse_outlines(text: str, source: str = "districts.geojson") -> tuple[Outline, ...]:
    """Outlines from the text of a GeoJSON FeatureCollection with ``code`` in each feature's properties."""
    try:
        document = json.loads(text)
        features = [
            (str(feature["properties"]["code"]), feature["properties"].get("label"), feature["geometry"])
            for feature in document["features"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise CityError(
            f"{source}: must be a GeoJSON FeatureCollection whose features have a geometry and "
            f"properties.code, but reading it fails at {error!r}"
        ) from error
    outlines = tuple(_outline(code, label, geometry, source) for code, label, geometry in features)
    codes = [outline.code for outline in outlines]
    for code in codes:
        if codes.count(code) > 1:
            raise CityError(f"{source}: code {code!r} has {codes.count(code)} features, must have one")
    return outlines


def _outline(code: str, label: Any, geometry: Mapping[str, Any], source: str) -> Outline:
    try:
        rings = [np.asarray(ring, dtype=np.float64) for ring in _rings(geometry)]
        if not rings or any(ring.ndim != 2 or ring.shape[0] < 4 or ring.shape[1] < 2 for ring in rings):
            raise ValueError("a ring needs at least 4 positions of longitude and latitude")
        if any(not np.array_equal(ring[0], ring[-1]) for ring in rings):
            raise ValueError("a ring must end where it starts")
        corners = np.concatenate(rings)
        if not (np.isfinite(corners).all() and (np.abs(corners[:, :2]) <= (180.0, 90.0)).all()):
            raise ValueError("positions must be degrees, longitude first")
    except (ValueError, KeyError, TypeError) as error:
        raise CityError(f"{source}: geometry of {code!r} is wrong: {error}") from error
    west, south = (float(value) for value in corners[:, :2].min(axis=0))
    east, north = (float(value) for value in corners[:, :2].max(axis=0))
    at = (float(label[0]), float(label[1])) if label else ((west + east) / 2, (south + north) / 2)
    return Outline(code, geometry, at, _edges(rings), (west, south, east, north))


def _rings(geometry: Mapping[str, Any]) -> Iterable[Any]:
    if geometry["type"] == "Polygon":
        return list(geometry["coordinates"])
    if geometry["type"] == "MultiPolygon":
        return [ring for polygon in geometry["coordinates"] for ring in polygon]
    raise ValueError(f"type is {geometry['type']!r}, must be Polygon or MultiPolygon")


def _edges(rings: Iterable[NDArray[np.float64]]) -> Edges:
    """Every edge from south to north; level ones are left out, since no ray to the east can cross them."""
    ends = np.concatenate([np.hstack([ring[:-1, :2], ring[1:, :2]]) for ring in rings])
    downward = ends[:, 1] > ends[:, 3]
    ends[downward] = ends[downward][:, [2, 3, 0, 1]]
    edges: Edges = np.ascontiguousarray(ends[ends[:, 1] != ends[:, 3]].T)
    edges.flags.writeable = False
    return edges
