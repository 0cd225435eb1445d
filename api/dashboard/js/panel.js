// The right column: the chosen area with its path, and its districts, its streets, or its indicators and why.

import { band } from "./bands.js";
import { Detail } from "./detail.js";
import { el, mirror, setAttribute, setShown, setText } from "./dom.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";
import { Focus } from "./focus.js";
import { CalmOrder, Tiles, entriesOf, shortened } from "./tiles.js";

const ATTENTION = 6;
const FINE_FROM = 70;
const SORTS = ["score", "coverage", "age", "code"];

export class Panel {
  constructor(root, { onChoose, onSort, onIndex }) {
    const find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.root = root;
    this.shown = null;
    this.sorted = null;
    this.focusWanted = false;
    this.onChoose = (code) => {
      this.focusWanted = true;
      onChoose(code);
    };
    this.order = new CalmOrder();
    this.crumbs = find("crumbs");
    this.head = new AreaHead(find("head"));
    this.focus = new Focus(find("focus"), { onIndex, onChoose: this.onChoose });
    this.subtitle = find("subtitle");
    this.sortRow = find("sort-row");
    this.sort = find("sort");
    this.tiles = new Tiles(find("tiles"), this.onChoose);
    this.attention = new Attention(find("attention"), this.onChoose);
    this.detail = new Detail(find("detail"), onIndex);
    this.parts = { head: find("head"), tiles: find("tiles"), attention: find("attention"), detail: find("detail") };
    this.options = SORTS.map((id) => el("option", { value: id }));
    this.sort.append(...this.options);
    this.sort.addEventListener("change", () => onSort(this.sort.value));
  }

  update(page) {
    const area = page.city.areas.get(page.selected);
    if (!area) return;
    const { language } = page;
    this.updateCrumbs(page);
    setShown(this.parts.head, area.level !== "city");
    if (area.level !== "city") this.head.update(page, area);
    const children = area.children;
    setText(this.subtitle, language.text(area.level === "city" ? "city-areas" : "district-areas"));
    setShown(this.sortRow, children.length > 0);
    setShown(this.parts.tiles, children.length > 0);
    this.focus.update(page);
    const attentive = area.level === "city";
    setShown(this.parts.attention, attentive);
    setShown(this.parts.detail, area.level !== "city");
    this.options.forEach((option, place) => setText(option, language.text(`sort-${SORTS[place]}`)));
    this.showSort(page.sort);
    this.tiles.update(page, this.order.apply(askedFor(page), page.now, entriesOf(page, children, page.sort)));
    if (attentive) this.attention.update(page);
    if (area.level !== "city") this.detail.update(page, area.code);
    this.turnTo(area.code);
  }

  /** Touched when the order is another, not with every tick: a list that is open keeps the place of its reader. */
  showSort(order) {
    if (this.sorted === order) return;
    this.sorted = order;
    this.sort.value = order;
  }

  /** After another area was chosen: bring it into view, and keep the keyboard's place if it was chosen here. */
  turnTo(code) {
    if (this.shown === code) return;
    const first = this.shown === null;
    this.shown = code;
    this.root.scrollTop = 0;
    if (first) return;
    const { top, height } = this.root.getBoundingClientRect();
    if (top < 0 || top + Math.min(height, 200) > innerHeight) this.root.scrollIntoView();
    if (this.focusWanted) this.crumbs.lastElementChild.firstElementChild.focus({ preventScroll: true });
    this.focusWanted = false;
  }

  updateCrumbs(page) {
    const path = page.city.path(page.selected);
    mirror(this.crumbs, path, (area) => area.code, (area) => this.createCrumb(area), (part, area) => {
      setText(part.button, page.language.name(area.name, area.code));
      setAttribute(part.button, "aria-current", area.code === page.selected ? "location" : null);
    });
  }

  createCrumb(area) {
    const button = el("button", { type: "button" });
    button.addEventListener("click", () => this.onChoose(area.code));
    return { node: el("li", {}, button), button };
  }
}

/** What the order of areas depends on beside their values. What is chosen and chosen back between two frames counts. */
function askedFor(page) {
  return [page.choices, page.pulse, page.city.vitals.size].join(" ");
}

/** The chosen area: its name, its composite and a chip per domain. */
class AreaHead {
  constructor(container) {
    this.name = el("h2", { class: "head-name" });
    this.code = el("span", { class: "head-code" });
    this.score = el("b", { class: "head-score" });
    this.state = el("span", { class: "state" });
    this.facts = el("p", { class: "facts" });
    this.chips = el("div", { class: "chips", role: "list" });
    this.node = container;
    const title = el("div", { class: "head-title" }, this.name, this.code);
    const figure = el("div", { class: "head-figure" }, this.score, this.state);
    container.append(title, figure, this.facts, this.chips);
  }

  update(page, area) {
    const { language } = page;
    const value = shown(page.city.index(area.code, "composite"), page.now, page.pulse);
    setText(this.name, language.name(area.name, area.code));
    setText(this.code, area.code);
    setText(this.score, format.score(language, value.score));
    setText(this.state, value.score === null ? language.reason(value.reason) : language.text(`band-${band(value.score)}`));
    setAttribute(this.node, "data-band", band(value.score));
    const facts = [
      `${language.text("devices")} ${format.devices(language, page.city.devices(area.code), page.pulse)}`,
      `${language.text("coverage")} ${format.share(language, value.coverage)}`,
      `${language.text("age")} ${format.age(language, value.age)}`,
    ];
    setText(this.facts, facts.join("  /  "));
    const domains = Object.keys(page.city.vitals.get(area.code)?.domains ?? {});
    mirror(this.chips, domains, (id) => id, createChip, (chip, id) => {
      const index = shown(page.city.index(area.code, id), page.now, page.pulse);
      setText(chip.name, page.indexName(id));
      setText(chip.score, format.score(language, index.score, 0));
      setAttribute(chip.node, "title", index.reason === null ? null : language.reason(index.reason));
      setAttribute(chip.node, "data-band", band(index.score));
    });
  }
}

function createChip() {
  const name = el("span", { class: "chip-name" });
  const score = el("b", { class: "chip-score" });
  return { node: el("span", { class: "chip", role: "listitem" }, name, score), name, score };
}

/** The streets of the whole city with the lowest scores, and how many have none. */
class Attention {
  constructor(container, onChoose) {
    this.title = el("h3", { class: "subtitle" });
    this.missing = el("p", { class: "attention-missing" });
    this.list = el("ol", { class: "attention-list" });
    this.onChoose = onChoose;
    this.order = new CalmOrder();
    container.append(el("header", { class: "attention-head" }, this.title, this.missing), this.list);
  }

  update(page) {
    const { language, city } = page;
    const streets = [...city.areas.values()].filter((area) => area.level === "street");
    const entries = entriesOf(page, streets, "score");
    const known = entries.filter((entry) => entry.value.score !== null);
    const low = this.order.apply(askedFor(page), page.now, known);
    const worst = low.filter((entry) => entry.value.score < FINE_FROM).slice(0, ATTENTION);
    const missing = entries.filter(({ value }) => value.score === null && value.reason !== "unknown").length;
    setText(this.title, language.text("attention"));
    const words = [];
    if (worst.length === 0 && known.length > 0) words.push(language.text("attention-none"));
    if (missing > 0) words.push(language.text("without-value", { n: missing }));
    setText(this.missing, words.join("  /  "));
    mirror(this.list, worst, (entry) => entry.area.code, (entry) => this.create(entry), (part, entry) => {
      const { area, value } = entry;
      setText(part.name, language.name(area.name, area.code));
      setText(part.district, shortened(language.name(city.areas.get(area.parent)?.name)));
      setText(part.score, format.score(language, value.score));
      setText(part.state, language.text(`band-${band(value.score)}`));
      setAttribute(part.node, "data-band", band(value.score));
    });
  }

  create({ area }) {
    const part = {
      name: el("span", { class: "attention-name" }),
      district: el("span", { class: "attention-district" }),
      state: el("span", { class: "state" }),
      score: el("b", { class: "attention-score" }),
    };
    const button = el("button", { type: "button" }, part.name, part.district, part.state, part.score);
    button.addEventListener("click", () => this.onChoose(area.code));
    part.node = el("li", {}, button);
    return part;
  }
}
