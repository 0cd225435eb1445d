// Where the map and its enlarged inset go inside a box. Pure: outlines and sizes in, projections out.

import { aspectOf, boundsOf, fit, ringsOf } from "./projection.js";

const MARGIN = 10;
const MAIN_SIZES = [1, 0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72];
const LEAST_INSET_WIDTH = 210;
const CORNERS = [
  { left: true, top: true },
  { left: false, top: true },
  { left: false, top: false },
  { left: true, top: false },
];

/**
 * Lay out a city's outlines in a box of `size` {width, height} pixels. Districts too small for a label
 * {width, height} are enlarged together in an inset, in the corner where it covers no district.
 * Returns {project, inset: null | {codes, box, frame, project}}.
 */
export function layoutMap(outlines, size, label) {
  const bounds = boundsOf(outlines.map((outline) => outline.geometry));
  const whole = place(bounds, size, 1, { left: false, top: false });
  const small = outlines.filter((outline) => !hasRoom(outline, whole.project, label));
  if (small.length < 2) {
    const centred = { x: MARGIN, y: MARGIN, width: size.width - 2 * MARGIN, height: size.height - 2 * MARGIN };
    return { project: fit(bounds, centred), inset: null };
  }
  const insetBounds = grown(boundsOf(small.map((outline) => outline.geometry)), 0.03);
  const enlarged = outlines.filter((outline) => small.includes(outline) || within(outline, insetBounds));
  const best = bestCorner(outlines, bounds, insetBounds, size);
  return {
    project: best.project,
    inset: {
      codes: new Set(enlarged.map((outline) => outline.code)),
      box: best.box,
      frame: frameOf(insetBounds, best.project),
      project: fit(insetBounds, best.box),
    },
  };
}

/** The largest map that leaves the inset the width it wants, or else the largest inset. */
function bestCorner(outlines, bounds, insetBounds, size) {
  const wanted = Math.max(LEAST_INSET_WIDTH, 0.4 * Math.min(size.width, size.height));
  let best = null;
  for (const mainSize of MAIN_SIZES) {
    for (const corner of CORNERS) {
      const away = { left: !corner.left, top: !corner.top };
      const { project } = place(bounds, size, mainSize, away);
      const points = outlines.flatMap((outline) => ringsOf(outline.geometry).flat().map(project));
      const box = largestFreeBox(points, aspectOf(insetBounds), size, corner);
      if (best === null || box.width > best.box.width + 1) best = { project, box };
    }
    if (best.box.width >= wanted) break;
  }
  return best;
}

/** The main map at a share of its largest size, pushed towards a corner. */
function place(bounds, size, share, towards) {
  const aspect = aspectOf(bounds);
  const width = share * Math.min(size.width - 2 * MARGIN, (size.height - 2 * MARGIN) / aspect);
  const height = width * aspect;
  const x = towards.left ? MARGIN : size.width - MARGIN - width;
  const y = towards.top ? MARGIN : size.height - MARGIN - height;
  return { project: fit(bounds, { x, y, width, height }) };
}

function largestFreeBox(points, aspect, size, corner) {
  for (let width = Math.min(size.width * 0.6, size.height * 0.6); width > 40; width -= 4) {
    const height = width * aspect;
    const x = corner.left ? MARGIN : size.width - MARGIN - width;
    const y = corner.top ? MARGIN : size.height - MARGIN - height;
    const inside = ([px, py]) =>
      px > x - MARGIN && px < x + width + MARGIN && py > y - MARGIN && py < y + height + MARGIN;
    if (!points.some(inside)) return { x, y, width, height };
  }
  return { x: MARGIN, y: MARGIN, width: 40, height: 40 * aspect };
}

function hasRoom(outline, project, label) {
  const frame = frameOf(boundsOf([outline.geometry]), project);
  return frame.width >= label.width && frame.height >= label.height;
}

/** Whether an outline lies inside bounds with its label and most of its width and height. */
function within(outline, [west, south, east, north]) {
  const [w, s, e, n] = boundsOf([outline.geometry]);
  const [lon, lat] = outline.label;
  const inWidth = (Math.min(e, east) - Math.max(w, west)) / (e - w);
  const inHeight = (Math.min(n, north) - Math.max(s, south)) / (n - s);
  return lon > west && lon < east && lat > south && lat < north && inWidth > 0.8 && inHeight > 0.8;
}

function frameOf([west, south, east, north], project) {
  const [x, y] = project([west, north]);
  const [right, bottom] = project([east, south]);
  return { x, y, width: right - x, height: bottom - y };
}

function grown([west, south, east, north], share) {
  const [dx, dy] = [(east - west) * share, (north - south) * share];
  return [west - dx, south - dy, east + dx, north + dy];
}
