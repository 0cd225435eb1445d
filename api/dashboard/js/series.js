// The last hour of one score: a list that drops what is older and never grows beyond its capacity.

export const SPAN_MS = 3600_000;
const SPACING_MS = 15_000;
const CAPACITY = 2 + SPAN_MS / SPACING_MS + 60;
const TREND_MS = 15 * 60_000;
const SHORTEST_TREND_MS = 3 * 60_000;

/** Points {at: ms, score: number | null}, oldest first. */
export class Series {
  constructor() {
    this.points = [];
    this.version = 0;
  }

  /** Put the recorded hour before what has been seen live since. */
  load(recorded) {
    const last = recorded.at(-1)?.at ?? -Infinity;
    this.points = [...recorded, ...this.points.filter((point) => point.at > last)];
    this.trim();
  }

  /** Take a live score; within 15 s of the point before the last it replaces the last one. */
  push(at, score) {
    const { points } = this;
    const last = points.at(-1);
    if (last && at <= last.at) return;
    const previous = points.at(-2);
    const sameSort = last && previous && (last.score === null) === (score === null);
    if (sameSort && at - previous.at < SPACING_MS) points[points.length - 1] = { at, score };
    else points.push({ at, score });
    this.trim();
  }

  trim() {
    const newest = this.points.at(-1)?.at ?? 0;
    const first = this.points.findIndex((point) => point.at >= newest - SPAN_MS);
    this.points.splice(0, Math.max(0, first, this.points.length - CAPACITY));
    this.version += 1;
  }

  /**
   * Change of the score {change, minutes} over the last 15 minutes, or over what is known of them if that is
   * at least 3 minutes; null otherwise, or when there is no score now.
   */
  trend() {
    const last = this.points.at(-1);
    if (!last || last.score === null) return null;
    const first = this.points.find((point) => point.score !== null && point.at >= last.at - TREND_MS);
    const span = last.at - first.at;
    if (span < SHORTEST_TREND_MS) return null;
    return { change: last.score - first.score, minutes: Math.round(span / 60_000) };
  }
}
