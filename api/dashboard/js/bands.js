// Five bands that put a score into words and a colour. Display only: the method knows scores, not bands.

export const BANDS = [
  { id: "healthy", from: 85 },
  { id: "good", from: 70 },
  { id: "fair", from: 55 },
  { id: "strained", from: 40 },
  { id: "critical", from: 0 },
];

/** Id of the band of a score 0–100; "none" where there is no score. */
export function band(score) {
  if (score === null || score === undefined) return "none";
  return BANDS.find(({ from }) => score >= from)?.id ?? "critical";
}
