// How old what we show is, and when it is too old to be shown as a value. Pure: the clock comes as an argument.

export const LATE_AFTER_S = 10;
export const SILENT_AFTER_S = 60;

/**
 * State of the flow of ticks: "waiting" before the first, "live", "late" (nothing for 10 s: the page greys out)
 * and "silent" (nothing for 60 s, or the server says so: no value is shown any more).
 */
export function pulse(now, city) {
  if (!city.tick) return "waiting";
  const age = dataAge(now, city.at);
  if (age > SILENT_AFTER_S || city.isSilent()) return "silent";
  return age > LATE_AFTER_S ? "late" : "live";
}

/** Seconds since the last tick. */
export function dataAge(now, lastTickAt) {
  return Math.max(0, (now - lastTickAt) / 1000);
}

/**
 * What may be shown of a VALUE now: its score and value, or null with the reason.
 * `age` is the age in seconds of the newest reading behind it, now.
 */
export function shown(value, now, pulseState) {
  if (value?.score === undefined) {
    return { score: null, value: null, reason: "unknown", coverage: null, age: null };
  }
  const age = typeof value.freshness === "number" ? value.freshness + dataAge(now, value.carriedAt ?? now) : null;
  const coverage = typeof value.coverage === "number" ? value.coverage : null;
  if (pulseState === "silent") return { score: null, value: null, reason: "silent", coverage, age };
  const measured = value.value ?? null;
  const missing = value.score === null && measured === null;
  return { score: value.score, value: measured, reason: missing ? (value.reason ?? "unknown") : null, coverage, age };
}
