// Numbers, ages and units as text. Missing values are an em dash, never a zero.

export const DASH = "—";

const AGE_UNITS = {
  zh: { second: "秒", minute: "分钟", hour: "小时", day: "天" },
  en: { second: "s", minute: "min", hour: "h", day: "d" },
};
const formats = new Map();

function number(language, value, digits) {
  const key = `${language.locale} ${digits}`;
  if (!formats.has(key)) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    formats.set(key, new Intl.NumberFormat(language.locale, options));
  }
  return formats.get(key).format(value);
}

/** A score 0–100 with a fixed number of decimals. */
export function score(language, value, digits = 1) {
  return value === null || value === undefined ? DASH : number(language, value, digits);
}

/** A whole count with thousands separated. */
export function count(language, value) {
  return value === null || value === undefined ? DASH : number(language, value, 0);
}

/** A rate: one decimal below ten, whole above. */
export function rate(language, value) {
  return value === null || value === undefined ? DASH : number(language, value, value < 10 ? 1 : 0);
}

/** Devices reporting of those expected; how many report is unknown while the pipeline is silent. */
export function devices(language, counts, pulse) {
  if (counts === null) return DASH;
  const reporting = pulse === "silent" ? DASH : count(language, counts.reporting);
  return `${reporting} / ${count(language, counts.expected)}`;
}

/** A share 0–1 as a percentage. */
export function share(language, value) {
  return value === null || value === undefined ? DASH : `${number(language, value * 100, 0)}%`;
}

/** A measured value as [number, unit]: a plain ratio becomes a percentage, other units stay as delivered. */
export function measure(language, value, unit) {
  if (value === null || value === undefined) return [DASH, ""];
  const ratio = unit === "1" || unit === "ratio";
  const magnitude = Math.abs(ratio ? value * 100 : value);
  const digits = magnitude >= 100 ? 0 : magnitude >= 10 || ratio ? 1 : 2;
  return ratio ? [number(language, value * 100, digits), "%"] : [number(language, value, digits), language.unit(unit ?? "")];
}

/** A change with its sign and a direction mark. */
export function change(language, value) {
  const rounded = Math.round(value * 10) / 10;
  const mark = rounded > 0 ? "▲" : rounded < 0 ? "▼" : "■";
  return `${mark} ${number(language, Math.abs(rounded), 1)}`;
}

/** An age in seconds in the largest unit that keeps it readable. */
export function age(language, seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  const units = AGE_UNITS[language.id];
  const steps = [
    [120, 1, units.second],
    [7200, 60, units.minute],
    [172800, 3600, units.hour],
    [Infinity, 86400, units.day],
  ];
  const [, size, unit] = steps.find(([limit]) => seconds < limit);
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** The whole age in seconds, as the header counts it up. */
export function seconds(language, value) {
  return value === null ? DASH : `${number(language, Math.floor(value), 0)} ${AGE_UNITS[language.id].second}`;
}

/** Time of day without seconds in a time zone. */
export function timeOfDay(language, milliseconds, timeZone) {
  const key = `time ${language.locale} ${timeZone}`;
  if (!formats.has(key)) {
    const zone = timeZone ? { timeZone } : {};
    const time = { ...zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    formats.set(key, new Intl.DateTimeFormat(language.locale, time));
  }
  return formats.get(key).format(milliseconds);
}

/** Time of day and date in a time zone, as [time, date]. */
export function timeAndDate(language, milliseconds, timeZone) {
  const zone = timeZone ? { timeZone } : {};
  const key = `clock ${language.locale} ${timeZone}`;
  if (!formats.has(key)) {
    const time = { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    const date = { ...zone, year: "numeric", month: "short", day: "numeric", weekday: "short" };
    formats.set(key, [
      new Intl.DateTimeFormat(language.locale, time),
      new Intl.DateTimeFormat(language.locale, date),
    ]);
  }
  return formats.get(key).map((format) => format.format(milliseconds));
}
