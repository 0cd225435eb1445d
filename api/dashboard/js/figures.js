// The left column: the city's composite as one large figure, and a channel per domain with its indicators.

import { band } from "./bands.js";
import { el, mirror, setAttribute, setShown, setText } from "./dom.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";
import { Series } from "./series.js";
import { Sparkline } from "./sparkline.js";

/** The live series of the city's composite and domains, one per index, fed by history and by each tick. */
export class CitySeries {
  constructor() {
    this.byIndex = new Map();
  }

  of(id) {
    if (!this.byIndex.has(id)) this.byIndex.set(id, new Series());
    return this.byIndex.get(id);
  }

  /** Note the city's scores at the newest tick. */
  record(city) {
    for (const id of ["composite", ...city.domainIds()]) {
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

/** One domain: its figure, its trace and a row per indicator. */
class DomainChannel extends IndexFigure {
  constructor(id) {
    super(id, { large: false });
    this.rows = el("div", { class: "indicators", role: "list" });
    this.node = el("article", { class: "channel" },
      el("header", { class: "figure-head" }, this.name, this.trend),
      el("div", { class: "figure-value" }, this.score, this.state), this.spark.node, this.facts, this.rows);
  }

  update(page) {
    super.update(page);
    const indicators = Object.entries(page.city.index(page.city.code, this.id)?.indicators ?? {});
    mirror(this.rows, indicators, ([id]) => id, () => new IndicatorRow(), (row, [id, value]) => {
      row.update(page, id, value);
    });
  }
}

/** An indicator in one line: name, measured value, score as bar and number, coverage. */
export class IndicatorRow {
  constructor() {
    this.name = el("span", { class: "indicator-name" });
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

  update(page, id, delivered) {
    const { language } = page;
    const value = shown(delivered, page.now, page.pulse);
    const name = language.name(delivered.name, id);
    const [number, unit] = format.measure(language, value.value, delivered.unit);
    setText(this.name, name);
    setAttribute(this.name, "title", name);
    setText(this.number, number);
    setText(this.unit, unit);
    setText(this.score, value.score === null ? "" : format.score(language, value.score, 0));
    setAttribute(this.score, "aria-label", `${language.text("score")} ${format.score(language, value.score, 0)}`);
    setText(this.coverage, format.share(language, value.coverage));
    setAttribute(this.coverage, "aria-label", `${language.text("coverage")} ${format.share(language, value.coverage)}`);
    setText(this.reason, value.reason === null ? "" : language.reason(value.reason));
    setShown(this.reason, value.reason !== null);
    setShown(this.bar, value.score !== null);
    setAttribute(this.node, "data-band", band(value.score));
    this.fill.style.transform = `scaleX(${(value.score ?? 0) / 100})`;
  }
}

/** Every domain the city delivers, whatever their number. */
export class DomainChannels {
  constructor(container) {
    this.container = container;
  }

  update(page) {
    const ids = page.city.domainIds();
    mirror(this.container, ids, (id) => id, (id) => new DomainChannel(id), (channel) => channel.update(page));
  }
}
