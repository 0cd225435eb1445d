// A small chart of one index: its recent past as a line, gaps left open, and its forecast as a dashed line in a band.

import { el, setAttribute, setShown, setText, svg } from "./dom.js";

const HOUR_MS = 3600_000;
const LONGEST_BRIDGE_MS = 400_000;
const SMALLEST_SHARE = 0.04; // a range is at least this part of its values high

export class Chart {
  constructor() {
    const line = (name) => svg("path", { class: name, "vector-effect": "non-scaling-stroke" });
    this.paths = { grid: line("chart-grid"), band: svg("path", { class: "chart-band" }), past: line("chart-past"), next: line("chart-next"), now: line("chart-now") };
    this.drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.drawing.append(...Object.values(this.paths));
    this.levels = [el("span", { class: "chart-level" }), el("span", { class: "chart-level" })];
    this.times = [0, 1, 2].map(() => el("span", { class: "chart-time" }));
    this.empty = el("p", { class: "chart-empty" });
    this.plot = el("div", { class: "chart-plot" }, this.drawing, ...this.levels, this.empty);
    this.node = el("div", { class: "chart" }, this.plot, el("div", { class: "chart-times" }, ...this.times));
  }

  /**
   * `past` are [{at, y}] with y null where nothing is known, `next` [{at, y, low, high}]; `least` is the smallest range shown where
   * all values are 0; `words` has {empty, level(y), time(at)}.
   */
  draw({ past, next, from, now, least }, words) {
    const to = Math.max(now, next.at(-1)?.at ?? now);
    const known = [...past.map((point) => point.y), ...next.flatMap((point) => [point.y, point.low, point.high])];
    const range = rangeOf(known.filter((y) => typeof y === "number"), least);
    setShown(this.empty, range === null);
    setText(this.empty, words.empty);
    for (const level of this.levels) setShown(level, range !== null);
    if (range === null) {
      for (const path of Object.values(this.paths)) setAttribute(path, "d", "");
    } else {
      this.drawLines({ past, next, now }, range, (at) => ((at - from) / (to - from)) * 100);
      [range.low, range.high].forEach((y, place) => setText(this.levels[place], words.level(y)));
    }
    const times = [from, now, to];
    times.forEach((at, place) => {
      const shown = place < 2 || to - now > HOUR_MS / 4;
      setShown(this.times[place], shown);
      setText(this.times[place], words.time(at, place));
      this.times[place].style.left = `${((at - from) / (to - from)) * 100}%`;
      setAttribute(this.times[place], "data-end", place === 0 ? "left" : at === to ? "right" : "middle");
    });
  }

  drawLines({ past, next, now }, range, x) {
    const y = (value) => 96 - ((value - range.low) / (range.high - range.low)) * 92;
    const place = (point) => `${x(point.at).toFixed(2)} ${y(point.y).toFixed(2)}`;
    const lineOf = (run) => (run.length === 1 ? `M${place(run[0])}h0.01` : `M${run.map(place).join("L")}`);
    setAttribute(this.paths.past, "d", runsOf(past).map(lineOf).join(""));
    const last = past.findLast((point) => point.y !== null);
    const joined = next.length > 0 && last ? [last, ...next] : next;
    setAttribute(this.paths.next, "d", runsOf(joined, Infinity).map(lineOf).join(""));
    setAttribute(this.paths.band, "d", bandOf(next, x, y));
    setAttribute(this.paths.grid, "d", [range.low, range.high].map((value) => `M0 ${y(value).toFixed(2)}H100`).join(""));
    setAttribute(this.paths.now, "d", next.length > 0 ? `M${x(now).toFixed(2)} 0V100` : "");
  }
}

function rangeOf(values, smallest) {
  if (values.length === 0) return null;
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const least = Math.max(Math.abs(low), Math.abs(high)) * SMALLEST_SHARE || smallest;
  const missing = Math.max(0, (least - (high - low)) / 2);
  if (low >= 0 && low < missing) return { low: 0, high: Math.max(high, 2 * missing) };
  return { low: low - missing, high: high + missing };
}

function runsOf(points, bridge = LONGEST_BRIDGE_MS) {
  const runs = [];
  let run = [];
  for (const point of points) {
    if (point.y === null || (run.length > 0 && point.at - run.at(-1).at > bridge)) {
      if (run.length > 0) runs.push(run);
      run = [];
    }
    if (point.y !== null) run.push(point);
  }
  if (run.length > 0) runs.push(run);
  return runs;
}

function bandOf(next, x, y) {
  const known = next.filter((point) => typeof point.low === "number" && typeof point.high === "number");
  if (known.length === 0) return "";
  const upper = known.map((point) => `${x(point.at).toFixed(2)} ${y(point.high).toFixed(2)}`);
  const lower = known.map((point) => `${x(point.at).toFixed(2)} ${y(point.low).toFixed(2)}`).reverse();
  return `M${[...upper, ...lower].join("L")}Z`;
}
