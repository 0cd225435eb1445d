// Puts the page together: reads the areas, follows the live stream, and redraws what changed.

import { LedgerBook, LedgerLine, RejectList } from "./accounts.js";
import { Api } from "./api.js";
import { Clock } from "./clock.js";
import { setText } from "./dom.js";
import { CitySeries, CompositeFigure, DomainChannels } from "./figures.js";
import { pulse } from "./freshness.js";
import { FocusBook } from "./focus-book.js";
import { Header } from "./header.js";
import { Language } from "./i18n.js";
import { Legend } from "./legend.js";
import { Live } from "./live.js";
import { DistrictMap, IndexChoice } from "./map.js";
import { Panel } from "./panel.js";
import { SPAN_MS } from "./series.js";
import { City } from "./state.js";

const LEDGER_EVERY_MS = 2000;
const REJECTS_EVERY_MS = 5000;
const HISTORY_EVERY_MS = 120_000;
const FOCUS_EVERY_MS = 30_000;
const STREETS_EVERY_MS = 15_000;
const RETRY_MS = 3000;
const SHOWN_REJECTS = 4;

const clock = new Clock();
const api = new Api(clock);
const language = new Language();
const city = new City();
const series = new CitySeries();

/** What every part of the page draws from. */
const page = {
  city,
  language,
  series,
  book: new LedgerBook(),
  focus: new FocusBook(api),
  rejects: null,
  timezone: null,
  connected: false,
  now: clock.now(),
  pulse: "waiting",
  selected: null,
  index: "composite",
  everyStreet: true,
  sort: "score",
  /** How often area, index or order were chosen: to choose again what was chosen before is a wish, too. */
  choices: 0,
  /** Name of the composite, a domain or an indicator, as delivered. */
  indexName(id) {
    if (id === "composite") return language.text("composite");
    return language.name(city.index(city.code, id)?.name, id);
  },
};

const byId = (id) => document.getElementById(id);
const map = new DistrictMap(byId("map"), byId("map-note"), choose);
const parts = [
  new Header(chooseLanguage),
  new CompositeFigure(byId("composite")),
  new DomainChannels(byId("domains"), chooseIndex),
  new IndexChoice(byId("index-choice"), chooseIndex),
  map,
  new Legend(byId("legend")),
  new Panel(byId("panel"), { onChoose: choose, onSort: chooseSort, onIndex: chooseIndex }),
  new LedgerLine(byId("ledger")),
  new RejectList(byId("rejects")),
];

const narrow = matchMedia("(max-width: 760px)");
let live = null;
let drawRequested = false;
let historyFollowed = false;

/** Redraw in the next frame, once, however much has changed. */
function redraw() {
  if (drawRequested) return;
  drawRequested = true;
  requestAnimationFrame(() => {
    drawRequested = false;
    page.now = clock.now();
    page.pulse = pulse(page.now, city);
    page.timezone ??= city.at === null ? null : city.offset;
    setText(byId("method"), city.methodVersion ? language.text("method", { version: city.methodVersion }) : "");
    for (const part of parts) part.update(page);
  });
}

function choose(code) {
  page.selected = code;
  page.choices += 1;
  writeAddress();
  live?.turnTo(streamAddress());
  readFocus();
  readStreets().catch(() => {});
  redraw();
}

function chooseIndex(id) {
  page.index = id;
  page.choices += 1;
  writeAddress();
  readFocus();
  readStreets().catch(() => {});
  redraw();
}

function chooseSort(id) {
  page.sort = id;
  page.choices += 1;
  redraw();
}

function chooseLanguage(id) {
  language.choose(id);
  language.fill(document);
  redraw();
}

/** The chosen area and index live in the address, so that a wall display can be pinned to a district. */
function writeAddress() {
  const chosen = new URLSearchParams();
  if (page.selected !== city.code) chosen.set("area", page.selected);
  if (page.index !== "composite") chosen.set("index", page.index);
  history.replaceState(null, "", `${location.pathname}${location.search}${chosen.size ? `#${chosen}` : ""}`);
}

function readAddress() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  page.selected = city.areas.has(chosen.get("area")) ? chosen.get("area") : city.code;
  page.index = chosen.get("index") ?? "composite";
  page.choices += 1;
  readFocus();
  live?.turnTo(streamAddress());
  redraw();
}

/** Run a task again and again, waiting for it to end; one that fails tells `onFailure` and is tried again. */
async function repeat(everyMs, task, onFailure) {
  for (;;) {
    try {
      await task();
    } catch {
      onFailure();
    }
    redraw();
    await pause(everyMs);
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Read the areas and their outlines; tries again until the server answers. */
async function readCity() {
  for (;;) {
    try {
      const [areas, outlines] = await Promise.all([api.areas(), api.outlines()]);
      city.setAreas(areas);
      map.setOutlines(outlines);
      return;
    } catch {
      await pause(RETRY_MS);
    }
  }
}

async function readHistory() {
  for (const index of ["composite", ...city.domainIds()]) {
    series.of(index).load(await api.history(city.code, index, SPAN_MS));
  }
}

/** The recent past, the forecast and the reasons of what is chosen. */
async function readFocus() {
  if (page.selected === null || !city.knows(page.index)) return;
  await page.focus.turnTo(page.selected, page.index);
  redraw();
}

/** A phone does not follow all streets; it asks for one figure of each now and then. */
async function readStreets() {
  if (page.everyStreet || page.selected !== city.code || city.tick === null) return;
  city.note(await api.streets(page.index));
  redraw();
}

async function readLedger() {
  page.book.note(await api.ledger(), performance.now());
}

/** A wall follows every area; a phone, to spare its connection, the districts and the streets being looked at. */
function streamAddress() {
  page.everyStreet = !narrow.matches;
  if (page.everyStreet) return "/v1/live";
  const district = city.path(page.selected).find((area) => area.level === "district");
  return `/v1/live?level=city,district${district ? `&parent=${district.code}` : ""}`;
}

function follow() {
  live = new Live(streamAddress(), {
    onSnapshot: (event) => take(() => city.takeSnapshot(event)),
    onVitals: (event) => take(() => city.merge(event)),
    onConnection: (connected) => {
      page.connected = connected;
      redraw();
    },
  });
  live.open();
  narrow.addEventListener("change", () => live.turnTo(streamAddress()));
  setInterval(() => {
    live.watch();
    redraw();
  }, 1000);
}

function take(change) {
  change();
  series.record(city);
  redraw();
  if (historyFollowed || city.domainIds().length === 0) return;
  historyFollowed = true;
  repeat(HISTORY_EVERY_MS, readHistory, () => {});
  repeat(FOCUS_EVERY_MS, readFocus, () => {});
  repeat(STREETS_EVERY_MS, readStreets, () => {});
}

async function start() {
  language.fill(document);
  map.onDrawn = redraw;
  redraw();
  await readCity();
  readAddress();
  addEventListener("hashchange", readAddress);
  follow();
  repeat(LEDGER_EVERY_MS, readLedger, () => page.book.note(null));
  repeat(REJECTS_EVERY_MS, async () => { page.rejects = await api.rejects(SHOWN_REJECTS); }, () => { page.rejects = null; });
}

start();
