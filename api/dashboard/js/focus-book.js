// What is read of the chosen area and index beside the live stream: its recent past, its forecast, and why it changed.

export const PAST_MS = 6 * 3600_000;
const NOTHING = { history: [], forecast: [], why: null };

/** Holds one area and index at a time; what belongs to another is dropped, so it never grows. */
export class FocusBook {
  constructor(api) {
    this.api = api;
    this.asked = "";
    this.read = NOTHING;
    this.version = 0;
  }

  /** Read anew for an area and index; each part that cannot be had is left empty. */
  async turnTo(area, index) {
    const asked = `${area} ${index}`;
    if (asked !== this.asked) this.keep(asked, NOTHING);
    const [history] = (await Promise.allSettled([this.api.trace(area, index, PAST_MS)])).map((answer) => answer.value ?? null);
    if (asked !== this.asked) return; // another was chosen meanwhile
    this.keep(asked, { ...NOTHING, history: history ?? this.read.history });
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
