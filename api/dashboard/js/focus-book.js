// What is read of the chosen area and index beside the live stream: its recent past, its forecast, why it changed, and the
// routes behind it.

import { costliest, hasRoutes } from "./routes.js";

export const PAST_MS = 6 * 3600_000;
const CHANGE_MS = 3600_000;
const SHORTEST_CHANGE_MS = 5 * 60_000;
const FORECAST_EVERY_MS = 10 * 60_000;
const NOTHING = { answered: null, history: [], forecast: [], why: null, routes: [] };

/** Holds one area and index at a time; what belongs to another is dropped, so it never grows. */
export class FocusBook {
  constructor(api) {
    this.api = api;
    this.asked = "";
    this.read = NOTHING;
    this.version = 0;
    this.foretoldAt = -Infinity;
  }

  /** Read anew for an area and index; each part that cannot be had is left empty. */
  async turnTo(area, index) {
    const asked = `${area} ${index}`;
    if (asked !== this.asked) {
      this.keep(asked, NOTHING);
      this.foretoldAt = -Infinity;
    }
    const due = performance.now() - this.foretoldAt > FORECAST_EVERY_MS;
    const [history, forecast, routes] = await Promise.all([
      orNull(this.api.trace(area, index, PAST_MS)),
      due ? orNull(this.api.forecast(area, index)) : this.read.forecast,
      hasRoutes(index) ? orNull(this.api.routes(area, index)) : null,
    ]);
    const since = startOfChange(history ?? []);
    const why = since === null ? null : await orNull(this.api.why(area, index, since));
    if (asked !== this.asked) return; // another was chosen meanwhile
    if (due && forecast !== null) this.foretoldAt = performance.now();
    this.keep(asked, {
      answered: history !== null,
      history: history ?? this.read.history,
      forecast: forecast ?? [],
      why,
      routes: costliest(routes ?? [], index),
    });
  }

  keep(asked, read) {
    this.asked = asked;
    this.read = read;
    this.version += 1;
  }

  /** What was read of an area and index; nothing while it is being read. */
  of(area, index) {
    return this.asked === `${area} ${index}` ? this.read : NOTHING;
  }
}

async function orNull(answer) {
  try {
    return await answer;
  } catch {
    return null;
  }
}

/** The recorded minute an hour before the newest, or the first since then; null where too little is recorded. */
function startOfChange(history) {
  const newest = history.at(-1)?.at;
  const first = history.find((point) => point.at >= newest - CHANGE_MS && point.score !== null);
  return first && newest - first.at >= SHORTEST_CHANGE_MS ? first.at : null;
}
