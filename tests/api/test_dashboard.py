"""The operations-centre page in a real Chromium, on the real API, fed through the real broker."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from live_api import ZONE, RunningApi, document, running_api, small_city, value
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect, sync_playwright
from vitals_material import say

from api.config import DASHBOARD, ApiConfig
from devices.city import City
from devices.publisher import Publisher

pytestmark = pytest.mark.browser

WALL = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def browser(chromium: tuple[Path, dict[str, str]]) -> Iterator[Browser]:
    program, environment = chromium
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(FLAGS), env={**environment})
        yield running
        running.close()


@pytest.fixture(scope="module")
def city() -> City:
    return small_city()


@pytest.fixture(scope="module")
def page_api(shared_database: str, broker_url: str, city: City) -> Iterator[RunningApi]:
    with running_api(ApiConfig(shared_database, broker_url, city)) as running:
        yield running


class Feed:
    """The pipeline's side: publishes ticks whose scores differ from one to the next."""

    _numbers = count(1)

    def __init__(self, publisher: Publisher, city: City) -> None:
        self._publisher, self._city = publisher, city
        self._lock = threading.Lock()

    def tick(
        self,
        change: Change = lambda _: None,
        score: float | None = None,
        alarms: list[dict[str, Any]] | None = None,
    ) -> None:
        with self._lock:
            number = next(self._numbers)
            at = datetime.now(ZONE).isoformat()
            for area in self._city.areas:
                vitals = document(self._city, area.code, number, at, 50 + number % 40 if score is None else score)
                vitals["devices"] = {"parking_bay": {"expected": 12, "reporting": 11}}
                change(vitals)
                self._publish(area.code, vitals)
            closing = {"tick": number, "at": at, "methodVersion": "test-1", "pipeline": {"pending": 0}}
            self._publish("tick", closing | {"alarms": alarms or []})
            assert self._publisher.flush(10)

    def _publish(self, name: str, message: Any) -> None:
        self._publisher.publish(f"cv1/{self._city.code}/out/{name}", orjson.dumps(message), retain=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A tick every half second while the block lasts."""
        done = threading.Event()

        def run() -> None:
            while not done.wait(0.5):
                self.tick()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.fixture
def feed(publisher: Publisher, city: City) -> Feed:
    return Feed(publisher, city)


class Visit:
    """One browser context with what must not happen in it: errors on the console, requests to other hosts."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page = context.new_page()
        self.url = url
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        context.on("request", lambda request: None if request.url.startswith(url) else self.foreign.append(request.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, address: str = "/?lang=en") -> Page:
        self.page.goto(self.url + address)
        expect(self.page.locator("#domains .channel").first).to_be_visible()
        return self.page


@contextmanager
def visiting(browser: Browser, url: str, viewport: dict[str, int], **options: Any) -> Iterator[Visit]:
    context = browser.new_context(viewport=viewport, **options)  # type: ignore[arg-type] # a ViewportSize
    try:
        yield Visit(context, url)
    finally:
        context.close()


@pytest.fixture
def visit(browser: Browser, page_api: RunningApi, feed: Feed) -> Iterator[Visit]:
    feed.tick()
    with visiting(browser, page_api.url, WALL) as visit:
        yield visit


@pytest.mark.parametrize("viewport", [WALL, PHONE], ids=["wall", "phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_page_shows_the_city_without_errors_foreign_requests_or_sideways_scrolling(
    browser: Browser, page_api: RunningApi, feed: Feed, city: City, viewport: dict[str, int], language: str
) -> None:
    feed.tick()
    with visiting(browser, page_api.url, viewport) as visit:
        page = visit.open(f"/?lang={language}")
        expect(page.locator("#city-name")).to_have_text(city.name[language])
        expect(page.locator("#composite .figure-score")).to_have_text(re.compile(r"\d+\.\d"))
        expect(page.locator("#map [role=button]")).to_have_count(2)
        expect(page.locator(".map-note")).to_have_text({"zh": "示意", "en": "Schematic"}[language])
        expect(page.locator("#count-devices")).to_have_text("11 / 12")
        page.locator("#panel .tile").first.click()
        expect(page.locator("#panel .head-name")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        page.evaluate("document.fonts.ready")
        assert page.evaluate("[...document.fonts].some((f) => f.family.includes('Cityvitals') && f.status == 'loaded')")
        assert visit.complaints == []
        assert visit.foreign == []


def test_wall_fits_on_one_screen(visit: Visit) -> None:
    page = visit.open()
    assert page.evaluate("document.documentElement.scrollHeight") == WALL["height"]


def test_numbers_move_with_the_ticks_and_nodes_are_reused(visit: Visit, feed: Feed) -> None:
    page = visit.open()
    feed.tick(score=61.5)
    expect(page.locator("#composite .figure-score")).to_have_text("61.5")
    page.locator("#panel .tile").first.wait_for()
    nodes = page.evaluate("document.querySelectorAll('*').length")
    for score in (62.5, 63.5, 64.5, 65.5):
        feed.tick(score=score)
        expect(page.locator("#composite .figure-score")).to_have_text(str(score))
        expect(page.locator("#map .district-score").first).to_have_text(str(score))
        expect(page.locator("#panel .tile-score").first).to_have_text(re.compile(r"6[2-6]"))
    assert page.evaluate("document.querySelectorAll('*').length") == nodes


def test_missing_values_are_a_dash_with_the_reason_and_hatched_on_the_map(visit: Visit, feed: Feed, city: City) -> None:
    east = city.at_level("district")[0].code

    def kill(vitals: dict[str, Any]) -> None:
        if vitals["area"] == east:
            vitals["composite"] = value(None, value=None, reason="stale", coverage=0.0, contributions=[])

    page = visit.open()
    feed.tick(kill, score=77.0)
    button = page.locator(f'#map [data-area="{east}"]')
    expect(button).to_have_attribute("data-band", "none")
    expect(button).to_have_attribute("aria-label", re.compile("—, Data stale"))
    assert page.evaluate("(shape) => getComputedStyle(shape).fill", button.locator("path").element_handle()) == (
        'url("#hatch")'
    )
    tile = page.locator(f'#panel [data-area="{east}"]')
    expect(tile.locator(".tile-score")).to_have_text("—")
    expect(tile.locator(".tile-state")).to_have_text("Data stale")
    energy = page.locator("#domains .channel", has_text="energy")
    expect(energy.locator(".figure-score")).to_have_text("—")
    expect(energy.locator(".state")).to_have_text("Coverage too low")
    expect(energy.locator(".indicator-reason")).to_have_text("Coverage too low")


def test_page_goes_stale_when_ticks_stop_and_recovers(
    browser: Browser, shared_database: str, broker_url: str, publisher: Publisher
) -> None:
    city = small_city()
    feed = Feed(publisher, city)
    feed.tick()
    patient = ApiConfig(shared_database, broker_url, city, silent_after=600)
    with running_api(patient) as api, visiting(browser, api.url, WALL) as visit:
        with feed.running():
            page = visit.open()
            expect(page.locator("body")).to_have_attribute("data-pulse", "live")
            expect(page.locator("#banner")).to_be_hidden()
        expect(page.locator("body")).to_have_attribute("data-pulse", "late", timeout=20_000)
        expect(page.locator("#banner")).to_contain_text("No update for")
        expect(page.locator("#data-age")).to_have_text(re.compile(r"1\d s"))
        assert "grayscale" in page.evaluate("getComputedStyle(document.querySelector('main')).filter")
        feed.tick(score=71.5)
        expect(page.locator("body")).to_have_attribute("data-pulse", "live")
        expect(page.locator("#composite .figure-score")).to_have_text("71.5")
        assert visit.complaints == []


def test_no_value_is_shown_once_the_pipeline_is_silent(
    browser: Browser, shared_database: str, broker_url: str, publisher: Publisher
) -> None:
    city = small_city()
    feed = Feed(publisher, city)
    feed.tick()
    with (
        running_api(ApiConfig(shared_database, broker_url, city, silent_after=2)) as api,
        visiting(browser, api.url, WALL) as visit,
    ):
        page = visit.open()
        feed.tick(score=71.5)
        expect(page.locator("body")).to_have_attribute("data-pulse", "silent", timeout=20_000)
        expect(page.locator("#composite .figure-score")).to_have_text("—")
        expect(page.locator("#composite .state")).to_have_text("Pipeline silent")
        expect(page.locator("#panel .tile-score").first).to_have_text("—")
        expect(page.locator("#banner")).to_contain_text("no longer shown")


def test_a_lost_server_is_said_and_the_stream_is_taken_up_again(
    browser: Browser, shared_database: str, broker_url: str, publisher: Publisher
) -> None:
    city = small_city()
    feed = Feed(publisher, city)
    feed.tick()
    config = ApiConfig(shared_database, broker_url, city, silent_after=120)  # one tick is all that comes
    with visiting_a_server_that_returns(browser, config) as (visit, restart):
        page = visit.open()
        expect(page.locator("body")).to_have_attribute("data-connected", "true")
        with restart():
            expect(page.locator("#connection-state")).to_have_text("Disconnected", timeout=20_000)
            expect(page.locator("#banner")).to_contain_text("Connection to the server lost")
        feed.tick(score=44.5)
        expect(page.locator("#composite .figure-score")).to_have_text("44.5", timeout=30_000)
        expect(page.locator("body")).to_have_attribute("data-connected", "true")


@contextmanager
def visiting_a_server_that_returns(browser: Browser, config: ApiConfig) -> Iterator[tuple[Visit, Any]]:
    """A visit to a server, and a context in which that server is away; afterwards another is at its port."""
    servers = [RunningApi(config)]
    servers[0].start()

    @contextmanager
    def restart() -> Iterator[None]:
        port = servers[0].port
        assert servers[0].stop()
        yield
        servers.append(RunningApi(config, port))
        servers[1].start()

    try:
        with visiting(browser, servers[0].url, WALL) as visit:
            yield visit, restart
    finally:
        assert servers[-1].stop()


def test_language_is_switched_and_remembered(visit: Visit, city: City) -> None:
    page = visit.open("/?lang=en")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#city-name")).to_have_text(city.name["zh"])
    expect(page.locator(".identity p")).to_have_text("城市运行生命体征")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    visit.open("/")
    expect(page.locator("#city-name")).to_have_text(city.name["zh"])


def test_keyboard_leads_from_district_to_street_to_the_devices_that_pull_it_down(
    visit: Visit, feed: Feed, city: City
) -> None:
    east = city.at_level("district")[0]
    first = city.children(east.code)[0]
    page = visit.open()
    page.locator(f'#map [data-area="{east.code}"]').focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel .head-name")).to_have_text("East")
    expect(page.locator("#panel .tile")).to_have_count(2)
    page.locator(f'#panel [data-area="{first.code}"]').focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel .head-name")).to_have_text("First")
    expect(page.locator("#panel .crumbs button").last).to_be_focused()
    expect(page.locator("#panel .why li")).to_have_text(["bay-1100 %"])
    assert page.url.endswith(f"#area={first.code}")
    page.reload()
    expect(page.locator("#panel .head-name")).to_have_text("First")
    page.locator("#panel .crumbs button").first.click()
    expect(page.locator("#panel .attention")).to_be_visible()


def test_a_phone_follows_only_the_districts_and_the_streets_being_looked_at(
    browser: Browser, page_api: RunningApi, feed: Feed, city: City
) -> None:
    feed.tick(score=66.0)
    east = city.at_level("district")[0].code
    with visiting(browser, page_api.url, PHONE) as visit:
        page = visit.open()
        with page.expect_request(lambda request: f"/v1/live?level=city,district&parent={east}" in request.url):
            page.locator(f'#map [data-area="{east}"]').click()
        expect(page.locator("#panel .tile-score")).to_have_text(["66", "66"])
        assert visit.complaints == []


def test_an_alarm_is_said_in_the_banner_for_as_long_as_it_is_active(visit: Visit, feed: Feed) -> None:
    page = visit.open()
    alarm = {"id": "database_away", "text": {"zh": "数据库不可用", "en": "Database away"}}
    feed.tick(alarms=[alarm])
    expect(page.locator("#banner")).to_contain_text("Database away")
    feed.tick()
    expect(page.locator("#banner")).to_be_hidden()


def test_tiles_are_sorted_as_asked_and_map_is_coloured_by_the_chosen_index(
    visit: Visit, feed: Feed, city: City
) -> None:
    east, west = (area.code for area in city.at_level("district"))

    def differ(vitals: dict[str, Any]) -> None:
        if vitals["area"] == west:
            vitals["composite"] = value(20.0)

    page = visit.open()
    feed.tick(differ, score=80.0)
    expect(page.locator(f'#map [data-area="{west}"]')).to_have_attribute("data-band", "critical")
    page.locator("#panel select").select_option("code")
    expect(page.locator("#panel .tile").first).to_have_attribute("data-area", east)
    page.locator("#panel select").select_option("score")
    expect(page.locator("#panel .tile").first).to_have_attribute("data-area", west)
    page.get_by_label("parking").check(force=True)
    expect(page.locator(f'#map [data-area="{west}"]')).to_have_attribute("data-band", "good")


def test_a_domain_nobody_foresaw_appears_and_its_names_are_text(visit: Visit, feed: Feed) -> None:
    evil = '<img src="x" onerror="document.title=1">'

    def add(vitals: dict[str, Any]) -> None:
        indicator = value(33.0, name={"zh": evil, "en": evil}, unit=evil)
        index = value(33.0, name={"zh": "空气", "en": "Air"})
        vitals["domains"]["air"] = index | {"indicators": {"air.pm25": indicator}}

    page = visit.open()
    feed.tick(add)
    channel = page.locator("#domains .channel", has_text="Air")
    expect(channel.locator(".figure-score")).to_have_text("33.0")
    expect(channel.locator(".indicator-name")).to_have_text(evil)
    expect(page.locator("#index-choice label")).to_have_count(4)
    assert page.locator("img").count() == 0


def many(vitals: dict[str, Any]) -> None:
    """Five domains of eleven indicators each, the last one telling of the system itself."""
    names = ("waste", "parking", "transit", "energy", "sensing")
    vitals["domains"] = {}
    for number, domain in enumerate(names):
        ids = [f"{domain}.number_{place}" for place in range(11)]
        scores = [95.0 - 4 * place for place in range(11)]
        parts = [{"id": i, "weight": 1.0, "score": s, "points": s / 11} for i, s in zip(ids, scores, strict=True)]
        english = {i: f"Hydrogen sulphide above limit {place}" for place, i in enumerate(ids)}
        vitals["domains"][domain] = value(75.0 - number, unit=None, name={"zh": domain, "en": domain.title()}) | {
            "contributions": parts,
            "indicators": {
                i: value(s, name={"zh": "硫化氢超标时间占比", "en": english[i]}, contributions=[])
                for i, s in zip(ids, scores, strict=True)
            },
        }


@pytest.mark.parametrize("viewport", [WALL, PHONE], ids=["wall", "phone"])
def test_many_indicators_are_told_by_those_that_cost_most_and_no_name_is_cut(
    browser: Browser, page_api: RunningApi, feed: Feed, viewport: dict[str, int]
) -> None:
    feed.tick(many)
    with visiting(browser, page_api.url, viewport) as visit:
        page = visit.open()
        feed.tick(many)
        channel = page.locator("#domains .channel", has_text="Waste")
        expect(channel.locator(".indicator-name").first).to_have_text("Hydrogen sulphide above limit 10")
        expect(channel.locator(".indicator")).to_have_count(4)
        expect(channel.locator(".more")).to_have_text("7 more")
        cut = "[...document.querySelectorAll('.indicator-name')].filter((n) => n.scrollWidth > n.clientWidth).length"
        assert page.evaluate(cut) == 0
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        channel.locator(".more").click()
        expect(page.locator("#panel .focus-name")).to_have_text("Waste")
        expect(page.locator("#panel .part-name").first).to_have_text("Hydrogen sulphide above limit 10")
        assert visit.complaints == []


def test_the_systems_own_health_stands_apart_and_last(visit: Visit, feed: Feed) -> None:
    page = visit.open()
    feed.tick(many)
    last = page.locator("#domains > *").last
    expect(last).to_have_class("channel sensing")
    expect(last.locator(".sensing-score")).to_have_text("71.0")
    expect(last.locator(".sensing-fact")).to_have_count(3)
    expect(page.locator("#index-choice label").last).to_have_text("Sensing")


def test_a_long_list_of_indicators_opens_at_the_chosen_one(visit: Visit, feed: Feed, city: City) -> None:
    street = city.at_level("street")[0].code
    page = visit.open(f"/?lang=en#area={street}&index=transit.number_3")
    feed.tick(many)
    expect(page.locator("#panel .detail")).to_have_count(5)
    expect(page.locator("#panel .detail-indicator")).to_have_count(11)
    expect(page.locator("#panel .detail [aria-current]")).to_have_text("Hydrogen sulphide above limit 3")
    page.locator("#panel .detail-name", has_text="Waste").click()
    expect(page.locator("#panel .detail-indicator")).to_have_count(22)


def test_the_chosen_index_is_shown_with_its_past_and_colours_the_map(
    visit: Visit, feed: Feed, city: City, database_url: str
) -> None:
    code, now = city.code, datetime.now(UTC).replace(second=0, microsecond=0)
    with psycopg.connect(database_url) as connection:
        for minute in range(4):
            say(connection, code, "parking.kerb_occupancy", now - timedelta(minutes=minute), 50 + minute)
    page = visit.open()
    page.locator("#domains .indicator-name", has_text="parking.kerb_occupancy").click()
    expect(page.locator("#panel .focus-name")).to_have_text("parking.kerb_occupancy")
    expect(page.locator("#panel .focus-value")).to_have_text("70.0 %")
    expect(page.locator("#panel .chart-level").first).to_have_text("50.0 %")
    expect(page.locator("#panel .chart-level").nth(1)).to_have_text("53.0 %")
    expect(page.locator("#panel .chart-past")).to_have_attribute("d", re.compile("^M.*L"))
    expect(page.locator("#panel .focus .why li")).to_have_text(["bay-1100 %"])
    expect(page.locator("#index-choice input:checked + span")).to_have_text("parking.kerb_occupancy")
    assert page.url.endswith("#index=parking.kerb_occupancy")
    assert visit.complaints == []


def test_what_changed_the_chosen_index_and_which_devices_cost_it_most_is_said(
    visit: Visit, feed: Feed, city: City, database_url: str
) -> None:
    """The route that explains has tests of its own; here is what the page makes of its answer."""
    east, now = city.at_level("district")[0].code, datetime.now(UTC).replace(second=0, microsecond=0)
    with psycopg.connect(database_url) as connection:
        for minute in range(30):
            say(connection, east, "parking", now - timedelta(minutes=minute), 50 + minute)
    street = city.children(east)[0].code
    since = now - timedelta(minutes=29)
    shares = {
        "byIndicator": [{"id": "parking.kerb_occupancy", "points": -2.26}],
        "byArea": [{"id": street, "points": -2.26}],
    }
    answer = {
        "contributions": [],
        "change": {"since": since.isoformat(), "points": -2.26, **shares},
        "devices": [{"device": "bay-9", "indicator": "parking.kerb_occupancy", "value": 1.0, "points": 0.7}],
    }
    asked = []

    def explain(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json=answer)

    def foretell(route: Route) -> None:
        hours = [
            {"from": (now + timedelta(hours=h)).isoformat(), "to": (now + timedelta(hours=h + 1)).isoformat()}
            | {"value": 55.0 + h, "low80": 40.0, "high80": 95.0}
            for h in range(3)
        ]
        route.fulfill(json={"items": hours})

    visit.page.route("**/why?**", explain)
    visit.page.route("**/forecast?**", foretell)
    page = visit.open(f"/?lang=en#area={east}&index=parking")
    feed.tick(score=50.0)
    change = page.locator("#panel .focus-why")
    expect(change).to_contain_text("▼ 2.3 since ")
    expect(change).to_contain_text(": parking.kerb_occupancy ▼ 2.3  /  First ▼ 2.3")
    expect(page.locator("#panel .focus .why li")).to_have_text(
        ["bay-9  parking.kerb_occupancy100 %  /  costs 0.70 pts"]
    )
    assert f"/v1/areas/{east}/vitals/parking/why?since=" in asked[0]
    expect(page.locator("#panel .chart-next")).to_have_attribute("d", re.compile("^M.*L.*L"))
    expect(page.locator("#panel .chart-band")).to_have_attribute("d", re.compile("Z$"))
    expect(page.locator("#panel .chart-level")).to_have_text(["40.0", "95.0"])
    assert visit.complaints == []


def test_the_routes_that_pull_transit_down_most_are_named(visit: Visit, feed: Feed, city: City) -> None:
    """The list of routes has tests of its own; here is what the page makes of its answer."""
    east = city.at_level("district")[0].code
    costs = {"71": 1.25, "20": 0.4, "T 3/支": -2.0, "new": None}
    items = [
        {"route": route, "points": points}
        | {"indicators": {"transit.number_3": {"value": 0.5, "unit": "1", "points": points and 2 * points}}}
        for route, points in costs.items()
    ]
    asked = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json={"items": items, "next": None})

    visit.page.route("**/v1/routes?**", answer)
    feed.tick(many)
    page = visit.open(f"/?lang=en#area={east}&index=transit")
    feed.tick(many)
    rows = page.locator("#panel .focus .routes li")
    expect(rows).to_have_text(["71costs 1.25 pts", "20costs 0.40 pts"])
    expect(page.locator("#panel .focus .why-title").last).to_have_text("Routes that pull it down most")
    assert f"/v1/routes?area={east}&by=transit&limit=5" in asked[0]
    assert visit.complaints == []
    page.goto(f"{page.url.split('#')[0]}#area={east}&index=transit.number_3")
    expect(rows).to_have_text(["7150.0 %  /  costs 2.50 pts", "2050.0 %  /  costs 0.80 pts"])
    page.goto(f"{page.url.split('#')[0]}#area={east}&index=parking")
    expect(rows).to_have_count(0)


def test_a_phone_knows_the_streets_that_need_attention(
    browser: Browser, page_api: RunningApi, feed: Feed, city: City
) -> None:
    streets = [area.code for area in city.at_level("street")]

    def differ(vitals: dict[str, Any]) -> None:
        if vitals["area"] == streets[1]:
            vitals["composite"] = value(33.0)

    feed.tick(differ, score=90.0)
    with visiting(browser, page_api.url, PHONE) as visit:
        page = visit.open()
        expect(page.locator("#panel .attention-name")).to_have_text(["Second"])
        expect(page.locator("#panel .attention-score")).to_have_text(["33.0"])
        assert visit.complaints == []


def test_an_index_that_is_delivered_no_more_is_forgotten(visit: Visit) -> None:
    page = visit.open()
    left = page.evaluate("""async () => {
        const { City } = await import("/js/state.js");
        const { CitySeries } = await import("/js/figures.js");
        const [city, series] = [new City(), new CitySeries()];
        city.setAreas([{ code: "1", level: "city", parent: null, name: {} }]);
        const whole = (domain) => ({ level: "city", at: "2026-11-20T08:00:00+08:00", composite: { score: 1 },
            domains: { [domain]: { score: 1, indicators: {} } } });
        for (let tick = 0; tick < 500; tick += 1) {
            city.merge({ tick, at: "2026-11-20T08:00:00+08:00", areas: { 1: whole(`d${tick}`) } });
            series.record(city);
        }
        return [city.domainIds(), [...series.byIndex.keys()]];
    }""")
    assert left == [["d499"], ["composite", "d499"]]


def test_ledger_adds_up_and_rejects_say_why(visit: Visit, database_url: str) -> None:
    page = visit.open()
    expect(page.locator("#rejects")).to_contain_text("No reading was rejected")
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO ledger VALUES ('parking_bay', 1204, 30, 1, 0)")
        connection.execute(
            "INSERT INTO rejects (received_at, topic, stream, device, reason, detail, payload)"
            " VALUES (%s, 'cv1/x/parking_bay/b/tele', 'parking_bay', 'b', 'range', 'fill is 1.4, must be 0–1', '')",
            [datetime.now(UTC)],
        )
    expect(page.locator('[data-term="received"] dd')).to_have_text("1,235", timeout=10_000)
    expect(page.locator('[data-term="stored"] dd')).to_have_text("1,204")
    expect(page.locator(".verdict")).to_have_attribute("data-balanced", "true")
    expect(page.locator("#rejects .reject-reason")).to_have_text("range", timeout=10_000)
    expect(page.locator("#rejects .reject-detail")).to_have_text("fill is 1.4, must be 0–1")


def test_last_hour_is_a_bounded_series(visit: Visit) -> None:
    page = visit.open()
    kept = page.evaluate("""async () => {
        const { Series } = await import("/js/series.js");
        const series = new Series();
        for (let second = 0; second < 100_000; second += 1) series.push(second * 1000, second % 7 ? 50 : null);
        const alternating = series.points.length;
        series.load(series.points.map((point) => ({ ...point })));
        return [alternating, series.points.length, series.points.at(-1).at];
    }""")
    assert kept[0] < 400
    assert kept[1] < 400
    assert kept[2] == 99_999_000


def test_values_age_from_the_event_that_carried_them_and_expire(visit: Visit) -> None:
    page = visit.open()
    outcome = page.evaluate("""async () => {
        const { City } = await import("/js/state.js");
        const { pulse, shown } = await import("/js/freshness.js");
        const at = (second) => `2026-11-20T08:00:${String(second).padStart(2, "0")}+08:00`;
        const city = new City();
        city.setAreas([{ code: "1", level: "city", parent: null, name: {} }]);
        const whole = { score: 70, coverage: 1, freshness: 2, reason: null };
        city.takeSnapshot({ tick: 5, at: at(0), areas: { 1: { composite: whole, domains: {
            a: { ...whole, indicators: { "a.x": { ...whole, value: 3 } } } } } } });
        city.merge({ tick: 6, at: at(10), areas: { 1: { domains: { a: { indicators: {
            "a.x": { ...whole, value: 4, score: 60, freshness: 1 } } } } } } });
        const now = Date.parse(at(12));
        const old = shown(city.index("1", "a"), now, "live");
        const fresh = shown(city.index("1", "a").indicators["a.x"], now, "live");
        city.merge({ tick: 6, at: at(20), areas: {} });
        const sinceTick = now + 10_000 - city.at;
        const pulses = [2, 11, 61].map((seconds) => pulse(city.at + seconds * 1000, city));
        const silent = shown(city.index("1", "a"), now, "silent").score;
        return [old.age, fresh.age, fresh.value, sinceTick, ...pulses, silent];
    }""")
    assert outcome == [14, 3, 4, 12_000, "live", "late", "silent", None]


def test_page_never_parses_data_as_markup_and_names_no_other_host() -> None:
    sources = [path for path in DASHBOARD.rglob("*") if path.suffix in {".js", ".css", ".html"}]
    assert len(sources) > 10
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert set(re.findall(r"https?://[^\"')\s]+", text)) <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text) or path.suffix != ".html", path
