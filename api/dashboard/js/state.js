// What the page knows: the city's areas, and the newest vital signs of each, merged from live events.

/** The domain that tells of the system itself, not of the city. */
export const SENSING = "sensing";

/** Areas by code with their children, and one vitals document per area. Bounded by the number of areas. */
export class City {
  constructor() {
    this.areas = new Map();
    this.vitals = new Map();
    /** What the system says of its own troubles, worst first. */
    this.alarms = [];
    this.code = null;
    this.at = null;
    this.tick = null;
    this.offset = "+00:00";
    this.methodVersion = null;
  }

  /** Take the hierarchy from the rows of `/v1/areas`. */
  setAreas(rows) {
    this.areas = new Map(rows.map((row) => [row.code, { ...row, children: [] }]));
    for (const area of this.areas.values()) {
      if (area.level === "city") this.code = area.code;
      this.areas.get(area.parent)?.children.push(area);
    }
  }

  /** Ancestors of an area from the city down to itself. */
  path(code) {
    const path = [];
    for (let area = this.areas.get(code); area; area = this.areas.get(area.parent)) path.unshift(area);
    return path;
  }

  /** The first event of a connection: everything that is known now. */
  takeSnapshot(event) {
    this.vitals = new Map();
    this.merge(event);
  }

  /**
   * A later event: the parts that changed, by area. `at` stays the time of the newest tick: an event that
   * repeats a tick's number says what became of its values since, not that new ones came.
   */
  merge(event) {
    const eventAt = instant(event.at);
    const isNews = event.tick !== this.tick || this.at === null;
    if (isNews) this.at = eventAt;
    this.tick = event.tick;
    this.alarms = event.alarms ?? this.alarms;
    this.offset = /[+-]\d\d:\d\d$/.exec(event.at)?.[0] ?? this.offset;
    for (const [code, changes] of Object.entries(event.areas ?? {})) {
      const whole = "level" in changes; // then nothing of before holds any more
      const known = (whole ? null : this.vitals.get(code)) ?? { composite: {}, domains: {} };
      mergeVitals(known, changes, instant(changes.at) ?? eventAt);
      this.vitals.set(code, known);
      this.methodVersion = changes.methodVersion ?? this.methodVersion;
    }
    if (isNews && this.isSilent()) this.at = eventAt - 1000 * this.newestReadingAge();
  }

  /** Vital signs that were asked for, not streamed: they tell nothing of the flow of ticks. */
  note({ at, areas }) {
    for (const [code, changes] of Object.entries(areas)) {
      const known = this.vitals.get(code) ?? { composite: {}, domains: {} };
      mergeVitals(known, changes, instant(at));
      this.vitals.set(code, known);
    }
  }

  /**
   * Seconds from the newest reading behind the city's indicators to the event that told of them. Of a silence
   * that began before this page was opened, the newest reading tells best how long it lasts.
   */
  newestReadingAge() {
    const domains = Object.values(this.vitals.get(this.code)?.domains ?? {});
    const values = domains.flatMap((domain) => Object.values(domain.indicators));
    const ages = values.map((value) => value.freshness).filter((age) => typeof age === "number");
    return ages.length > 0 ? Math.min(...ages) : 0;
  }

  /** Seconds since the newest reading behind the city's indicators was observed; null while none is known. */
  readingAge(now) {
    const domains = Object.values(this.vitals.get(this.code)?.domains ?? {});
    const values = domains.flatMap((domain) => Object.values(domain.indicators ?? {}));
    const ages = values
      .filter((value) => typeof value.freshness === "number")
      .map((value) => value.freshness + Math.max(0, now - (value.carriedAt ?? now)) / 1000);
    return ages.length > 0 ? Math.min(...ages) : null;
  }

  /** Whether the server itself says that its pipeline publishes nothing. */
  isSilent() {
    return this.vitals.get(this.code)?.composite.reason === "pipeline_silent";
  }

  /** VALUE of an index of an area: `composite`, a domain's or an indicator's id; undefined while nothing is known. */
  index(code, id) {
    const vitals = this.vitals.get(code);
    if (id === "composite") return vitals?.composite;
    return vitals?.domains[id] ?? vitals?.domains[domainOf(id)]?.indicators?.[id];
  }

  /** Devices of all kinds of an area, {reporting, expected}, or null while nothing is known. */
  devices(code) {
    const byKind = Object.values(this.vitals.get(code)?.devices ?? {});
    if (byKind.length === 0) return null;
    const total = (name) => byKind.reduce((sum, counts) => sum + counts[name], 0);
    return { reporting: total("reporting"), expected: total("expected") };
  }

  /** Ids of the domains the city delivers, in its order, the system's own health last. */
  domainIds() {
    const ids = Object.keys(this.vitals.get(this.code)?.domains ?? {});
    return [...ids.filter((id) => id !== SENSING), ...ids.filter((id) => id === SENSING)];
  }

  /** Whether an id is that of an index somewhere in the city's own vital signs. */
  knows(id) {
    return this.index(this.code, id) !== undefined;
  }
}

/** The domain an indicator belongs to: its id begins with it. */
export function domainOf(id) {
  return id.split(".", 1)[0];
}

function instant(text) {
  const at = Date.parse(text ?? "");
  return Number.isNaN(at) ? null : at;
}

function mergeVitals(known, changes, at) {
  for (const [name, change] of Object.entries(changes)) {
    if (name === "composite") mergeValue(known.composite, change, at);
    else if (name === "domains") mergeDomains(known.domains, change, at);
    else known[name] = change;
  }
}

function mergeDomains(known, changes, at) {
  for (const [id, change] of Object.entries(changes)) {
    if (change === null) {
      delete known[id];
      continue;
    }
    const domain = (known[id] ??= { indicators: {} });
    const { indicators = {}, ...index } = change;
    mergeValue(domain, index, at);
    for (const [indicator, value] of Object.entries(indicators)) {
      if (value === null) delete domain.indicators[indicator];
      else mergeValue((domain.indicators[indicator] ??= {}), value, at);
    }
  }
}

/** A VALUE's freshness counts from the event that carried it, so the moment is kept beside it. */
function mergeValue(known, change, at) {
  Object.assign(known, change);
  if ("freshness" in change || "score" in change) known.carriedAt = at;
}
