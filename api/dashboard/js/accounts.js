// The ledger that adds up and the latest rejects: what became of every reading that arrived.

import { el, mirror, setAttribute, setShown, setText } from "./dom.js";
import * as format from "./format.js";

const SAMPLES = 8;
const TERMS = ["received", "stored", "duplicate", "rejected", "pending"];

/** The newest ledger and the rate at which readings arrive, from the last few answers. */
export class LedgerBook {
  constructor() {
    this.newest = null;
    this.samples = [];
  }

  /** Note an answer of `/v1/ledger` at a monotonic time in ms; null when there was none. */
  note(ledger, at) {
    this.newest = ledger;
    if (ledger === null || ledger.received < (this.samples.at(-1)?.received ?? 0)) this.samples = [];
    if (ledger === null) return;
    this.samples.push({ at, received: ledger.received });
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  /** Readings received per second over the kept answers, or null before the second. */
  rate() {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || last.at <= first.at) return null;
    return ((last.received - first.received) * 1000) / (last.at - first.at);
  }

  /** received − (stored + duplicate + rejected + pending): 0 when nothing is unaccounted for. */
  difference() {
    const { received, stored, duplicate, rejected, pending } = this.newest;
    return received - (stored + duplicate + rejected + pending);
  }
}

export class LedgerLine {
  constructor(container) {
    this.title = el("h2", { class: "subtitle" });
    this.verdict = el("span", { class: "verdict" });
    this.terms = new Map(TERMS.map((id) => [id, { label: el("dt"), figure: el("dd") }]));
    const signs = ["", "=", "+", "+", "+"];
    const equation = el("dl", { class: "equation" });
    TERMS.forEach((id, place) => {
      const { label, figure } = this.terms.get(id);
      if (signs[place]) equation.append(el("span", { class: "sign", "aria-hidden": "true" }, signs[place]));
      equation.append(el("div", { class: "term", "data-term": id }, label, figure));
    });
    container.append(el("header", { class: "accounts-head" }, this.title, this.verdict), equation);
  }

  update(page) {
    const { language, book } = page;
    setText(this.title, language.text("ledger"));
    for (const [id, { label, figure }] of this.terms) {
      setText(label, language.text(id));
      setText(figure, format.count(language, book.newest?.[id]));
    }
    const difference = book.newest === null ? null : book.difference();
    setAttribute(this.verdict, "data-balanced", difference === null ? "unknown" : String(difference === 0));
    setText(this.verdict, verdictText(language, difference));
  }
}

function verdictText(language, difference) {
  if (difference === null) return language.text("no-answer");
  if (difference === 0) return `✓ ${language.text("balanced")}`;
  return `! ${language.text("unbalanced", { n: format.count(language, difference) })}`;
}

export class RejectList {
  constructor(container) {
    this.title = el("h2", { class: "subtitle" });
    this.none = el("p", { class: "quiet" });
    this.list = el("ol", { class: "rejects" });
    container.append(this.title, this.none, this.list);
  }

  update(page) {
    const { language, rejects } = page;
    setText(this.title, language.text("rejects"));
    setText(this.none, language.text(rejects === null ? "no-answer" : "no-rejects"));
    setShown(this.none, !rejects || rejects.length === 0);
    mirror(this.list, rejects ?? [], (reject) => reject.id, createReject, (part, reject) => {
      const seconds = Math.max(0, (page.now - Date.parse(reject.receivedAt)) / 1000);
      setText(part.age, format.age(language, seconds));
      setText(part.reason, reject.reason);
      setText(part.detail, reject.detail);
      setAttribute(part.detail, "title", `${reject.topic}  ${reject.detail}`);
    });
  }
}

function createReject() {
  const part = {
    age: el("span", { class: "reject-age" }),
    reason: el("code", { class: "reject-reason" }),
    detail: el("span", { class: "reject-detail" }),
  };
  return { ...part, node: el("li", {}, part.age, part.reason, part.detail) };
}
