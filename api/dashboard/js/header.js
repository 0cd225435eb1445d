// The head of the page: whose city, whether the data flows and how old it is, the counts, the clock, the language.

import { setAttribute, setShown, setText } from "./dom.js";
import * as format from "./format.js";
import { dataAge } from "./freshness.js";

const FEW_BELOW = 2 / 3;

export class Header {
  constructor(onLanguage) {
    this.city = document.getElementById("city-name");
    this.otherName = document.getElementById("city-other-name");
    this.counts = {
      devices: document.getElementById("count-devices"),
      rate: document.getElementById("count-rate"),
      rejected: document.getElementById("count-rejected"),
      pending: document.getElementById("count-pending"),
    };
    this.connection = document.getElementById("connection-state");
    this.age = document.getElementById("data-age");
    this.time = document.getElementById("clock-time");
    this.date = document.getElementById("clock-date");
    this.banner = document.getElementById("banner");
    this.buttons = [...document.querySelectorAll("[data-language]")];
    for (const button of this.buttons) button.addEventListener("click", () => onLanguage(button.dataset.language));
  }

  update(page) {
    const { language, city } = page;
    const names = city.areas.get(city.code)?.name;
    const other = language.id === "zh" ? names?.en : names?.zh;
    setText(this.city, language.name(names));
    setText(this.otherName, other === language.name(names) ? "" : (other ?? ""));
    document.title = [language.name(names), language.text("title")].filter(Boolean).join(" ");
    this.updateCounts(page);
    this.updateConnection(page);
    const [time, date] = format.timeAndDate(language, page.now, page.timezone);
    setText(this.time, time);
    setText(this.date, date);
    for (const button of this.buttons) {
      setAttribute(button, "aria-pressed", String(button.dataset.language === language.id));
    }
  }

  updateCounts(page) {
    const { language, book } = page;
    const devices = page.city.devices(page.city.code);
    setText(this.counts.devices, format.devices(language, devices, page.pulse));
    const few = devices !== null && (page.pulse === "silent" || devices.reporting < FEW_BELOW * devices.expected);
    setAttribute(this.counts.devices, "data-few", few);
    setText(this.counts.rate, format.rate(language, book.newest === null ? null : book.rate()));
    setText(this.counts.rejected, format.count(language, book.newest?.rejected));
    setText(this.counts.pending, format.count(language, book.newest?.pending));
  }

  updateConnection(page) {
    const { language } = page;
    const age = page.city.at === null ? null : dataAge(page.now, page.city.at);
    const state = connectionState(page);
    setText(this.connection, language.text(state));
    setAttribute(this.connection.parentElement, "data-state", state);
    setText(this.age, format.seconds(language, age === null ? null : Math.max(age, page.city.readingAge(page.now) ?? 0)));
    setAttribute(document.body, "data-pulse", page.pulse);
    setAttribute(document.body, "data-connected", String(page.connected));
    const message = bannerText(page, format.age(language, age));
    setShown(this.banner, message !== "");
    setText(this.banner, message);
  }
}

/** Ticks that come while every device is silent are no live data. */
function connectionState(page) {
  if (!page.connected) return "lost";
  const devices = page.city.devices(page.city.code);
  const mute = page.pulse === "live" && devices !== null && devices.expected > 0 && devices.reporting === 0;
  return mute ? "mute" : page.pulse;
}

function bannerText(page, age) {
  const { language } = page;
  const messages = [];
  if (page.pulse === "late" || page.pulse === "silent") messages.push(language.text(`banner-${page.pulse}`, { age }));
  if (!page.connected && page.pulse !== "waiting") messages.push(language.text("banner-lost"));
  for (const alarm of page.city.alarms) {
    const text = language.name(alarm.text, alarm.id);
    messages.push(alarm.detail ? `${text} (${alarm.detail})` : text);
  }
  return messages.join("  /  ");
}
