// The left column: the city's composite as one large figure, and a channel per domain with its indicators.

import { band } from "./bands.js";
import { el, mirror, setAttribute, setShown, setText } from "./dom.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";
import { Series } from "./series.js";
import { Sparkline } from "./sparkline.js";
import { SENSING } from "./state.js";
import { CalmOrder } from "./tiles.js";
import { countsIn, sharesOf } from "./why.js";

const SENSING_FACTS = 3;

/** The live series of the city's composite and domains, one per index, fed by history and by each tick. */
export class CitySeries {
  constructor() {
    this.byIndex = new Map();
  }

  of(id) {
    if (!this.byIndex.has(id)) this.byIndex.set(id, new Series());
    return this.byIndex.get(id);
  }

  /** Note the city's scores at the newest tick; what is delivered no more is forgotten. */
  record(city) {
    const ids = ["composite", ...city.domainIds()];
    for (const id of this.byIndex.keys()) if (!ids.includes(id)) this.byIndex.delete(id);
    for (const id of ids) {
      const score = city.index(city.code, id)?.score;
      if (city.at !== null && score !== undefined) this.of(id).push(city.at, score);
    }
  }
}

/** What composite and domains have in common: a score with its state, trend, coverage, age and trace. */
class IndexFigure {
  constructor(id, { large }) {
    this.id = id;
    this.name = el("h2", { class: "figure-name" });
    this.state = el("span", { class: "state" });
    this.whole = el("span", { class: "figure-whole" });
    this.decimals = el("span", { class: "figure-decimals" });
    this.score = el("p", { class: "figure-score" }, this.whole, this.decimals);
    this.trend = el("span", { class: "trend" });
    this.coverage = el("span", { class: "fact" });
    this.age = el("span", { class: "fact" });
    this.facts = el("p", { class: "facts" }, this.trend, this.coverage, this.age);
    this.spark = new Sparkline({ withScale: large });
  }

  update(page) {
    const { language } = page;
    const value = shown(page.city.index(page.city.code, this.id), page.now, page.pulse);
    const series = page.series.of(this.id);
    setText(this.name, page.indexName(this.id));
    const [whole, decimals] = splitScore(format.score(language, value.score));
    setText(this.whole, whole);
    setText(this.decimals, decimals);
    const words = value.score === null ? language.reason(value.reason) : language.text(`band-${band(value.score)}`);
    setText(this.state, words);
    setAttribute(this.node, "data-band", band(value.score));
    setText(this.trend, trendText(page, value, series));
    setText(this.coverage, `${language.text("coverage")} ${format.share(language, value.coverage)}`);
    setText(this.age, `${language.text("age")} ${format.age(language, value.age)}`);
    this.spark.update(series, page.now, value.score !== null);
  }
}

function splitScore(text) {
  const point = text.search(/[.,]\d$/);
  return point < 0 ? [text, ""] : [text.slice(0, point), text.slice(point)];
}

function trendText(page, value, series) {
  if (value.score === null) return "";
  const trend = series.trend();
  if (trend === null) return page.language.text("no-trend");
  return `${format.change(page.language, trend.change)} / ${page.language.text("minutes", { n: trend.minutes })}`;
}

/** The large figure. */
export class CompositeFigure extends IndexFigure {
  constructor(container) {
    super("composite", { large: true });
    this.node = container;
    this.span = [el("span"), el("span")];
    container.append(
      el("header", { class: "figure-head" }, this.name, this.state),
      el("div", { class: "figure-body" }, this.score, this.facts),
      this.spark.node,
      el("p", { class: "span" }, ...this.span),
    );
  }

  update(page) {
    super.update(page);
    setText(this.span[0], page.language.text("last-hour"));
    setText(this.span[1], page.language.text("now"));
  }
}

/** One domain: its figure, its trace and a row for each of the indicators that cost it most. */
class DomainChannel extends IndexFigure {
  constructor(id, onIndex) {
    super(id, { large: false });
    this.rows = el("div", { class: "indicators", role: "list" });
    this.more = el("button", { type: "button", class: "more" });
    this.more.addEventListener("click", () => onIndex(id));
    this.onIndex = onIndex;
    this.order = new CalmOrder();
    this.node = el("article", { class: "channel" },
      el("header", { class: "figure-head" }, this.name, this.trend),
      el("div", { class: "figure-value" }, this.score, this.state), this.spark.node, this.facts,
      this.more, this.rows);
  }

  update(page, most) {
    super.update(page);
    const domain = page.city.index(page.city.code, this.id);
    const entries = this.order.apply(page.pulse, page.now, costliestFirst(domain));
    const listed = entries.slice(0, most);
    mirror(this.rows, listed, ({ id }) => id, () => new IndicatorRow(this.onIndex), (row, { id, value }) => {
      row.update(page, id, value, countsIn(domain, id));
    });
    setShown(this.more, listed.length < entries.length);
    setText(this.more, page.language.text("more", { n: entries.length - listed.length }));
  }
}

/** A domain's indicators as {id, value}: first what costs it most points, then what has no score, then what does not apply. */
export function costliestFirst(domain) {
  const shares = sharesOf(domain);
  const cost = ({ id, value }) => {
    if (value.score !== null) return (shares.get(id) ?? 0) * (100 - value.score);
    if (["no_devices", "not_applicable"].includes(value.reason)) return -2;
    return value.value === null ? -0.5 : -1;
  };
  return Object.entries(domain?.indicators ?? {})
    .map(([id, value], place) => ({ id, value, place }))
    .sort((one, other) => cost(other) - cost(one) || one.place - other.place);
}

/**
 * An indicator in one line: name, measured value, score as bar and number, coverage; its name chooses it. A score that has no say
 * in that of its domain is dimmed and says so.
 */
export class IndicatorRow {
  constructor(onIndex) {
    this.id = null;
    this.name = el("button", { class: "indicator-name", type: "button" });
    this.name.addEventListener("click", () => onIndex(this.id));
    this.number = el("b", { class: "indicator-number" });
    this.unit = el("span", { class: "indicator-unit" });
    this.fill = el("i", { class: "bar-fill" });
    this.bar = el("span", { class: "bar", "aria-hidden": "true" }, this.fill);
    this.score = el("span", { class: "indicator-score" });
    this.coverage = el("span", { class: "indicator-coverage" });
    this.reason = el("span", { class: "indicator-reason" });
    this.measured = el("span", { class: "indicator-value" }, this.number, this.unit);
    this.node = el("div", { class: "indicator", role: "listitem" },
      this.name, this.measured, this.bar, this.score, this.coverage, this.reason);
  }

  update(page, id, delivered, counts) {
    const { language } = page;
    const value = shown(delivered, page.now, page.pulse);
    const name = language.name(delivered.name, id);
    const apart = counts || value.score === null ? null : language.text("uncounted");
    const [number, unit] = format.measure(language, value.value, delivered.unit);
    this.id = id;
    setText(this.name, name);
    setAttribute(this.name, "title", name);
    setAttribute(this.name, "aria-current", page.index === id);
    setText(this.number, number);
    setText(this.unit, unit);
    setText(this.score, value.score === null ? "" : format.score(language, value.score, 0));
    const spoken = `${language.text("score")} ${format.score(language, value.score, 0)}`;
    setAttribute(this.score, "aria-label", apart === null ? spoken : `${spoken}, ${apart}`);
    setAttribute(this.node, "data-uncounted", apart !== null);
    setAttribute(this.node, "title", apart);
    setText(this.coverage, format.share(language, value.coverage));
    setAttribute(this.coverage, "aria-label", `${language.text("coverage")} ${format.share(language, value.coverage)}`);
    setText(this.reason, value.reason === null ? "" : language.reason(value.reason));
    setShown(this.reason, value.reason !== null);
    setShown(this.bar, value.score !== null);
    setShown(this.measured, value.reason === null);
    setAttribute(this.node, "data-band", band(value.score));
    this.fill.style.transform = `scaleX(${(value.score ?? 0) / 100})`;
  }
}

/** Every domain the city delivers, whatever their number; the system's own health apart, in one line. */
export class DomainChannels {
  constructor(container, onIndex) {
    this.container = container;
    this.onIndex = onIndex;
  }

  update(page) {
    const ids = page.city.domainIds();
    const most = rowsFor(ids.filter((id) => id !== SENSING).length);
    const create = (id) => (id === SENSING ? new SensingLine(this.onIndex) : new DomainChannel(id, this.onIndex));
    mirror(this.container, ids, (id) => id, create, (channel) => channel.update(page, most));
  }
}

/** Rows a domain may have for all of them to fit on a wall. */
function rowsFor(domains) {
  return domains <= 4 ? 4 : domains === 5 ? 3 : 2;
}

/** How well the system itself sees: its index and the measures that are lowest. */
class SensingLine {
  constructor(onIndex) {
    this.name = el("button", { class: "sensing-name", type: "button" });
    this.name.addEventListener("click", () => onIndex(SENSING));
    this.state = el("span", { class: "state" });
    this.score = el("b", { class: "sensing-score" });
    this.note = el("span", { class: "sensing-note" });
    this.rows = el("p", { class: "sensing-facts" });
    this.node = el("article", { class: "channel sensing" },
      el("header", { class: "sensing-head" }, this.name, this.note, this.state, this.score), this.rows);
  }

  update(page) {
    const { language, city } = page;
    const domain = city.index(city.code, SENSING);
    const value = shown(domain, page.now, page.pulse);
    setText(this.name, page.indexName(SENSING));
    setText(this.note, language.text("own-health"));
    setText(this.score, format.score(language, value.score));
    setText(this.state, value.score === null ? language.reason(value.reason) : language.text(`band-${band(value.score)}`));
    setAttribute(this.node, "data-band", band(value.score));
    const lowest = costliestFirst(domain).slice(0, SENSING_FACTS);
    mirror(this.rows, lowest, ({ id }) => id, () => new SensingFact(), (part, item) => part.update(page, item));
  }
}

class SensingFact {
  constructor() {
    this.name = el("span");
    this.value = el("b");
    this.node = el("span", { class: "sensing-fact" }, this.name, " ", this.value);
  }

  update(page, { id, value: delivered }) {
    const { language } = page;
    const value = shown(delivered, page.now, page.pulse);
    setText(this.name, language.name(delivered.name, id));
    setText(this.value, format.measure(language, value.value, delivered.unit).join(" ").trim());
    setAttribute(this.node, "data-band", band(value.score));
  }
}
