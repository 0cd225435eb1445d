// The trace of one score over the last hour, like a channel of a bedside monitor; gaps stay gaps.

import { setAttribute, setText, svg, el } from "./dom.js";
import { SPAN_MS } from "./series.js";

const SMALLEST_RANGE = 12;
const LONGEST_BRIDGE_MS = 150_000;

/** Draws a Series; the line is redrawn only when the series or the minute changed. */
export class Sparkline {
  constructor({ withScale = false } = {}) {
    this.area = svg("path", { class: "spark-area" });
    this.line = svg("path", { class: "spark-line", "vector-effect": "non-scaling-stroke" });
    this.grid = svg("path", { class: "spark-grid", "vector-effect": "non-scaling-stroke" });
    this.drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.drawing.append(this.grid, this.area, this.line);
    this.dot = el("span", { class: "spark-dot" });
    this.scale = withScale ? [el("span", { class: "spark-tick" }), el("span", { class: "spark-tick" })] : [];
    this.node = el("div", { class: "spark" }, this.drawing, this.dot, ...this.scale);
    this.drawn = "";
  }

  /** `current` says whether the score at the end of the trace still holds: only then it is marked. */
  update(series, now, current) {
    const state = `${series.version} ${Math.floor(now / 10_000)} ${current}`;
    if (state === this.drawn) return;
    this.drawn = state;
    const range = rangeOf(series.points);
    const x = (at) => 100 - ((now - at) / SPAN_MS) * 100;
    const y = (score) => 100 - ((score - range.low) / (range.high - range.low)) * 100;
    const runs = runsOf(series.points, now).map((run) => run.map((point) => [x(point.at), y(point.score)]));
    setAttribute(this.line, "d", runs.map(lineOf).join(""));
    setAttribute(this.area, "d", runs.map(areaOf).join(""));
    this.placeDot(current ? runs.at(-1)?.at(-1) : null);
    this.placeScale(range, y);
  }

  placeDot(end) {
    this.dot.hidden = !end;
    if (this.dot.hidden) return;
    this.dot.style.left = `${Math.min(100, end[0])}%`;
    this.dot.style.top = `${end[1]}%`;
  }

  placeScale(range, y) {
    if (this.scale.length === 0) return;
    const [low, high] = [Math.ceil(range.low / 5) * 5, Math.floor(range.high / 5) * 5];
    setAttribute(this.grid, "d", [low, high].map((score) => `M0 ${y(score).toFixed(2)}H100`).join(""));
    [low, high].forEach((score, place) => {
      setText(this.scale[place], String(score));
      this.scale[place].style.top = `${y(score)}%`;
    });
  }
}

/** The span of scores to draw: never narrower than 12 points, so that a calm hour looks calm. */
function rangeOf(points) {
  const scores = points.map((point) => point.score).filter((score) => score !== null);
  if (scores.length === 0) return { low: 0, high: 100 };
  let [low, high] = [Math.min(...scores), Math.max(...scores)];
  const missing = Math.max(2, (SMALLEST_RANGE - (high - low)) / 2);
  low -= missing;
  high += missing;
  return { low, high };
}

/** Unbroken runs of points within the span: a missing score or a long pause ends a run. */
function runsOf(points, now) {
  const runs = [];
  let run = [];
  for (const point of points) {
    if (point.at < now - SPAN_MS) continue;
    const paused = run.length > 0 && point.at - run.at(-1).at > LONGEST_BRIDGE_MS;
    if (point.score === null || paused) {
      if (run.length > 0) runs.push(run);
      run = [];
    }
    if (point.score !== null) run.push(point);
  }
  if (run.length > 0) runs.push(run);
  return runs;
}

function lineOf(run) {
  const [first, ...rest] = run.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`);
  return rest.length === 0 ? `M${first}h0.01` : `M${first}L${rest.join(" ")}`;
}

function areaOf(run) {
  const path = run.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join(" ");
  return `M${run[0][0].toFixed(2)} 100L${path} ${run.at(-1)[0].toFixed(2)} 100Z`;
}
