// Areas as a grid of tiles coloured by the chosen index, sortable, each one a button that opens the area.

import { band } from "./bands.js";
import { el, mirror, setAttribute, setText } from "./dom.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";

const LAST = Number.POSITIVE_INFINITY;
const CALM_MS = 15_000;

/** How tiles are put in order; areas without the figure come first where that is the concern, else last. */
const ORDERS = {
  score: (entry) => entry.value.score ?? LAST,
  coverage: (entry) => entry.value.coverage ?? -1,
  age: (entry) => -(entry.value.age ?? LAST),
  code: () => 0,
};

/** The areas with what may be shown of the chosen index, in the chosen order. */
export function entriesOf(page, areas, order) {
  const key = ORDERS[order] ?? ORDERS.code;
  return areas
    .map((area) => ({ area, value: shown(page.city.index(area.code, page.index), page.now, page.pulse) }))
    .map((entry) => ({ ...entry, key: key(entry) }))
    .sort((one, other) => compare(one.key, other.key) || compare(one.area.code, other.area.code));
}

/**
 * Keeps an order for a while, so that tiles do not change places with every tick: entries come in the order
 * of the last sorting until 15 s have passed or something else is asked for.
 */
export class CalmOrder {
  constructor() {
    this.asked = null;
    this.sortedAt = -Infinity;
    this.keys = [];
  }

  /** `asked` names what is wanted; `sorted` are the entries as they would be ordered now. */
  apply(asked, now, sorted) {
    const byKey = new Map(sorted.map((entry) => [entry.id ?? entry.area.code, entry]));
    const news = sorted.length !== this.keys.length || this.keys.some((key) => !byKey.has(key));
    if (news || asked !== this.asked || now - this.sortedAt > CALM_MS) {
      this.asked = asked;
      this.sortedAt = now;
      this.keys = [...byKey.keys()];
    }
    return this.keys.map((key) => byKey.get(key));
  }
}

function compare(one, other) {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

export class Tiles {
  constructor(container, onChoose) {
    this.container = container;
    this.onChoose = onChoose;
  }

  update(page, entries) {
    mirror(this.container, entries, (entry) => entry.area.code, (entry) => this.create(entry), (tile, entry) => {
      updateTile(page, tile, entry);
    });
  }

  create({ area }) {
    const part = {
      name: el("span", { class: "tile-name" }),
      score: el("span", { class: "tile-score" }),
      state: el("span", { class: "tile-state" }),
      facts: el("span", { class: "tile-facts" }),
    };
    part.node = el("button", { class: "tile", type: "button" }, part.name, part.score, part.state, part.facts);
    part.node.dataset.area = area.code;
    part.node.addEventListener("click", () => this.onChoose(area.code));
    return part;
  }
}

function updateTile(page, tile, { area, value }) {
  const { language } = page;
  const name = language.name(area.name, area.code);
  const score = format.score(language, value.score, 0);
  const state = value.score === null ? language.reason(value.reason) : language.text(`band-${band(value.score)}`);
  const facts = [format.share(language, value.coverage), format.age(language, value.age)];
  setText(tile.name, shortened(name));
  setAttribute(tile.name, "title", name);
  setText(tile.score, score);
  setText(tile.state, state);
  setText(tile.facts, facts.join("  "));
  setAttribute(tile.node, "data-band", band(value.score));
  setAttribute(
    tile.node,
    "aria-label",
    `${name}, ${page.indexName(page.index)} ${score}, ${state}, ` +
      `${language.text("coverage")} ${facts[0]}, ${language.text("age")} ${facts[1]}`,
  );
}

/** English names of streets without the word that they all share. */
export function shortened(name) {
  return name.replace(/ (Subdistrict|Town|Township|New Area)$/, "");
}
