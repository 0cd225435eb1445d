"""The page and its stream: ticks, silence, a lost server, values that grow old, alarms."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dashboard_page import WALL, Feed, Visit, visiting
from live_api import RunningApi, running_api, small_city
from playwright.sync_api import Browser, expect

from api.config import ApiConfig
from devices.publisher import Publisher

pytestmark = pytest.mark.browser


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
        expect(page.locator("body")).to_have_attribute("data-pulse", "late")
        expect(page.locator("#banner")).to_contain_text("No update for")
        expect(page.locator("#data-age")).to_have_text(re.compile(r"^[1-5]\d s$"))
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
        expect(page.locator("body")).to_have_attribute("data-pulse", "silent")
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
            expect(page.locator("#connection-state")).to_have_text("Disconnected")
            expect(page.locator("#banner")).to_contain_text("Connection to the server lost")
        feed.tick(score=44.5)
        expect(page.locator("#composite .figure-score")).to_have_text("44.5")
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


def test_an_alarm_is_said_in_the_banner_for_as_long_as_it_is_active(visit: Visit, feed: Feed) -> None:
    page = visit.open()
    alarm = {"id": "database_away", "text": {"zh": "数据库不可用", "en": "Database away"}}
    feed.tick(alarms=[alarm])
    expect(page.locator("#banner")).to_contain_text("Database away")
    feed.tick()
    expect(page.locator("#banner")).to_be_hidden()


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
