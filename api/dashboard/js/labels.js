// Keeps the labels of small neighbours apart. Pure: places and texts in, places out.

const LINE = 13;
const HEIGHT = 35;
const ROUNDS = 40;
const LONGEST_MOVE = 26;

/**
 * Move overlapping labels apart, half each, in the direction that needs less.
 * `labels` are [{code, x, y, width}], centred on x, y; returns a Map from code to [x, y].
 */
export function spread(labels) {
  const places = labels.map((label) => ({ ...label, fromX: label.x, fromY: label.y }));
  for (let round = 0; round < ROUNDS; round += 1) {
    let moved = false;
    places.forEach((one, place) => {
      for (const other of places.slice(place + 1)) moved = part(one, other) || moved;
    });
    if (!moved) break;
  }
  return new Map(places.map(({ code, x, y }) => [code, [x, y]]));
}

/** Width of a name on the map in pixels: Chinese characters are square, Latin ones about half as wide. */
export function widthOf(name, fontSize = LINE) {
  const square = [...name].filter((character) => character > "\u2e7f").length;
  return Math.max(2.6 * fontSize, square * fontSize + (name.length - square) * fontSize * 0.56);
}

function part(one, other) {
  const overlapX = (one.width + other.width) / 2 - Math.abs(one.x - other.x);
  const overlapY = HEIGHT - Math.abs(one.y - other.y);
  if (overlapX <= 0 || overlapY <= 0) return false;
  const axis = overlapX < overlapY ? "x" : "y";
  const half = Math.min(overlapX, overlapY) / 2 + 0.5;
  const forward = one[axis] <= other[axis] ? 1 : -1;
  push(one, axis, -forward * half);
  push(other, axis, forward * half);
  return true;
}

function push(label, axis, by) {
  const from = axis === "x" ? label.fromX : label.fromY;
  label[axis] = Math.max(from - LONGEST_MOVE, Math.min(from + LONGEST_MOVE, label[axis] + by));
}
