// Degrees to pixels: equirectangular, longitudes shrunk by the cosine of the middle latitude. Pure.

/** Bounds [west, south, east, north] in degrees of some GeoJSON polygons. */
export function boundsOf(geometries) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (const geometry of geometries) {
    for (const ring of ringsOf(geometry)) {
      for (const [lon, lat] of ring) {
        bounds[0] = Math.min(bounds[0], lon);
        bounds[1] = Math.min(bounds[1], lat);
        bounds[2] = Math.max(bounds[2], lon);
        bounds[3] = Math.max(bounds[3], lat);
      }
    }
  }
  return bounds;
}

/** All rings of a Polygon or MultiPolygon. */
export function ringsOf(geometry) {
  return geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat();
}

/** Height over width of bounds once projected. */
export function aspectOf([west, south, east, north]) {
  return (north - south) / ((east - west) * shrink(south, north));
}

/** A function from [lon, lat] to [x, y] that fits bounds into a box {x, y, width, height}, centred in it. */
export function fit([west, south, east, north], box) {
  const factor = shrink(south, north);
  const scale = Math.min(box.width / ((east - west) * factor), box.height / (north - south));
  const left = box.x + (box.width - (east - west) * factor * scale) / 2;
  const top = box.y + (box.height - (north - south) * scale) / 2;
  return ([lon, lat]) => [left + (lon - west) * factor * scale, top + (north - lat) * scale];
}

/** SVG path data of a polygon under a projection. */
export function pathOf(geometry, project) {
  const ring = (points) => points.map((point) => project(point).map((c) => c.toFixed(1)).join(" ")).join("L");
  return ringsOf(geometry).map((points) => `M${ring(points)}Z`).join("");
}

function shrink(south, north) {
  return Math.cos((((south + north) / 2) * Math.PI) / 180);
}
