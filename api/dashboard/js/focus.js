// The chosen index of the chosen area: its value, its recent past and forecast, what it is made of and why it changed.

import { band } from "./bands.js";
import { Chart } from "./chart.js";
import { el, mirror, setAttribute, setShown, setText } from "./dom.js";
import { PAST_MS } from "./focus-book.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";
import { devicesOf, partsOf } from "./why.js";

const PARTS = 5;
const CHANGES = 3;

export class Focus {
  constructor(container, { onIndex }) {
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
    this.devices = el("ol", { class: "why" });
    this.onIndex = onIndex;
    this.drawn = "";
    container.append(
      el("header", { class: "focus-head" }, this.name, this.measured, this.state, this.score),
      this.facts, this.chart.node, this.why, this.title, this.parts, this.devices);
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
  }

  drawChart(page, delivered, read) {
    const { language } = page;
    const drawn = [page.selected, page.index, page.focus.version, language.id, Math.floor(page.now / 10_000)].join(" ");
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const measured = Boolean(delivered?.unit);
    const pick = (point) => ({ ...point, y: (measured ? point.value : point.score) ?? null });
    const from = page.now - PAST_MS;
    const past = read.history.filter((point) => point.at >= from).map(pick);
    const next = read.forecast.filter((point) => point.at > page.now).map((point) => ({ ...point, y: point.y ?? null }));
    const least = measured && delivered.unit === "1" ? 0.05 : 1;
    this.chart.draw({ past, next, from, now: page.now, least }, {
      empty: language.text("no-history"),
      level: (y) => (measured ? format.measure(language, y, delivered.unit).join(" ") : format.score(language, y, 1)),
      time: (at, place) => (place === 1 ? language.text("now") : format.timeOfDay(language, at, page.timezone)),
    });
  }

  updateWhy(page, delivered, value, why) {
    const { language } = page;
    setText(this.why, changeText(page, why));
    setShown(this.why, this.why.textContent !== "");
    const parts = value.score === null ? [] : partsOf(delivered).slice(0, PARTS);
    const devices = value.score === null || parts.length > 0 ? [] : (why?.devices ?? devicesOf(delivered)).slice(0, PARTS);
    setText(this.title, language.text(devices.length > 0 ? "why-devices" : "why-parts"));
    setShown(this.title, parts.length + devices.length > 0);
    mirror(this.parts, parts, (part) => part.id, (part) => new PartRow(part.id, this.onIndex), (row, part) => row.update(page, part));
    mirror(this.devices, devices, (device) => device.id, () => new DeviceRow(), (row, device) => {
      row.update(page, device, delivered.unit);
    });
  }
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

/** "▼ 3.2 since 08:00: Kerb occupancy −2.1, Xuhui −1.0": what changed most, by part and by area below. */
function changeText(page, why) {
  const { language } = page;
  if (!why || typeof why.change !== "number") return "";
  const head = language.text("since", { change: format.change(language, why.change), time: format.timeOfDay(language, why.since, page.timezone) });
  const named = [
    ...why.parts.map((part) => ({ name: page.indexName(part.id), change: part.change })),
    ...why.areas.map((part) => ({ name: language.name(page.city.areas.get(part.id)?.name, part.id), change: part.change })),
  ];
  const most = named.filter((part) => Math.abs(part.change) >= 0.05)
    .sort((one, other) => Math.abs(other.change) - Math.abs(one.change)).slice(0, CHANGES);
  const list = most.map((part) => `${part.name} ${format.change(language, part.change)}`).join(language.text("comma"));
  return list ? `${head}${language.text("colon")}${list}` : head;
}

/** A part of an index: its name, which chooses it, its score as a bar, and the points it gives. */
class PartRow {
  constructor(id, onIndex) {
    this.name = el("button", { class: "part-name", type: "button" });
    this.name.addEventListener("click", () => onIndex(id));
    this.fill = el("i", { class: "bar-fill" });
    this.score = el("span", { class: "indicator-score" });
    this.points = el("span", { class: "part-points" });
    this.node = el("div", { class: "part", role: "listitem" },
      this.name, el("span", { class: "bar", "aria-hidden": "true" }, this.fill), this.score, this.points);
  }

  update(page, part) {
    const { language } = page;
    setText(this.name, page.indexName(part.id));
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
    setText(this.name, device.id);
    setText(this.value, typeof device.value === "number" ? format.measure(page.language, device.value, unit).join(" ") : "");
  }
}
