// The language of the page: from ?lang=, else the last choice, else the browser's; and texts in it.

import { setAttribute, setText } from "./dom.js";
import { TEXTS } from "./texts.js";

const STORED_AS = "cityvitals.language";

export class Language {
  constructor() {
    this.id = chosen();
    this.locale = "";
    this.use(this.id);
  }

  use(id) {
    this.id = id;
    this.locale = id === "zh" ? "zh-CN" : "en-GB";
    document.documentElement.lang = this.locale;
  }

  /** Switch and remember. */
  choose(id) {
    this.use(id);
    try {
      localStorage.setItem(STORED_AS, id);
    } catch {
      // A browser that forbids storage forgets the choice; the page still works.
    }
    const address = new URL(location.href);
    if (address.searchParams.has("lang")) {
      address.searchParams.set("lang", id);
      history.replaceState(null, "", address);
    }
  }

  /** The text of a key with {placeholders} filled. */
  text(key, values = {}) {
    const template = TEXTS[this.id][key] ?? key;
    return template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  }

  /** One of the two names of a thing named in both languages. */
  name(names, fallback = "") {
    return names?.[this.id] || names?.zh || names?.en || fallback;
  }

  /** A unit as this language writes it; most symbols are the same everywhere. */
  unit(symbol) {
    return TEXTS[this.id][`unit-${symbol}`] ?? symbol;
  }

  /** Why there is no value, in words. */
  reason(reason) {
    const key = `reason-${reason}`;
    return key in TEXTS[this.id] ? this.text(key) : this.text("reason-other", { reason });
  }

  /** Fill every element of the page that names its text in `data-text` or its label in `data-label`. */
  fill(root) {
    for (const node of root.querySelectorAll("[data-text]")) setText(node, this.text(node.dataset.text));
    for (const node of root.querySelectorAll("[data-label]")) {
      setAttribute(node, "aria-label", this.text(node.dataset.label));
    }
  }
}

function chosen() {
  const asked = new URLSearchParams(location.search).get("lang");
  let stored = null;
  try {
    stored = localStorage.getItem(STORED_AS);
  } catch {
    // Forbidden storage: as if nothing had been chosen.
  }
  const wish = [asked, stored, navigator.language].find(Boolean) ?? "zh";
  return wish.toLowerCase().startsWith("en") ? "en" : "zh";
}
