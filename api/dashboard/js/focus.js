// The chosen index of the chosen area: its value, its recent past and forecast, what it is made of and why it changed.

import { band } from "./bands.js";
import { Chart } from "./chart.js";
import { el, mirror, setAttribute, setShown, setText } from "./dom.js";
import { PAST_MS } from "./focus-book.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";
import { RouteList } from "./routes.js";
import { areasOf, devicesOf, partsOf } from "./why.js";

const PARTS = 5;
const AREAS = 3;
const SHORTEST_PAST_MS = 3600_000;
const DEVICES = 3;
const CHANGES = 2;
const SMALLEST_CHANGE = 0.05;
const EMPTY = new Map([[null, "reading"], [true, "no-history"], [false, "no-answer"]]);

export class Focus {
  constructor(container, { onIndex, onChoose }) {
    this.node = container;
    this.name = el("h3", { class: "focus-name" });
    this.measured = el("span", { class: "focus-value" });
    this.score = el("b", { class: "focus-score" });
    this.state = el("span", { class: "state" });
    this.facts = el("p", { class: "facts" });
    this.chart = new Chart();
    this.why = el("p", { class: "focus-why" });
    this.title = el("h4", { class: "why-title" });
    this.parts = el("div", { class: "parts", role: "list" });
    this.devicesTitle = el("h4", { class: "why-title" });
    this.devices = el("ol", { class: "why" });
    this.routes = new RouteList();
    this.onIndex = onIndex;
    this.onChoose = onChoose;
    this.drawn = "";
    container.append(
      el("header", { class: "focus-head" }, this.name, this.measured, this.state, this.score),
      this.facts, this.chart.node, this.why, this.title, this.parts, this.devicesTitle, this.devices,
      ...this.routes.nodes);
  }

  update(page) {
    const { language } = page;
    const delivered = page.city.index(page.selected, page.index);
    const value = shown(delivered, page.now, page.pulse);
    const read = page.focus.of(page.selected, page.index);
    setText(this.name, page.indexName(page.index));
    setText(this.measured, delivered?.unit ? format.measure(language, value.value, delivered.unit).join(" ") : "");
    setText(this.score, value.score === null && value.value !== null ? "" : format.score(language, value.score));
    setText(this.state, stateText(language, value));
    setAttribute(this.node, "data-band", band(value.score));
    setText(this.facts, factsOf(page, delivered, value).join("  /  "));
    this.drawChart(page, delivered, read);
    this.updateWhy(page, delivered, value, read.why);
    this.routes.update(page, value.score === null ? [] : read.routes);
  }

  drawChart(page, delivered, read) {
    const { language } = page;
    const drawn = [page.selected, page.index, page.focus.version, language.id, Math.floor(page.now / 10_000)].join(" ");
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const measured = Boolean(delivered?.unit);
    const pick = (point) => ({ ...point, y: (measured ? point.value : point.score) ?? null });
    const first = read.history[0]?.at ?? page.now;
    const from = Math.max(page.now - PAST_MS, Math.min(first, page.now - SHORTEST_PAST_MS));
    const past = read.history.filter((point) => point.at >= from).map(pick);
    const next = read.forecast.filter((point) => point.at > page.now).map((point) => ({ ...point, y: point.y ?? null }));
    const least = measured && delivered.unit === "1" ? 0.05 : 1;
    this.chart.draw({ past, next, from, now: page.now, least }, {
      empty: language.text(EMPTY.get(read.answered)),
      level: (y) => (measured ? format.measure(language, y, delivered.unit).join(" ") : format.score(language, y, 1)),
      time: (at, place) => (place === 1 ? language.text("now") : format.timeOfDay(language, at, page.timezone)),
    });
  }

  updateWhy(page, delivered, value, why) {
    const { language } = page;
    setText(this.why, changeText(page, why));
    setShown(this.why, this.why.textContent !== "");
    const single = page.index.includes(".");
    const lost = value.score === null || value.score >= 100;
    const parts = lost ? [] : single ? areasOf(why).slice(0, AREAS) : partsOf(delivered).slice(0, PARTS);
    setText(this.title, language.text(single ? "why-areas" : "why-parts"));
    setShown(this.title, parts.length > 0);
    const choose = single ? this.onChoose : this.onIndex;
    mirror(this.parts, parts, (part) => part.id, (part) => new PartRow(part.id, choose), (row, part) => row.update(page, part));
    this.updateDevices(page, delivered, lost ? [] : pullingDown(page, delivered, why));
  }

  updateDevices(page, delivered, devices) {
    setText(this.devicesTitle, page.language.text("why-devices"));
    setShown(this.devicesTitle, devices.length > 0);
    mirror(this.devices, devices, (device) => `${device.id} ${device.indicator}`, () => new DeviceRow(), (row, device) => {
      row.update(page, device, page.city.index(page.selected, device.indicator ?? page.index)?.unit);
    });
  }
}

/** Devices with their value and, where it is known, the points they cost; of a whole city only for a single indicator. */
function pullingDown(page, delivered, why) {
  const single = page.index.includes(".");
  if (!single && page.selected === page.city.code) return [];
  if (!why?.devices) return single ? devicesOf(delivered).slice(0, DEVICES) : [];
  return why.devices.slice(0, DEVICES).map((item) => ({ ...item, id: item.device }));
}

function stateText(language, value) {
  if (value.score !== null) return language.text(`band-${band(value.score)}`);
  return value.value === null ? language.reason(value.reason) : language.text("informative");
}

function factsOf(page, delivered, value) {
  const { language } = page;
  const facts = [
    `${language.text("coverage")} ${format.share(language, value.coverage)}`,
    `${language.text("age")} ${format.age(language, value.age)}`,
  ];
  if (delivered?.state) facts.push(language.text(delivered.state));
  if (delivered?.revision > 0) facts.push(language.text("revision", { n: delivered.revision }));
  return facts;
}

/** "▼ 3.2 since 08:00: Kerb occupancy ▼ 2.1 / Xuhui ▼ 1.0": the change split by indicator, and by area below. */
function changeText(page, why) {
  const { language } = page;
  const change = why?.change;
  if (typeof change?.points !== "number") return "";
  const time = format.timeOfDay(language, Date.parse(change.since), page.timezone);
  const head = language.text("since", { change: format.change(language, change.points), time });
  const indicators = named(language, change.byIndicator, (id) => page.indexName(id), page.index);
  const areas = named(language, change.byArea, (id) => language.name(page.city.areas.get(id)?.name, id), page.selected);
  const lists = [indicators, areas].filter((list) => list !== "");
  return lists.length > 0 ? `${head}${language.text("colon")}${lists.join("  /  ")}` : head;
}

function named(language, shares, nameOf, self) {
  return shares
    .filter((share) => share.id !== null && share.id !== self && Math.abs(share.points) >= SMALLEST_CHANGE)
    .slice(0, CHANGES)
    .map((share) => `${nameOf(share.id)} ${format.change(language, share.points)}`)
    .join(language.text("comma"));
}

/** A part of a score, an index or an area: its name, which chooses it, its score as a bar, and the points it gives. */
class PartRow {
  constructor(id, onChoose) {
    this.name = el("button", { class: "part-name", type: "button" });
    this.name.addEventListener("click", () => onChoose(id));
    this.fill = el("i", { class: "bar-fill" });
    this.score = el("span", { class: "indicator-score" });
    this.points = el("span", { class: "part-points" });
    this.node = el("div", { class: "part", role: "listitem" },
      this.name, el("span", { class: "bar", "aria-hidden": "true" }, this.fill), this.score, this.points);
  }

  update(page, part) {
    const { language } = page;
    const area = page.city.areas.get(part.id);
    setText(this.name, area ? language.name(area.name, part.id) : page.indexName(part.id));
    setText(this.score, format.score(language, part.score, 0));
    setText(this.points, typeof part.points === "number"
      ? language.text("points-of", { points: format.score(language, part.points), weight: format.share(language, part.share) })
      : "");
    setAttribute(this.node, "data-band", band(part.score));
    this.fill.style.transform = `scaleX(${(part.score ?? 0) / 100})`;
  }
}

/** One device that pulls a score down, with its own value. */
class DeviceRow {
  constructor() {
    this.name = el("span", { class: "why-name" });
    this.value = el("span", { class: "why-value" });
    this.node = el("li", {}, this.name, this.value);
  }

  update(page, device, unit) {
    const { language } = page;
    const what = device.indicator && device.indicator !== page.index ? `${device.id}  ${page.indexName(device.indicator)}` : device.id;
    setText(this.name, what);
    const words = typeof device.value === "number" ? [format.measure(language, device.value, unit).join(" ")] : [];
    if (typeof device.points === "number") words.push(language.text("costs", { points: format.score(language, device.points, 2) }));
    setText(this.value, words.join("  /  "));
  }
}
