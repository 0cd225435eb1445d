// Reads the HTTP interface: plain JSON documents, one function per resource.

const LONGEST_LIST = 100;
const TIMEOUT_MS = 10000;

/** What the page reads of `/v1`, and what it learns of the server's clock on the way. */
export class Api {
  constructor(clock) {
    this.clock = clock;
  }

  /** One resource as parsed JSON; throws an Error naming the path when the answer is not a 2xx. */
  async get(path) {
    const sentAt = Date.now();
    const response = await fetch(path, {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    this.clock.observe(response.headers.get("date"), sentAt, Date.now());
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}, must be 200`);
    return response.json();
  }

  /** Every area of the city, over all pages of the list. */
  async areas() {
    const areas = [];
    let cursor = null;
    for (let page = 0; page < LONGEST_LIST; page += 1) {
      const after = cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`;
      const list = await this.get(`/v1/areas${after}`);
      areas.push(...list.items);
      cursor = list.next;
      if (cursor === null) break;
    }
    return areas;
  }

  outlines() {
    return this.get("/v1/areas.geojson");
  }

  area(code) {
    return this.get(`/v1/areas/${encodeURIComponent(code)}`);
  }

  ledger() {
    return this.get("/v1/ledger");
  }

  /** The newest rejects. */
  async rejects(limit) {
    return (await this.get(`/v1/rejects?limit=${limit}`)).items;
  }

  /** An index of every street as changes to vitals documents, by area code, with the time they are of. */
  async streets(index) {
    const { at, tick, items } = await this.get(`/v1/vitals?level=street&index=${encodeURIComponent(index)}`);
    const areas = items.map(({ area, composite, domains }) => [area, { ...(composite && { composite }), ...(domains && { domains }) }]);
    return { at, tick, areas: Object.fromEntries(areas) };
  }

  /** An index of an area over the last `spanMs`, oldest first, as {at: ms, value, score}; at most about 240 points. */
  async trace(area, index, spanMs) {
    const to = this.clock.now();
    const query = new URLSearchParams({
      indicator: index,
      from: new Date(to - spanMs).toISOString(),
      to: new Date(to).toISOString(),
      points: "240",
    });
    const list = await this.get(`/v1/areas/${encodeURIComponent(area)}/vitals/history?${query}`);
    return list.items
      .map((item) => ({ at: Date.parse(item.at), value: item.value, score: item.score }))
      .sort((one, other) => one.at - other.at);
  }

  /** The next hours of an index with their 80 % interval, as [{at: ms, y, low, high}], each hour at its middle. */
  async forecast(area, index) {
    const query = new URLSearchParams({ indicator: index });
    const { items } = await this.get(`/v1/areas/${encodeURIComponent(area)}/vitals/forecast?${query}`);
    return items.map((item) => ({
      at: (Date.parse(item.from) + Date.parse(item.to)) / 2,
      y: item.value,
      low: item.low80,
      high: item.high80,
    }));
  }

  /** Why an index is what it is, and what changed it since an instant: parts, areas, devices. */
  why(area, index, since) {
    const query = new URLSearchParams({ since: new Date(since).toISOString(), devices: "5" });
    return this.get(`/v1/areas/${encodeURIComponent(area)}/vitals/${encodeURIComponent(index)}/why?${query}`);
  }

  /** The routes heard in an area in the last hour, those that cost an index of transit most first. */
  async routes(area, index) {
    const query = new URLSearchParams({ area, by: index, limit: "5" });
    return (await this.get(`/v1/routes?${query}`)).items;
  }

  /** Scores of an index of an area over the last `spanMs`, oldest first, as {at: ms, score}. */
  async history(area, index, spanMs) {
    const to = this.clock.now();
    const query = new URLSearchParams({
      indicator: index,
      from: new Date(to - spanMs).toISOString(),
      to: new Date(to).toISOString(),
    });
    const list = await this.get(`/v1/areas/${encodeURIComponent(area)}/vitals/history?${query}`);
    return list.items
      .map((item) => ({ at: Date.parse(item.at), score: item.score }))
      .sort((one, other) => one.at - other.at);
  }
}
