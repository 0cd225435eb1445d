"""The chosen index: its past, what changed it, which streets and devices it concerns."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from dashboard_page import PHONE, Feed, Visit, many, visiting
from live_api import RunningApi, value
from playwright.sync_api import Browser, Route, expect
from vitals_material import say

from devices.city import City

pytestmark = pytest.mark.browser


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


def test_a_past_that_cannot_be_read_is_not_called_empty(visit: Visit) -> None:
    page = visit.open()
    outcome = page.evaluate("""async () => {
        const { FocusBook } = await import("/js/focus-book.js");
        const away = async () => { throw new Error("database away"); };
        const empty = async () => [];
        const book = new FocusBook({ trace: away, forecast: away, routes: away, why: away });
        await book.turnTo("1", "composite");
        const failed = book.of("1", "composite").answered;
        book.api = { trace: empty, forecast: empty, routes: empty, why: away };
        await book.turnTo("1", "composite");
        return [failed, book.of("1", "composite").answered];
    }""")
    assert outcome == [False, True]


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
