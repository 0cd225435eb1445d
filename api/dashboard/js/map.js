// The map of the districts, coloured by the chosen index; each district can be chosen by pointer or keyboard.

import { band } from "./bands.js";
import { el, mirror, setAttribute, setText, svg } from "./dom.js";
import * as format from "./format.js";
import { shown } from "./freshness.js";
import { spread, widthOf } from "./labels.js";
import { layoutMap } from "./map-layout.js";
import { pathOf } from "./projection.js";

const ROOM_FOR_LABEL = { width: 62, height: 40 };

export class DistrictMap {
  constructor(container, note, onChoose) {
    this.container = container;
    this.note = note;
    this.onChoose = onChoose;
    this.onDrawn = () => {};
    this.outlines = [];
    this.districts = new Map();
    this.notes = null;
    this.size = { width: 0, height: 0 };
    new ResizeObserver(() => this.resized()).observe(container);
  }

  /** Take the outlines of `/v1/areas.geojson`. */
  setOutlines(collection) {
    this.outlines = collection.features.map((feature) => ({
      code: feature.properties.code,
      label: feature.properties.label,
      geometry: feature.geometry,
    }));
    this.notes = collection.features[0]?.properties.note ?? null;
    this.draw();
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this.container;
    if (width === this.size.width && height === this.size.height) return;
    this.size = { width, height };
    this.draw();
  }

  draw() {
    const { width, height } = this.size;
    if (this.outlines.length === 0 || width < 80 || height < 80) return;
    const layout = layoutMap(this.outlines, this.size, ROOM_FOR_LABEL);
    const enlarged = layout.inset?.codes ?? new Set();
    const main = new Sheet(this, layout.project, (outline) => !enlarged.has(outline.code));
    this.sheets = [main];
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group" }, hatch(), main.node);
    this.caption = null;
    if (layout.inset) drawing.append(this.drawInset(layout.inset));
    this.drawing = drawing;
    this.replace(drawing);
    this.onDrawn();
  }

  /** Show another drawing; the keyboard keeps its place among the districts. */
  replace(drawing) {
    const focused = this.container.contains(document.activeElement) ? document.activeElement.dataset.area : null;
    this.container.replaceChildren(drawing);
    for (const sheet of focused ? this.sheets : []) sheet.buttons.get(focused)?.node.focus({ preventScroll: true });
  }

  drawInset({ codes, box, frame, project }) {
    const sheet = new Sheet(this, project, (outline) => codes.has(outline.code));
    this.sheets.push(sheet);
    setAttribute(sheet.node, "clip-path", "url(#inset-clip)");
    this.caption = svg("text", { class: "inset-caption", x: box.x + box.width / 2, y: box.y + box.height + 15 });
    return svg("g", {},
      svg("clipPath", { id: "inset-clip" }, svg("rect", { ...box, rx: 6 })),
      svg("path", { class: "inset-link", d: linkOf(box, frame) }),
      svg("rect", { ...frame, rx: 3, class: "inset-frame" }),
      svg("rect", { ...box, rx: 6, class: "inset-ground" }),
      sheet.node,
      svg("rect", { ...box, rx: 6, class: "inset-border" }),
      this.caption);
  }

  update(page) {
    const { language } = page;
    setText(this.note, this.notes ? language.name(this.notes) : language.text("not-a-map"));
    if (!this.drawing) return;
    if (this.caption) setText(this.caption, language.text("centre"));
    setAttribute(this.drawing, "aria-label", language.text("map"));
    for (const sheet of this.sheets) sheet.update(page);
  }
}

/** All districts under one projection: those it is for as buttons with labels, the others as quiet context. */
class Sheet {
  constructor(map, project, isOwn) {
    this.project = project;
    this.shapes = new Map();
    this.buttons = new Map();
    this.outlines = map.outlines.filter(isOwn);
    this.chosen = svg("path", { class: "district-chosen" });
    this.labels = svg("g", { class: "district-labels", "aria-hidden": "true" });
    this.node = svg("g");
    for (const outline of map.outlines) this.node.append(this.drawDistrict(outline, isOwn(outline), map.onChoose));
    this.node.append(this.chosen, this.labels);
    this.spreadFor = null;
  }

  drawDistrict(outline, own, onChoose) {
    const shape = svg("path", { class: "district-shape", d: pathOf(outline.geometry, this.project) });
    shape.addEventListener("click", () => onChoose(outline.code));
    this.shapes.set(outline.code, shape);
    if (!own) return shape;
    const button = svg("g", { class: "district", role: "button", tabindex: "0", "data-area": outline.code }, shape);
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      onChoose(outline.code);
    });
    const [name, score] = [svg("text", { class: "district-name" }), svg("text", { class: "district-score" })];
    const label = svg("g", { class: "district-label" }, name, score);
    this.labels.append(label);
    this.buttons.set(outline.code, { node: button, name, score, label });
    return button;
  }

  update(page) {
    const chosen = page.city.path(page.selected).find((area) => this.shapes.has(area.code));
    setAttribute(this.chosen, "d", chosen ? this.shapes.get(chosen.code).getAttribute("d") : "");
    for (const [code, shape] of this.shapes) {
      const value = shown(page.city.index(code, page.index), page.now, page.pulse);
      setAttribute(shape, "data-band", band(value.score));
      const button = this.buttons.get(code);
      if (button) updateButton(page, button, code, value, code === chosen?.code);
    }
    this.spreadLabels(page.language);
  }

  /** Names differ in length, so labels are laid out anew when the language changes. */
  spreadLabels(language) {
    if (this.spreadFor === language.id) return;
    this.spreadFor = language.id;
    const fontSize = parseFloat(getComputedStyle(this.labels).fontSize) || 13;
    const places = spread(this.outlines.map((outline) => {
      const [x, y] = this.project(outline.label);
      return { code: outline.code, x, y, width: widthOf(this.buttons.get(outline.code).name.textContent, fontSize) };
    }));
    for (const [code, [x, y]] of places) {
      const { name, score } = this.buttons.get(code);
      for (const [text, dy] of [[name, -3], [score, 15]]) {
        setAttribute(text, "x", x.toFixed(1));
        setAttribute(text, "y", (y + dy).toFixed(1));
      }
    }
  }
}

function updateButton(page, button, code, value, chosen) {
  const { language } = page;
  const name = language.name(page.city.areas.get(code)?.name, code);
  const score = format.score(language, value.score);
  const state = value.score === null ? language.reason(value.reason) : language.text(`band-${band(value.score)}`);
  setText(button.name, name);
  setText(button.score, score);
  setAttribute(button.label, "data-band", band(value.score));
  setAttribute(button.node, "data-band", band(value.score));
  setAttribute(button.node, "aria-label", `${name}, ${page.indexName(page.index)} ${score}, ${state}`);
  setAttribute(button.node, "aria-pressed", String(chosen));
}

/** The grey hatch of areas without a value. */
function hatch() {
  const place = { width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  const ground = svg("rect", { class: "hatch-ground", width: 7, height: 7 });
  const line = svg("rect", { class: "hatch-line", width: 2, height: 7 });
  return svg("defs", {}, svg("pattern", { id: "hatch", ...place }, ground, line));
}

/** Two lines from the framed part of the map to its enlargement. */
function linkOf(box, frame) {
  const left = box.x + box.width / 2 < frame.x + frame.width / 2;
  const boxX = left ? box.x + box.width : box.x;
  const frameX = left ? frame.x : frame.x + frame.width;
  return [0, 1].map((end) => `M${boxX} ${box.y + end * box.height}L${frameX} ${frame.y + end * frame.height}`).join("");
}

/** The choice of the index that colours map and tiles: the composite or one domain. */
export class IndexChoice {
  constructor(container, onChoose) {
    this.container = container;
    this.onChoose = onChoose;
  }

  update(page) {
    const ids = ["composite", ...page.city.domainIds()];
    if (!ids.includes(page.index) && page.city.knows(page.index)) ids.push(page.index);
    mirror(this.container, ids, (id) => id, (id) => this.create(id), (part, id) => {
      part.input.checked = page.index === id;
      setText(part.text, page.indexName(id));
    });
  }

  create(id) {
    const input = el("input", { type: "radio", name: "index", value: id });
    input.addEventListener("change", () => this.onChoose(id));
    const text = el("span");
    return { node: el("label", { class: "choice" }, input, text), input, text };
  }
}
