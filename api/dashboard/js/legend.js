// What the colours mean, in words and scores.

import { BANDS } from "./bands.js";
import { el, mirror, setText } from "./dom.js";

export class Legend {
  constructor(container) {
    this.container = container;
  }

  update(page) {
    const bands = [...BANDS, { id: "none", from: null }];
    mirror(this.container, bands, ({ id }) => id, createEntry, (entry, { id, from }) => {
      setText(entry.text, page.language.text(`band-${id}`));
      setText(entry.from, from === null ? "—" : from === 0 ? `< ${BANDS.at(-2).from}` : `≥ ${from}`);
    });
  }
}

function createEntry({ id }) {
  const swatch = el("i", { class: "swatch", "data-band": id, "aria-hidden": "true" });
  const [text, from] = [el("span"), el("small")];
  return { node: el("li", {}, swatch, text, from), text, from };
}
