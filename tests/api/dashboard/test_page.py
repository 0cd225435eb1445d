"""The operations-centre page as a whole: languages, keyboard, screens, what it never does."""

import re
from datetime import UTC, datetime

import psycopg
import pytest
from dashboard_page import PHONE, WALL, Feed, Visit, visiting
from live_api import RunningApi
from playwright.sync_api import Browser, expect

from api.config import DASHBOARD
from devices.city import City

pytestmark = pytest.mark.browser


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


def test_keyboard_keeps_its_district_when_the_map_is_drawn_in_another_size(visit: Visit, city: City) -> None:
    page = visit.open()
    west = page.locator(f'#map [data-area="{city.at_level("district")[1].code}"]')
    west.focus()
    before = page.locator("#map svg").get_attribute("height")
    page.set_viewport_size({"width": WALL["width"], "height": WALL["height"] - 200})
    expect(page.locator("#map svg")).not_to_have_attribute("height", str(before))
    expect(west).to_be_focused()


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
    expect(page.locator('[data-term="received"] dd')).to_have_text("1,235")
    expect(page.locator('[data-term="stored"] dd')).to_have_text("1,204")
    expect(page.locator(".verdict")).to_have_attribute("data-balanced", "true")
    expect(page.locator("#rejects .reject-reason")).to_have_text("range")
    expect(page.locator("#rejects .reject-detail")).to_have_text("fill is 1.4, must be 0–1")


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
