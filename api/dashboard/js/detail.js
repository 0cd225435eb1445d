// One area's indices in full: every domain with its indicators, and why each score is what it is.

import { band } from "./bands.js";
import { el, mirror, setAttribute, setShown, setText } from "./dom.js";
import { IndicatorRow } from "./figures.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";
import { domainOf } from "./state.js";
import { countsIn } from "./why.js";

const MOST_DEVICES = 5;
const SHORT = 12;

/** The domains of an area, each to be opened; opened, each indicator also says why. */
export class Detail {
  constructor(container, onIndex) {
    this.container = container;
    this.onIndex = onIndex;
  }

  update(page, code) {
    const known = page.city.vitals.get(code)?.domains ?? {};
    const domains = page.city.domainIds().filter((id) => id in known);
    const indicators = domains.reduce((sum, id) => sum + Object.keys(known[id].indicators ?? {}).length, 0);
    mirror(this.container, domains, (id) => `${code} ${id}`, () => new DomainDetail(this.onIndex), (part, id) => {
      part.update(page, code, id, indicators <= SHORT);
    });
  }
}

/** A long list opens at the chosen index alone; what was opened or closed by hand stays so. */
class DomainDetail {
  constructor(onIndex) {
    this.onIndex = onIndex;
    this.byHand = null;
    this.open = false;
    this.name = el("button", { class: "detail-name", type: "button" });
    this.name.addEventListener("click", () => {
      this.byHand = !this.open;
      this.show(this.byHand);
    });
    this.state = el("span", { class: "state" });
    this.score = el("b", { class: "detail-score" });
    this.facts = el("p", { class: "facts" });
    this.indicators = el("div", { class: "detail-indicators" });
    this.node = el("article", { class: "detail" },
      el("header", { class: "detail-head" }, el("h3", {}, this.name), this.state, this.score),
      this.facts, this.indicators);
  }

  show(open) {
    this.open = open;
    setAttribute(this.name, "aria-expanded", String(open));
    setShown(this.facts, open);
    setShown(this.indicators, open);
  }

  update(page, code, id, short) {
    const { language } = page;
    this.show(this.byHand ?? (short || domainOf(page.index) === id));
    const domain = page.city.index(code, id);
    const value = shown(domain, page.now, page.pulse);
    setText(this.name, page.indexName(id));
    setText(this.score, format.score(language, value.score));
    setText(this.state, value.score === null ? language.reason(value.reason) : language.text(`band-${band(value.score)}`));
    const coverage = `${language.text("coverage")} ${format.share(language, value.coverage)}`;
    const facts = [coverage, factsOf(page, value, domain)];
    const points = pointsOf(page.city.index(code, "composite"), id);
    if (points !== null) facts.push(language.text("composite-points", { points: format.score(language, points) }));
    setText(this.facts, facts.join("  /  "));
    setAttribute(this.node, "data-band", band(value.score));
    const indicators = this.open ? Object.entries(domain?.indicators ?? {}) : [];
    mirror(this.indicators, indicators, ([key]) => key, () => new IndicatorDetail(this.onIndex), (part, [key, delivered]) => {
      part.update(page, key, delivered, shareOf(domain, key), countsIn(domain, key));
    });
  }
}

/** Points an index gives to the whole it is part of, as that says; null where it gives none. */
function pointsOf(whole, id) {
  const own = (whole?.contributions ?? []).find((item) => idOf(item) === id);
  return typeof own?.points === "number" ? own.points : null;
}

/** What an indicator gives to its domain's score: {points, weight} as a share of the weights that have a score. */
function shareOf(domain, indicator) {
  const scored = (domain.contributions ?? []).filter((item) => typeof item.points === "number");
  const own = scored.find((item) => idOf(item) === indicator);
  if (!own) return null;
  return { points: own.points, weight: own.weight / scored.reduce((sum, item) => sum + item.weight, 0) };
}

function factsOf(page, value, delivered, shareOfDomain = null, counts = true) {
  const { language } = page;
  const facts = [`${language.text("age")} ${format.age(language, value.age)}`];
  if (shareOfDomain && value.score !== null) {
    const { points, weight } = shareOfDomain;
    facts.push(`${language.text("weight")} ${format.share(language, weight)}`);
    facts.push(language.text("points", {
      points: format.score(language, points),
      most: format.score(language, weight * 100),
    }));
  }
  if (!counts && value.score !== null) facts.push(language.text("uncounted"));
  if (delivered?.state && value.score !== null) facts.push(language.text(delivered.state));
  if (delivered?.revision > 0) facts.push(language.text("revision", { n: delivered.revision }));
  return facts.join("  /  ");
}

class IndicatorDetail {
  constructor(onIndex) {
    this.row = new IndicatorRow(onIndex);
    this.facts = el("p", { class: "facts" });
    this.title = el("h4", { class: "why-title" });
    this.devices = el("ol", { class: "why" });
    this.node = el("div", { class: "detail-indicator" }, this.row.node, this.facts, this.title, this.devices);
  }

  update(page, id, delivered, shareOfDomain, counts) {
    const { language } = page;
    const value = shown(delivered, page.now, page.pulse);
    this.row.update(page, id, delivered, counts);
    setText(this.facts, factsOf(page, value, delivered, shareOfDomain, counts));
    const contributions = value.score === null ? [] : (delivered.contributions ?? []).slice(0, MOST_DEVICES);
    setText(this.title, language.text("why-devices"));
    setShown(this.title, contributions.length > 0);
    mirror(this.devices, contributions, idOf, () => new Contribution(), (part, item) => {
      part.update(page, item, delivered.unit);
    });
  }
}

/** One device that pulls a score down, with its own value. */
class Contribution {
  constructor() {
    this.name = el("span", { class: "why-name" });
    this.value = el("span", { class: "why-value" });
    this.node = el("li", {}, this.name, this.value);
  }

  update(page, item, unit) {
    const { language } = page;
    setText(this.name, language.name(item.name, idOf(item)));
    setText(this.value, typeof item.value === "number" ? format.measure(language, item.value, unit).join(" ") : "");
  }
}

function idOf(item) {
  return item.id ?? item.device ?? item.area ?? "?";
}
