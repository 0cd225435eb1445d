// The bus routes that pull an area's transit down most, each with its value and the points it costs.

import { el, mirror, setShown, setText } from "./dom.js";
import * as format from "./format.js";

const MOST = 3;

/** Whether an index is about transit, so that there are routes behind it. */
export function hasRoutes(index) {
  return index.split(".")[0] === "transit";
}

/** The routes that cost an index points, strongest first, as {id, value, unit, points}; `items` as the API lists them. */
export function costliest(items, index) {
  return items
    .map((item) => {
      const measured = item.indicators[index];
      return { id: item.route, value: measured?.value, unit: measured?.unit, points: (measured ?? item).points };
    })
    .filter((route) => typeof route.points === "number" && route.points > 0)
    .slice(0, MOST);
}

/** A heading and a list; both are hidden while no route costs anything. */
export class RouteList {
  constructor() {
    this.title = el("h4", { class: "why-title" });
    this.list = el("ol", { class: "why routes" });
    this.nodes = [this.title, this.list];
  }

  update(page, routes) {
    setText(this.title, page.language.text("why-routes"));
    setShown(this.title, routes.length > 0);
    mirror(this.list, routes, (route) => route.id, () => new RouteRow(), (row, route) => row.update(page, route));
  }
}

class RouteRow {
  constructor() {
    this.name = el("span", { class: "why-name" });
    this.value = el("span", { class: "why-value" });
    this.node = el("li", {}, this.name, this.value);
  }

  update(page, route) {
    const { language } = page;
    setText(this.name, route.id);
    const words = typeof route.value === "number" ? [format.measure(language, route.value, route.unit).join(" ")] : [];
    words.push(language.text("costs", { points: format.score(language, route.points, 2) }));
    setText(this.value, words.join("  /  "));
  }
}
