"""Figures, tiles and map: what is missing, what is many, what nobody foresaw."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from dashboard_page import PHONE, WALL, Feed, Visit, many, visiting
from live_api import RunningApi, value
from playwright.sync_api import Browser, expect

from devices.city import City

pytestmark = pytest.mark.browser


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
    expect(button.locator("path")).to_have_css("fill", 'url("#hatch")')
    tile = page.locator(f'#panel [data-area="{east}"]')
    expect(tile.locator(".tile-score")).to_have_text("—")
    expect(tile.locator(".tile-state")).to_have_text("Data stale")
    energy = page.locator("#domains .channel", has_text="energy")
    expect(energy.locator(".figure-score")).to_have_text("—")
    expect(energy.locator(".state")).to_have_text("Coverage too low")
    expect(energy.locator(".indicator-reason")).to_have_text("Coverage too low")


def test_a_city_of_silent_devices_is_not_called_live(visit: Visit, feed: Feed) -> None:
    def silence(vitals: dict[str, Any]) -> None:
        vitals["devices"] = {"parking_bay": {"expected": 10, "reporting": 0}}

    page = visit.open()
    feed.tick()
    expect(page.locator("#connection-state")).to_have_text("Live")
    good = page.locator(".beacon").evaluate("node => getComputedStyle(node).backgroundColor")
    feed.tick(silence)
    expect(page.locator("#connection-state")).to_have_text("No data")
    expect(page.locator(".beacon")).not_to_have_css("background-color", good)


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
    page.locator("#index-choice label", has_text="parking").click()
    expect(page.locator(f'#map [data-area="{west}"]')).to_have_attribute("data-band", "good")


def test_an_order_chosen_away_and_back_between_two_frames_sorts_anew(visit: Visit, feed: Feed, city: City) -> None:
    """Tiles keep their order for 15 s when nothing is asked; on a slow machine two choices fall between two frames."""
    east, west = (area.code for area in city.at_level("district"))

    def differ(vitals: dict[str, Any]) -> None:
        if vitals["area"] == west:
            vitals["composite"] = value(20.0)

    visit.page.clock.set_fixed_time(datetime.now(UTC))  # the 15 s are not over, whatever all this takes
    page = visit.open()
    feed.tick(differ, score=80.0)
    expect(page.locator(f'#panel [data-area="{west}"]')).to_have_attribute("data-band", "critical")
    tiles = "[...document.querySelectorAll('#panel .tile')].map((tile) => tile.dataset.area)"
    assert page.evaluate(tiles) == [east, west]
    page.locator("#panel select").evaluate("""async (select) => {
        for (const order of ["code", "score"]) {
            select.value = order;
            select.dispatchEvent(new Event("change", { bubbles: true }));
        }
        await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    }""")
    assert page.evaluate(tiles) == [west, east]


def test_a_domain_nobody_foresaw_appears_and_its_names_are_text(visit: Visit, feed: Feed) -> None:
    evil = '<img src="x" onerror="document.title=1">'

    def add(vitals: dict[str, Any]) -> None:
        indicator = value(33.0, name={"zh": evil, "en": evil}, unit=evil)
        index = value(33.0, name={"zh": "空气", "en": "Air"})
        vitals["domains"]["air"] = index | {"indicators": {"air.pm25": indicator}}

    page = visit.open()
    feed.tick(add)
    channel = page.locator("#domains .channel").filter(has=page.get_by_text("Air", exact=True))
    expect(channel.locator(".figure-score")).to_have_text("33.0")
    expect(channel.locator(".indicator-name")).to_have_text(evil)
    expect(page.locator("#index-choice label")).to_have_count(4)
    assert page.locator("img").count() == 0


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


def test_a_score_that_does_not_count_in_its_domain_says_so(visit: Visit, feed: Feed) -> None:
    """The feed's parking is made of kerb occupancy alone; its share of unknown bays has a score all the same."""
    page = visit.open()
    feed.tick(score=80.0)
    rows = page.locator("#domains .channel", has_text="Parking").locator(".indicator")
    counted, apart = rows.filter(has_text="kerb_occupancy"), rows.filter(has_text="unknown_share")
    expect(apart).to_have_attribute("data-uncounted", "")
    expect(apart.locator(".indicator-score")).to_have_attribute("aria-label", "Score 90, not counted in the score")
    expect(counted.locator(".indicator-score")).to_have_attribute("aria-label", "Score 80")
    expect(page.locator("#domains [data-uncounted]")).to_have_count(1)


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
